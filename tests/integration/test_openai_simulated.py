"""The client and the simulator understand each other, from upload to deletion."""

from collections.abc import Iterator
from io import BytesIO

import pytest

from generation_service.clients.deadline import Deadline
from generation_service.clients.openai_api import OpenAIClient, OpenAIRefused
from generation_service.core.openai_batch import BatchState
from generation_service.core.prompts import batch_line, translation_body
from generation_service.core.replies import Completion, read_line
from openai_simulator.server import Simulator
from tests.servers import LoopbackServer, Reply
from tests.waiting import until

BODY = translation_body(
    model="gpt-6-luna",
    reasoning_effort="none",
    english="<p>Dent on the door.</p>",
    language="ru",
    max_completion_tokens=4_000,
)


@pytest.fixture
def openai() -> Iterator[OpenAIClient]:
    with Simulator(batch_seconds=0, cancel_seconds=0, fetch=False) as simulator:
        openai = OpenAIClient(api_key="sk-test", base_url=simulator.base_url)
        yield openai
        openai.close()


@pytest.fixture
def input_file(openai: OpenAIClient) -> str:
    content = BytesIO(batch_line("one", BODY) + batch_line("two", BODY))
    return openai.upload(content, name="input.jsonl", expires_after_days=30)


def ended(openai: OpenAIClient, batch: BatchState) -> BatchState:
    def state() -> BatchState | None:
        found = openai.retrieve_batch(batch.id)
        return found if found.ended else None

    return until(state, what="the batch has ended")


def test_a_direct_call_is_answered(openai):
    reply = openai.complete(BODY, Deadline.after(20))
    assert isinstance(reply, Completion)
    assert reply.simulated
    assert reply.text.startswith("<p>")


def test_a_batch_is_worked_and_its_lines_are_read(openai, input_file):
    created = openai.create_batch(input_file_id=input_file, metadata={"batch": "ours"})
    state = ended(openai, created)
    assert (state.status, state.metadata) == ("completed", {"batch": "ours"})
    assert (state.total, state.completed, state.failed) == (2, 2, 0)
    lines = [read_line(line) for line in openai.file_lines(state.output_file_id)]
    assert {line.custom_id for line in lines if line} == {"one", "two"}
    assert all(isinstance(line.reply, Completion) for line in lines if line)


def test_batches_are_listed_newest_first(openai, input_file):
    made = [openai.create_batch(input_file_id=input_file, metadata={}).id for _ in range(3)]
    assert [state.id for state in openai.list_batches()] == made[::-1]


def test_a_batch_that_has_ended_cannot_be_cancelled(openai, input_file):
    created = openai.create_batch(input_file_id=input_file, metadata={})
    ended(openai, created)
    with pytest.raises(OpenAIRefused):
        openai.cancel_batch(created.id)


def test_a_file_is_deleted_once_and_for_all(openai, input_file):
    openai.delete_file(input_file)
    openai.delete_file(input_file)
    with pytest.raises(OpenAIRefused):
        openai.create_batch(input_file_id=input_file, metadata={})


def test_a_batch_that_is_gone_is_a_404(openai):
    with pytest.raises(OpenAIRefused) as refused:
        openai.retrieve_batch("batch_unknown")
    assert refused.value.status == 404


def test_the_default_models_are_there(openai):
    assert {"gpt-6.1-terra", "gpt-6-luna"} <= set(openai.models())


def test_the_client_knows_a_simulator_by_its_answers(openai):
    assert openai.simulated is None
    openai.models()
    assert openai.simulated is True


def test_another_server_is_no_simulator():
    models = Reply(body=b'{"data": []}', headers={"Content-Type": "application/json"})
    with LoopbackServer({"/v1/models": models}) as server:
        openai = OpenAIClient(api_key="sk-test", base_url=server.url("/v1"))
        openai.models()
        openai.close()
    assert openai.simulated is False
