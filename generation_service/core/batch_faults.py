"""What becomes of the requests of an OpenAI batch that ended as a whole without answering them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from generation_service.core.openai_batch import enqueued_token_limit
from generation_service.core.openai_errors import Failure, Retry

TOKEN_LIMIT: Final = "token_limit_exceeded"  # noqa: S105 - an error code
_HOPELESS: Final = frozenset({"model_not_found", "invalid_url", "invalid_endpoint"})
"""Faults of the whole file that would be the same the next time."""


def unanswered(openai_status: str | None) -> Failure:
    """Why a line is in neither file; it may be tried again, at the cost of an attempt."""
    ended = openai_status or "unknown"
    codes = {"expired": "openai_expired", "cancelled": "openai_cancelled"}
    return Failure(
        code=codes.get(ended, "openai_missing_line"),
        message=f"The OpenAI batch ended as {ended} without an answer to this request.",
        retry=Retry.AGAIN,
    )


def validation_failures(faults: Sequence[Mapping[str, Any]]) -> tuple[dict[int, Failure], Failure]:
    """Return a failure for each line (from 1) that OpenAI named, and one for all other lines.

    Nothing of a batch that failed its validation was worked or billed, so lines that are not at
    fault cost no attempt. When no line is named they might be, so each try counts.
    """
    named = {
        fault["line"]: Failure(code="openai_error", message=_message(fault), retry=Retry.NEVER)
        for fault in faults
        if isinstance(fault.get("line"), int) and fault.get("code") != TOKEN_LIMIT
    }
    return named, _for_the_rest(faults, blamed=bool(named))


def _for_the_rest(faults: Sequence[Mapping[str, Any]], *, blamed: bool) -> Failure:
    codes = {fault.get("code") for fault in faults}
    message = _message(faults[0]) if faults else "OpenAI rejected the input file without a reason."
    if codes & _HOPELESS:
        return Failure(code="openai_error", message=message, retry=Retry.NEVER)
    if blamed or TOKEN_LIMIT in codes:
        return Failure(code="openai_error", message=message, retry=Retry.FREE)
    return Failure(code="openai_error", message=message, retry=Retry.AGAIN)


def _message(fault: Mapping[str, Any]) -> str:
    return f"{fault.get('message') or 'OpenAI rejected the request.'} ({fault.get('code')})"


def outgrows_limit(faults: Sequence[Mapping[str, Any]], tokens: int) -> bool:
    """Whether OpenAI refused `tokens` because they are more than it ever lets wait."""
    limit = enqueued_limit(faults)
    return limit is not None and tokens > limit


def enqueued_limit(faults: Sequence[Mapping[str, Any]]) -> int | None:
    """The model's limit of enqueued tokens, where OpenAI names it."""
    named = [
        enqueued_token_limit(str(fault.get("message")))
        for fault in faults
        if fault.get("code") == TOKEN_LIMIT
    ]
    return next((limit for limit in named if limit), None)
