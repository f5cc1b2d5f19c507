"""A job ends, and is paid for once, whatever the habits of the server that does the work."""

import json

import pytest

from generation_service.db.engine import make_engine
from tests import running
from tests.acceptance.compatible_server import EMPTY_FILE, Answer, CompatibleServer, Quirks, answer
from tests.acceptance.compatible_world import (
    World,
    batch,
    body,
    by_turns,
    refusal,
    rejected,
    said,
    without,
)


@pytest.fixture(scope="module")
def server():
    with CompatibleServer() as server:
        yield server


@pytest.fixture(scope="module")
def service(folder, database_url, server, photos):
    environ = {
        "DATABASE_URL": database_url,
        "OPENAI_BASE_URL": server.base_url,
        "ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{photos.port}",
        "OPENAI_POLL_SECONDS": "0.1",
        "SYNC_DEADLINE_SECONDS": "2",
        "WEB_CONCURRENCY": "1",
    }
    with running.service(folder, environ) as started:
        yield started


@pytest.fixture(scope="module")
def database(database_url):
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(autouse=True)
def _no_quirks_before_and_no_fault_in_the_log_after(service, server):
    server.quirks = Quirks()
    server.billed.clear()
    seen = len(service.process.output())
    yield
    written = service.process.output()[seen:]
    assert "Traceback" not in written
    assert "stage_failed" not in written


@pytest.fixture
def world(service, server, database, photos):
    return World(service, server, database, photos)


LIES = {"total": -3, "completed": "all of them", "failed": 9e99}
HABITS = {
    "empty and null": Quirks(
        batch=batch(error_file_id=EMPTY_FILE, request_counts={"total": None, "completed": None})
    ),
    "blank and false": Quirks(
        batch=batch(error_file_id="", errors="", metadata="", request_counts=LIES)
    ),
    "left out": Quirks(batch=without("metadata", "endpoint", "completed_at", "request_counts")),
    "own words": Quirks(statuses=("queued", "in_queue", "done")),
    "capitals": Quirks(statuses=("Validating", "In Progress", "COMPLETED")),
    "failed after the work": Quirks(statuses=("failed",), batch=batch(errors={"data": None})),
    "paths as ids": Quirks(ids="../{kind}s/{number}?x=1&y=%2F#ü z"),
    "long ids": Quirks(ids="{kind}-{number:0>400}"),
    "numbers as ids": Quirks(ids="{number}", batch=lambda sent: {**sent, "id": int(sent["id"])}),
    "a slow upload": Quirks(slow={"upload": 1.0}),
}


@pytest.mark.parametrize("quirks", HABITS.values(), ids=HABITS)
def test_a_job_completes_and_is_paid_for_once(world, quirks):
    world.assert_described(world.job(quirks))


UNCLEAR = {
    "no id": Quirks(afterwards={"create": answer({"status": "validating"})}),
    "a gateway's page": Quirks(afterwards={"create": Answer(b"<h1>Gateway Timeout</h1>", 504)}),
    "no deletion and no metadata": Quirks(
        afterwards={"create": Answer(b"", 500)},
        instead={"delete": Answer(b"<h1>No such path</h1>", 404)},
        batch=without("metadata"),
    ),
}


@pytest.mark.parametrize("quirks", UNCLEAR.values(), ids=UNCLEAR)
def test_a_creation_without_a_clear_answer_is_found_again(world, quirks):
    world.assert_described(world.job(quirks))


