"""Events that the simulator sends when a batch ends, as OpenAI does."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from openai import InvalidWebhookSignatureError, OpenAI

from openai_simulator.server import Simulator
from tests.events import SECRET
from tests.servers import LoopbackServer, Received, Reply
from tests.simulator.asking import lines, run, submit
from tests.simulator.client import sdk
from tests.waiting import until

TAKEN = Reply(status=204)


@pytest.fixture
def receiver() -> Iterator[LoopbackServer]:
    with LoopbackServer({"/events": TAKEN}) as receiver:
        yield receiver


@pytest.fixture
def simulator(receiver: LoopbackServer) -> Iterator[Simulator]:
    told = {"events_url": receiver.url("/events"), "events_secret": SECRET}
    with Simulator(batch_seconds=0, cancel_seconds=0, **told) as simulator:
        yield simulator


@pytest.fixture
def client(simulator: Simulator) -> Iterator[OpenAI]:
    with sdk(simulator, webhook_secret=SECRET) as client:
        yield client


def told(receiver: LoopbackServer, count: int = 1) -> list[Received]:
    receiver.wait_for_hits(count)
    return list(receiver.received)


@pytest.mark.parametrize(
    ("do", "end"),
    [
        (None, "completed"),
        ("fail", "failed"),
        ("expire", "expired"),
        ("cancel_batch", "cancelled"),
    ],
)
def test_every_end_is_told_in_a_way_that_openais_sdk_verifies(
    simulator: Simulator, client: OpenAI, receiver: LoopbackServer, do: str | None, end: str
) -> None:
    if do:
        simulator.rules.add({"on": "batch", "do": do})
    batch = run(client, lines(2))
    [request] = told(receiver)
    event: Any = client.webhooks.unwrap(request.body, request.headers)
    assert event.type == f"batch.{end}"
    assert (event.data.id, event.object) == (batch.id, "event")
    assert event.created_at == getattr(batch, f"{end}_at")


def test_what_is_not_taken_is_sent_again_under_the_same_id(
    simulator: Simulator, client: OpenAI, receiver: LoopbackServer
) -> None:
    receiver.replies["/events"] = [Reply(status=500), Reply(reset=True), TAKEN]
    run(client, lines(1))
    attempts = told(receiver, 3)
    assert len({attempt.headers["webhook-id"] for attempt in attempts}) == 1
    assert all(client.webhooks.unwrap(each.body, each.headers) for each in attempts)
    until(lambda: len(simulator.events.attempts) == 3, what="three attempts are noted")
    assert [each["status"] for each in simulator.events.attempts] == [500, None, 204]


def test_an_event_comes_twice_under_one_id_or_not_at_all(
    simulator: Simulator, client: OpenAI, receiver: LoopbackServer
) -> None:
    simulator.rules.add({"on": "event", "do": "lose_event", "match": {"nth": 1}})
    simulator.rules.add({"on": "event", "do": "repeat_event", "match": {"nth": 2}})
    _lost, told_twice = run(client, lines(1)), run(client, lines(1))
    attempts = told(receiver, 2)
    assert len({attempt.headers["webhook-id"] for attempt in attempts}) == 1
    subjects = {json.loads(attempt.body)["data"]["id"] for attempt in attempts}
    assert subjects == {told_twice.id}


@pytest.mark.parametrize("do", ["forge_event", "stale_event"])
def test_an_event_that_cannot_be_believed_is_refused_by_the_sdk(
    simulator: Simulator, client: OpenAI, receiver: LoopbackServer, do: str
) -> None:
    simulator.rules.add({"on": "event", "do": do})
    run(client, lines(1))
    [request, *_] = told(receiver)
    with pytest.raises(InvalidWebhookSignatureError):
        client.webhooks.unwrap(request.body, request.headers)


def test_a_late_event_is_still_on_its_way_when_the_next_has_come(
    simulator: Simulator, client: OpenAI, receiver: LoopbackServer
) -> None:
    rule = {"on": "event", "do": "late_event", "seconds": 60, "match": {"nth": 1}}
    simulator.rules.add(rule)
    late, punctual = run(client, lines(1)), run(client, lines(1))
    assert json.loads(told(receiver)[0].body)["data"]["id"] == punctual.id != late.id


def test_attempts_can_be_looked_at(
    simulator: Simulator, client: OpenAI, receiver: LoopbackServer
) -> None:
    batch = run(client, lines(1))
    until(lambda: simulator.events.attempts, what="an attempt is noted")
    with urllib.request.urlopen(f"{simulator.url}/simulator/events") as answer:
        [attempt] = json.loads(answer.read())
    assert (attempt["status"], attempt["body"]["data"]["id"]) == (204, batch.id)
    assert attempt["webhook_id"] == told(receiver)[0].headers["webhook-id"]


def test_nobody_is_told_where_no_url_is_given() -> None:
    with Simulator(batch_seconds=0) as silent, sdk(silent) as client:
        run(client, lines(1))
        assert silent.events.attempts == []


def test_a_receiver_that_is_away_holds_no_batch_up() -> None:
    with LoopbackServer() as gone:
        url = gone.url("/events")
    with (
        Simulator(batch_seconds=0, events_url=url, events_secret=SECRET) as simulator,
        sdk(simulator) as client,
    ):
        submit(client, lines(1))
        until(lambda: simulator.events.attempts, what="an attempt is noted")
        assert simulator.events.attempts[0]["status"] is None
        assert run(client, lines(1)).status == "completed"


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!", "MDEy"])
def test_events_are_not_sent_unsigned(secret: str) -> None:
    with pytest.raises(ValueError, match="events_secret"):
        Simulator(events_url="http://127.0.0.1:1", events_secret=secret)
