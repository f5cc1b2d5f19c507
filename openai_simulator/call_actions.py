"""Misbehaviour of a call, before the work is done or after it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Any, Final

from openai_simulator.actions import BATCH_VIEWS, CALLS, WORK, Action, Fired
from openai_simulator.connections import Dropped, Response
from openai_simulator.errors import invalid, usual

A_DAY: Final = 86_400.0


@dataclass(frozen=True)
class Surroundings:
    """`closing` is set when the simulator ends, so that nobody waits longer than it lives."""

    closing: Event
    delete_file: Callable[[str], object]


Before = Callable[[Fired, Surroundings], None]
After = Callable[[Fired, Response, Surroundings], Response]


def slow(fired: Fired, around: Surroundings) -> None:
    around.closing.wait(fired.parameters["seconds"])


def hang(fired: Fired, around: Surroundings) -> None:
    slow(fired, around)
    raise Dropped


def reset_before(_fired: Fired, _around: Surroundings) -> None:
    raise Dropped


def status(fired: Fired, _around: Surroundings) -> None:
    given = fired.parameters
    error = usual(given["status"], given["code"], given["message"])
    error.retry_after = given["retry_after"]
    raise error


_IMAGE_ERRORS: Final[Mapping[str, str]] = {
    "error": "Error while downloading {url}.",
    "timeout": "Timeout while downloading {url}.",
    "unnamed": "Error while downloading file. Upstream status code: 400.",
}


def image_error(fired: Fired, _around: Surroundings) -> None:
    wanted = fired.parameters["url"]
    url = next((each for each in fired.subject.image_urls if wanted in each), "the image")
    given = fired.parameters["words"]
    words = _IMAGE_ERRORS.get(given, given).replace("{url}", url)
    raise invalid(words, code=fired.parameters["code"], param="url")


def reset_after(_fired: Fired, _response: Response, _around: Surroundings) -> Response:
    raise Dropped


def hang_after(fired: Fired, _response: Response, around: Surroundings) -> Response:
    slow(fired, around)
    raise Dropped


def lose_file(_fired: Fired, response: Response, around: Surroundings) -> Response:
    around.delete_file(str(_document(response)["id"]))
    return response


def empty_content(_fired: Fired, _response: Response, _around: Surroundings) -> Response:
    return Response(content=b"")


def cut_content(fired: Fired, response: Response, around: Surroundings) -> Response:
    """A reset destroys what its receiver has not read yet, so it may be told to wait for that."""
    response.cut = fired.parameters["fraction"]
    response.hold = partial(slow, fired, around)
    return response


def empty_list(_fired: Fired, response: Response, _around: Surroundings) -> Response:
    nothing: dict[str, object] = {"data": [], "first_id": None, "last_id": None, "has_more": False}
    return Response(document={**_document(response), **nothing})


def on_batches(change: Callable[[dict[str, Any], Mapping[str, Any]], None]) -> After:
    """Lift a change of one batch's document to answers that hold one or a list of them."""

    def effect(fired: Fired, response: Response, _around: Surroundings) -> Response:
        for batch in _batches(response):
            change(batch, fired.parameters)
        return response

    return effect


def _batches(response: Response) -> Sequence[dict[str, Any]]:
    document = _document(response)
    data = document.get("data")
    return data if isinstance(data, list) else [document]


def _document(response: Response) -> dict[str, Any]:
    return response.document if isinstance(response.document, dict) else {}


def unknown_status(batch: dict[str, Any], given: Mapping[str, Any]) -> None:
    batch["status"] = given["status"]


def capital_status(batch: dict[str, Any], _given: Mapping[str, Any]) -> None:
    batch["status"] = str(batch["status"]).capitalize()


def null_counts(batch: dict[str, Any], _given: Mapping[str, Any]) -> None:
    batch["request_counts"] = None


def false_counts(batch: dict[str, Any], given: Mapping[str, Any]) -> None:
    batch["request_counts"] = dict(given)


def blank_file_ids(batch: dict[str, Any], _given: Mapping[str, Any]) -> None:
    for name in ("output_file_id", "error_file_id"):
        batch[name] = batch[name] or ""


def no_metadata(batch: dict[str, Any], _given: Mapping[str, Any]) -> None:
    del batch["metadata"]


def shift_clock(batch: dict[str, Any], given: Mapping[str, Any]) -> None:
    for name in [name for name in batch if name.endswith("_at") and batch[name] is not None]:
        batch[name] += given["seconds"]


_STATUS: Final = {"status": 500, "code": None, "message": None, "retry_after": None}
_IMAGE: Final = {"words": "error", "url": "", "code": "invalid_image_url"}
BEFORE: Final[Mapping[str, Action[Before]]] = {
    "slow": Action(CALLS | WORK, slow, {"seconds": 1.0}),
    "status": Action(CALLS | WORK, status, _STATUS, ends=True),
    "error": Action(CALLS | WORK, status, _STATUS, ends=True),
    "image_error": Action(WORK, image_error, _IMAGE, ends=True),
    "hang": Action(CALLS, hang, {"seconds": A_DAY}, ends=True),
    "reset_before": Action(CALLS, reset_before, ends=True),
}
AFTER: Final[Mapping[str, Action[After]]] = {
    "reset_after": Action(CALLS, reset_after, ends=True),
    "hang_after": Action(CALLS, hang_after, {"seconds": A_DAY}, ends=True),
    "lose_file": Action(frozenset({"upload"}), lose_file),
    "empty_content": Action(frozenset({"content"}), empty_content),
    "cut_content": Action(frozenset({"content"}), cut_content, {"fraction": 0.5, "seconds": 0.0}),
    "empty_list": Action(frozenset({"list"}), empty_list),
    "unknown_status": Action(BATCH_VIEWS, on_batches(unknown_status), {"status": "paused"}),
    "capital_status": Action(BATCH_VIEWS, on_batches(capital_status)),
    "null_counts": Action(BATCH_VIEWS, on_batches(null_counts)),
    "false_counts": Action(
        BATCH_VIEWS, on_batches(false_counts), {"total": 0, "completed": 0, "failed": 0}
    ),
    "blank_file_ids": Action(BATCH_VIEWS, on_batches(blank_file_ids)),
    "no_metadata": Action(BATCH_VIEWS, on_batches(no_metadata)),
    "shift_clock": Action(BATCH_VIEWS, on_batches(shift_clock), {"seconds": -300}),
}