GARBAGE = b": ping\n\ndata: [DONE]\n\nnull\n[]\n17\n{}\n"
FILES = {
    "bare": lambda content: content.rstrip(),
    "strange": lambda content: b"\xef\xbb\xbf\r\n" + content.replace(b"\n", b"\r\n \r\n"),
    "with garbage": lambda content: GARBAGE + content * 2 + b'\xff\x00{"custom_id": "1-',
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_a_file_is_read_whatever_stands_between_its_lines(world, content):
    world.assert_described(world.job(Quirks(content=content)))


SHAPES = [
    body(json.dumps),
    body(without("usage", "model")),
    body(lambda sent: {**sent, "usage": None}),
    body(lambda sent: {**sent, "usage": {"prompt_tokens": 1e9, "completion_tokens": -1}}),
    said(content=[{"type": "text", "text": "<p>A dent.</p>"}]),
    said(content="<p>A dent.</p>", refusal=None, reasoning_content="Hm."),
    lambda line: {**line, "error": {}, "id": 7},
    lambda line: {**line, "error": {"code": None, "message": None}},
    lambda line: {**line, "response": json.dumps(line["response"])},
    lambda line: {**line, "response": {**line["response"], "status_code": "200 OK"}},
    lambda line: {**line, "response": line["response"]["body"]},
]


def test_every_shape_of_an_answer_is_understood(world):
    lots = len(SHAPES)
    status = world.job(Quirks(line=by_turns(SHAPES)), ["de", "en"], lots=lots)
    world.assert_described(status, lots)


NO_ANSWERS = {
    "I will not.": said(refusal="I will not."),
    "Out of words.": body(lambda _sent: {"error": "Out of words."}),
    "The answer is not a JSON object.": body(lambda _sent: "<h1>Oh</h1>"),
    "The answer has no choices.": body(lambda _sent: None),
    "The answer is empty.": body(
        lambda sent: {**sent, "choices": [{"message": {}}], "usage": {"prompt_tokens": 10**30}}
    ),
    "The queue burnt down.": lambda line: {
        "custom_id": line["custom_id"],
        "error": "The queue burnt down.",
    },
    "Oh no": lambda line: {**line, "response": {"status_code": 500, "body": "<h1>Oh no</h1>"}},
    "The line has no response.": without("response"),
    "The OpenAI batch ended as completed without an answer to this request.": lambda line: [line],
}


def test_of_lines_that_are_no_answers_each_fails_with_its_reason_and_spoils_no_other(world):
    shapes = [dict, *NO_ANSWERS.values()]
    status = world.job(Quirks(line=by_turns(shapes)), lots=len(shapes))
    reasons = [entry["error"]["message"] for entry in world.lots(status) if "error" in entry]
    assert status["status"] == "completed"
    assert sorted(reasons) == sorted(NO_ANSWERS)


FULL = {"code": "token_limit_exceeded", "message": "The queue is full."}
UNHELPFUL = {
    "No batches here.": Quirks(instead={"create": refusal(400, "No batches here.")}),
    "Come back in 32 years.": Quirks(
        instead={"create": refusal(429, "Come back in 32 years.", **{"Retry-After": "999999999"})}
    ),
    "HTTP 501: Oh no": Quirks(instead={"create": Answer(b"<h1>Oh no</h1>", 501)}),
    "Nothing is listed here.": Quirks(
        afterwards={"create": answer({})},
        instead={"list": refusal(404, "Nothing is listed here.")},
    ),
    "Cannot POST /v1/files": Quirks(instead={"upload": Answer(b"Cannot POST /v1/files", 404)}),
    "not a JSON object": Quirks(instead={"upload": Answer(b"<h1>Please log in</h1>")}),
    "HTTP 500: Oh": Quirks(statuses=("a", "b"), instead={"retrieve": Answer(b"<h1>Oh</h1>", 500)}),
    "ended as completed without an answer": Quirks(instead={"content": refusal(404, "Lost.")}),
    "Not for you.": Quirks(instead={"content": refusal(401, "Not for you.")}),
    "without a reason": rejected(None),
    "A sentence.": rejected("A sentence."),
    "a batch that cannot be found": Quirks(
        afterwards={"create": answer({}), "list": answer({"data": []})}
    ),
    "Not this model.": rejected(["Not this model."]),
    "The queue is full.": rejected({"data": [FULL]}),
    "ended as paused without an answer": Quirks(
        statuses=("paused",),
        batch=batch(completed_at=None, output_file_id=None),
        instead={"cancel": Answer(b"<h1>Oh</h1>", 500)},
    ),
}


@pytest.mark.parametrize(("words", "quirks"), UNHELPFUL.items(), ids=UNHELPFUL)
def test_a_job_that_cannot_be_done_ends_with_the_reason_and_is_paid_for_at_most_once(
    world, words, quirks
):
    status = world.job(quirks, later=True)
    assert status["status"] == "failed"
    assert words in status["error_message"]
    assert len(world.server.billed) == len(set(world.server.billed))


def test_a_server_that_counts_its_batches_anew_spoils_only_what_it_says_twice(world):
    status = world.job(Quirks(ids="{kind}-1"), ["en", "de"])
    (reason,) = {entry["error"]["message"] for entry in world.lots(status)}
    assert status["status"] == "completed"
    assert "the id of another one: batch-1" in reason


def test_one_lot_is_described_by_such_a_server_too(world):
    status, document = world.one_lot(Quirks(completion=without("usage", "model")))
    languages = [entry["language"] for entry in document["lots"][0]["descriptions"]]
    assert (status, languages) == (200, ["en", "de"])


NO_CHATS = {
    "openai_timeout": Answer(b"<h1>Bad Gateway</h1>", 502),
    "openai_error": refusal(401, "Wrong key."),
    "openai_refused": answer({"choices": [{"message": {"refusal": "I will not."}}]}),
}


@pytest.mark.parametrize(("code", "said"), NO_CHATS.items(), ids=NO_CHATS)
def test_one_lot_without_an_answer_is_an_error_in_time(world, code, said):
    status, document = world.one_lot(Quirks(instead={"chat": said}))
    assert (status, document["error"]) == (500, code)
