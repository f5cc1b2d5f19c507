"""Whether there is a Batch API is found out by asking, and work goes on either way."""

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from generation_service.clients.batch_api import BatchApi
from generation_service.clients.openai_api import OpenAIClient
from generation_service.core.status import JobStatus
from generation_service.pipeline import lanes, pack, probe, submit
from tests.integration.stages import go_on, stages
from tests.servers import LoopbackServer, Reply
from tests.waiting import until

BATCHES, MODELS = "/v1/batches", "/v1/models"
NONE = Reply(body=b'{"object": "list", "data": []}')


def error(status, message):
    return Reply(status=status, body=json.dumps({"error": {"message": message}}).encode())


def asked(replies):
    """(whether there is a Batch API as far as is known, the reason if it is not known)."""
    with LoopbackServer({MODELS: NONE, **replies}) as server:
        client = OpenAIClient(api_key="sk-test", base_url=server.url("/v1"))
        batch_api = BatchApi()
        reason = batch_api.ask(client, 100.0)
        client.close()
    return batch_api.exists, reason


@pytest.mark.parametrize("answer", [NONE, Reply(body=b"[]"), Reply(body=b"{}")])
def test_a_server_that_lists_its_batches_has_a_batch_api(answer):
    assert asked({BATCHES: answer}) == (True, "")


@pytest.mark.parametrize(
    "answer",
    [
        Reply(status=404, body=b'{"detail":"Not Found"}'),  # vLLM
        Reply(status=404, body=b"404 page not found"),  # Ollama
        error(404, "File Not Found"),  # llama.cpp
        Reply(status=405, body=b'{"detail":"Method Not Allowed"}'),
        error(501, "This server does not support this endpoint."),
        error(400, "Batch API is not supported"),
        error(400, "Unknown endpoint: /v1/batches"),
        error(400, "Invalid URL (GET /v1/batches)"),
    ],
)
def test_a_server_that_does_not_know_the_path_has_none(answer):
    assert asked({BATCHES: answer}) == (False, "")


@pytest.mark.parametrize(
    "answer",
    [
        error(401, "Incorrect API key provided."),
        error(403, "You have insufficient permissions for this operation."),
        error(429, "Rate limit reached."),
        error(500, "The server had an error."),
        error(503, "Loading model"),
        error(400, "Your request was malformed."),
        Reply(reset=True),
    ],
)
def test_trouble_that_may_pass_tells_nothing(answer):
    exists, reason = asked({BATCHES: answer})
    assert exists is None
    assert reason


def test_a_proxy_that_knows_no_path_at_all_tells_nothing():
    nothing = Reply(status=404, body=b"default backend - 404")
    exists, reason = asked({BATCHES: nothing, MODELS: nothing})
    assert exists is None
    assert "neither its batches nor its models" in reason


def test_a_server_that_is_not_there_is_asked_until_it_is(engine):
    with stages(engine, OPENAI_BATCH_API="auto") as world:
        world.simulator.rules.add({"on": "list", "do": "reset_before", "times": 1})

        def known():
            lanes.tick(world.resources, go_on)
            return world.resources.batch_api.exists

        assert (known(), known()) == (None, None)
        assert listings(world) == 1
        assert until(known, what="the server is known to have a Batch API")
        assert (known(), listings(world)) == (True, 2)


def listings(world):
    """How often the server was asked for its batches."""
    return sum(world.simulator.traffic.document.get("GET /v1/batches", {}).values())


@pytest.mark.parametrize("mode", ["on", "off"])
def test_who_was_told_does_not_ask(engine, mode):
    with stages(engine, OPENAI_BATCH_API=mode) as world:
        lanes.tick(world.resources, go_on)
        assert listings(world) == 0
        assert world.resources.has_batch_api is (mode == "on")


def test_work_begins_in_openai_batches_while_nothing_is_known(engine):
    with stages(engine, OPENAI_BATCH_API="auto") as world:
        world.simulator.rules.add({"on": "list", "do": "status", "status": 429})
        job_id = world.accept(world.lots(2), ["en"])
        assert world.finish(job_id).status is JobStatus.COMPLETED
        assert len(world.billed()) == 2


def test_what_was_packed_before_it_was_known_that_there_is_none_comes_back(engine):
    with stages(engine, batch_api=False, OPENAI_BATCH_API="auto") as world:
        job_id = world.accept(world.lots(2), ["en"])
        for stage in (probe, pack, submit, submit):
            stage.tick(world.resources, go_on)
        assert world.rows("SELECT status FROM openai_batches") == [{"status": "building"}]
        assert world.finish(job_id).status is JobStatus.COMPLETED
        attempts = world.rows("SELECT attempt FROM descriptions")
        assert attempts == [{"attempt": 1}] * 2
        assert world.rows("SELECT * FROM job_openai_batches") == []


def test_openai_batches_under_way_are_still_read_when_the_setting_turns_off(engine):
    with stages(engine) as world:
        job_id = world.accept(world.lots(2), ["en", "ru"])
        for stage in (probe, pack, submit):
            stage.tick(world.resources, go_on)
        settings = replace(world.resources.settings, openai_batch_api="off")
        later = replace(world, resources=replace(world.resources, settings=settings))
        assert later.finish(job_id).status is JobStatus.COMPLETED
        kinds = Counter(entry["kind"] for entry in world.simulator.ledger)
        assert kinds == {"batch": 2, "direct": 2}


@pytest.mark.parametrize("ticks", [1, 2])
def test_what_was_uploaded_to_a_server_with_files_but_no_batches_comes_back(engine, ticks):
    with stages(engine, OPENAI_BATCH_API="auto") as world:
        for call in ("list", "create"):
            world.simulator.rules.add({"on": call, "do": "status", "status": 404})
        job_id = world.accept(world.lots(2), ["en"])
        for stage in (probe, pack, *[submit] * ticks):
            stage.tick(world.resources, go_on)
            world.execute("UPDATE openai_batches SET next_try_at = now()")
        assert world.rows("SELECT status FROM openai_batches") == [{"status": "uploaded"}]
        assert world.finish(job_id).status is JobStatus.COMPLETED
        assert world.rows("SELECT attempt FROM descriptions") == [{"attempt": 1}] * 2


def test_after_a_vain_answer_it_waits_longer_and_longer_before_it_asks_again():
    batch_api = BatchApi()
    asked_at: list[float] = []
    now = 0.0
    with LoopbackServer({BATCHES: error(500, "Out of order.")}) as server:
        client = OpenAIClient(api_key="sk-test", base_url=server.url("/v1"))
        while len(asked_at) < 9:
            if batch_api.is_due(now):
                assert batch_api.ask(client, now)
                asked_at.append(now)
            now += 1.0
        client.close()
    pauses = [later - earlier for earlier, later in pairwise(asked_at)]
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]
