"""POST /openai/events: the batch is asked about at once, and nothing else comes of it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest

from generation_service.core.status import OpenAIBatchStatus
from generation_service.db import openai_batches, openai_events
from generation_service.db.statements import LeaseLostError
from generation_service.pipeline import pack, poll, probe, submit
from tests.events import SECRET, encoded, event, signed
from tests.integration.api_service import serving
from tests.integration.stages import go_on, stages
from tests.waiting import until


@pytest.fixture
def service(engine):
    with serving(engine, openai_webhook_secret=SECRET, rate_limit_bad_signatures=3) as service:
        yield service


def submitted(service, openai_id, status="submitted"):
    """An OpenAI batch that is to be asked about in an hour."""
    service.run(
        """
        INSERT INTO openai_batches (id, kind, model, status, openai_id, next_try_at)
        VALUES (:id, 'vision', 'gpt', :status, :openai_id, now() + interval '1 hour')
        """,
        id=uuid4(),
        status=status,
        openai_id=openai_id,
    )


def due(service):
    """The OpenAI batches that are due."""
    statement = "SELECT openai_id FROM openai_batches WHERE next_try_at <= now() ORDER BY 1"
    return list(service.run(statement).scalars())


def put_off(service):
    service.run("UPDATE openai_batches SET next_try_at = now() + interval '1 hour'")


def send(service, document, ident="wh_1", **how):
    body = encoded(document)
    return service.client.post("/openai/events", data=body, headers=signed(body, ident, **how))


@pytest.mark.parametrize("end", ["completed", "failed", "expired", "cancelled"])
def test_an_event_has_its_batch_and_no_other_asked_about_at_once(service, end):
    submitted(service, "batch_1")
    submitted(service, "batch_2")
    answer = send(service, event("batch_1", f"batch.{end}", unknown={"field": []}))
    assert (answer.status_code, answer.data) == (204, b"")
    assert due(service) == ["batch_1"]


def test_an_event_sent_twice_makes_no_work_the_second_time(service):
    submitted(service, "batch_1")
    send(service, event("batch_1"), "wh_1")
    put_off(service)
    assert send(service, event("batch_1"), "wh_1", age=-1).status_code == 204
    assert due(service) == []
    assert send(service, event("batch_1"), "wh_2").status_code == 204
    assert due(service) == ["batch_1"]


@pytest.mark.parametrize(
    "document",
    [
        event("batch_of_somebody_else"),
        event("batch_1", "response.completed"),
        event("batch_1", "batch.of_tomorrow"),
        {"type": "batch.completed", "data": None},
        {},
    ],
)
def test_what_is_none_of_our_business_is_taken_and_ignored(service, document):
    submitted(service, "batch_1")
    assert send(service, document).status_code == 204
    assert due(service) == []


@pytest.mark.parametrize("status", ["building", "uploaded", "collecting", "settled"])
def test_a_batch_that_is_not_being_polled_is_left_alone(service, status):
    submitted(service, "batch_1", status)
    assert send(service, event("batch_1")).status_code == 204
    assert due(service) == []


@pytest.mark.parametrize("how", [{"secret": "whsec_" + "A" * 44}, {"age": 400}, {"age": -400}])
def test_what_openai_did_not_just_sign_is_refused_and_leaves_nothing(service, how):
    submitted(service, "batch_1")
    answer = send(service, event("batch_1"), **how)
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_event_signature")
    assert (due(service), service.rows("openai_events")) == ([], 0)


def test_unsigned_events_count_against_their_address_and_signed_ones_against_nobody(service):
    codes = [service.client.post("/openai/events", json={}).status_code for _ in range(5)]
    assert codes == [400, 400, 400, 429, 429]
    assert send(service, event("batch_1")).status_code == 204


@pytest.mark.parametrize(
    ("body", "status"), [(b"x" * 70_000, 413), (b"{", 400), (b"[]", 400), (b'{"a": NaN}', 400)]
)
def test_a_body_that_is_no_event_is_refused(service, body, status):
    answer = service.client.post("/openai/events", data=body, headers=signed(body))
    assert answer.status_code == status


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_secret_there_is_no_such_path(engine, method):
    with serving(engine) as service:
        answers = [service.client.open(p, method=method) for p in ("/openai/events", "/nowhere")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json == answers[1].json


def test_of_two_that_come_at_once_one_counts(engine):
    """And if that one is rolled back, the other takes its place."""
    begun = Barrier(2)

    def second():
        with engine.begin() as connection:
            begun.wait()
            return openai_events.take_in(connection, "wh_1", "batch.completed")

    with ThreadPoolExecutor() as pool, engine.connect() as connection:
        assert openai_events.take_in(connection, "wh_1", "batch.completed")
        other = pool.submit(second)
        begun.wait()
        connection.rollback()
        assert other.result()
    with engine.begin() as connection:
        assert not openai_events.take_in(connection, "wh_1", "batch.completed")


def test_an_event_during_a_poll_is_not_put_off_by_what_that_poll_heard(service):
    submitted(service, "batch_1")
    service.run("UPDATE openai_batches SET next_try_at = now()")
    with service.engine.begin() as connection:
        polled = openai_batches.claim(
            connection, [OpenAIBatchStatus.SUBMITTED], token=uuid4(), lease_seconds=60
        )
    assert polled is not None
    send(service, event("batch_1"))
    with service.engine.begin() as connection, pytest.raises(LeaseLostError):
        openai_batches.try_later(connection, polled, seconds=3_600, failed=False)
    assert due(service) == ["batch_1"]
    with service.engine.begin() as connection:
        assert openai_batches.claim(
            connection, [OpenAIBatchStatus.SUBMITTED], token=uuid4(), lease_seconds=60
        )


def submit_a_job(world):
    world.accept(world.lots(2), ["en"])
    at_openai = "SELECT id FROM openai_batches WHERE status = 'submitted'"
    while not world.rows(at_openai):
        for stage in (probe, pack, submit):
            stage.tick(world.resources, go_on)


def test_an_event_that_overtakes_the_recording_of_its_batch_is_made_up_for(engine):
    """A batch is asked about once its id is recorded, though the next poll is in an hour."""
    with stages(engine, OPENAI_WEBHOOK_SECRET=SECRET, OPENAI_POLL_SECONDS="3600") as world:
        submit_a_job(world)
        listed = world.resources.openai.list_batches
        until(lambda: all(batch.ended for batch in listed()), what="the batch has ended")
        assert poll.tick(world.resources, go_on)
        assert world.rows("SELECT status FROM openai_batches") == [{"status": "collecting"}]


def test_where_no_events_come_there_is_nothing_to_make_up_for(engine):
    with stages(engine, OPENAI_POLL_SECONDS="3600") as world:
        submit_a_job(world)
        assert not poll.tick(world.resources, go_on)
