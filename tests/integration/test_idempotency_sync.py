"""One lot ordered more than once: paid once, completed where translations failed."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Thread
from uuid import uuid4

import pytest
from sqlalchemy import text

from generation_service.core.idempotency import Identity, State
from generation_service.db import idempotency
from generation_service.db.idempotency import Outcome
from tests.integration.api_service import PNG, completion, serving
from tests.integration.test_idempotency import error, is_replay, used
from tests.servers import Reply
from tests.waiting import until

CHAT = "/v1/chat/completions"
FAILED = Reply(status=400, body=b'{"error": {"message": "No.", "code": "bad"}}')


@pytest.fixture
def service(engine):
    with serving(engine) as service:
        yield service


def described(answer):
    return {d["language"]: d["damages"] for d in answer.json["lots"][0]["descriptions"]}


def failed(answer):
    return [entry["language"] for entry in answer.json["lots"][0].get("failed_languages", [])]


def openai_answers(service, *texts):
    """Let OpenAI answer with these texts in turn; None is a failure."""
    service.outside.replies[CHAT] = [completion(text) if text else FAILED for text in texts]


def test_the_same_lot_again_is_paid_once(service):
    first = service.generate(service.lot(), languages=["de", "en"])
    again = service.generate(service.lot(), languages=["de", "en"])
    assert is_replay(again, first)
    assert service.outside.hits(CHAT) == 2
    assert (used(service, "sync"), used(service, "polling")) == (1, 1)


@contextmanager
def running(service):
    """A request for one lot that waits for its photo, as long as the block lasts."""
    held = Event()
    service.outside.replies["/photo.png"] = Reply(body=PNG.body, held=held)
    first = Thread(target=service.generate, args=[service.lot()])
    first.start()
    try:
        until(lambda: service.outside.hits("/photo.png"), what="the first request runs")
        yield
    finally:
        held.set()
        first.join()


def test_while_its_twin_runs_a_request_is_a_409(service):
    with running(service):
        answer = service.generate(service.lot())
        assert error(answer) == (409, "in_progress")
        assert int(answer.headers["Retry-After"]) > 0
        assert used(service, "polling") == 1
    assert service.generate(service.lot()).headers["Idempotent-Replayed"] == "true"
    assert service.outside.hits(CHAT) == 1


def test_a_crash_frees_the_request(service):
    with running(service):
        # After a crash nobody renews the lease.
        service.run("UPDATE idempotency_keys SET lease_expires_at = now() - interval '1 s'")
        service.outside.replies["/photo.png"] = PNG
        answer = service.generate(service.lot())
        assert (answer.status_code, described(answer)) == (200, {"en": "<p>A dent.</p>"})
        assert "Idempotent-Replayed" not in answer.headers


def test_the_lease_is_renewed_while_openai_takes_its_time(service):
    leases = "SELECT lease_expires_at - clock_timestamp() FROM idempotency_keys"
    with running(service):
        [left] = service.run(leases).scalars()
        assert 10 < left.total_seconds() <= 30
        service.run("UPDATE idempotency_keys SET lease_expires_at = now() + interval '8 s'")

        def renewed():
            return service.run(leases).scalar_one().total_seconds() > 10

        until(renewed, seconds=8, what="the lease is renewed")


def test_many_at_the_same_moment_pay_once(service):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _n: service.generate(service.lot()), range(8)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.data for answer in answers if answer.status_code == 200}) == 1
    assert (service.outside.hits(CHAT), used(service, "sync")) == (1, 1)


def test_errors_are_not_replayed(service):
    openai_answers(service, None, "<p>A dent.</p>")
    assert service.generate(service.lot()).status_code == 500
    assert service.rows("idempotency_keys") == 0
    answer = service.generate(service.lot())
    assert answer.status_code == 200
    assert "Idempotent-Replayed" not in answer.headers


def test_a_lot_without_photos_counts_for_nothing(service):
    answer = service.generate(service.lot(images=[{"url": service.outside.url("/gone.jpg")}]))
    assert error(answer) == (400, "too_many_unreachable_images")
    assert (service.rows("idempotency_keys"), used(service, "sync")) == (0, 0)


def test_beyond_the_limit_nothing_is_asked_or_kept(engine):
    with serving(engine, rate_limit_sync=1) as service:
        held = Event()
        service.outside.replies["/photo.png"] = Reply(body=PNG.body, held=held)
        with ThreadPoolExecutor(3) as pool:
            asked = [pool.submit(service.generate, service.lot(number)) for number in range(3)]
            until(lambda: service.outside.hits("/photo.png") == 3, what="all were let in")
            held.set()
            statuses = sorted(each.result().status_code for each in asked)
        assert statuses == [200, 429, 429]
        assert (service.outside.hits(CHAT), service.rows("idempotency_keys")) == (1, 1)


def test_the_repetition_runs_only_the_translation_that_failed(service):
    openai_answers(service, "<p>A dent.</p>", None, "<p>Eine Delle.</p>")
    first = service.generate(service.lot(), languages=["de"])
    assert (described(first), failed(first)) == ({}, ["de"])
    second = service.generate(service.lot(), languages=["de"])
    assert (described(second), failed(second)) == ({"de": "<p>Eine Delle.</p>"}, [])
    assert "Idempotent-Replayed" not in second.headers
    assert b"A dent." in service.outside.received[-1].body
    assert is_replay(service.generate(service.lot(), languages=["de"]), second)
    assert used(service, "sync") == 2
    assert (service.outside.hits(CHAT), service.outside.hits("/photo.png")) == (3, 1)


def test_translations_that_are_there_are_kept_however_often_others_fail(service):
    languages = ["en", "de", "ru"]
    openai_answers(service, "<p>A dent.</p>", "<p>Delle</p>", None, None, "<p>Delle 2</p>")
    answers = [service.generate(service.lot(), languages=languages) for _ in range(3)]
    assert [len(failed(answer)) for answer in answers] == [1, 1, 0]
    texts = described(answers[2])
    assert list(texts) == languages
    assert set(texts.values()) == {"<p>A dent.</p>", "<p>Delle</p>", "<p>Delle 2</p>"}
    assert (service.outside.hits(CHAT), service.outside.hits("/photo.png")) == (5, 1)


def test_what_is_paid_for_outlives_a_crash_of_the_repetition(service):
    openai_answers(service, "<p>A dent.</p>", None, "<p>Delle</p>")
    service.generate(service.lot(), languages=["de"])
    service.run(
        "UPDATE idempotency_keys SET state = 'running', lease_token = :token,"
        " lease_expires_at = now() - interval '1 s'",
        token=uuid4(),
    )
    answer = service.generate(service.lot(), languages=["de"])
    assert described(answer) == {"de": "<p>Delle</p>"}
    assert service.outside.hits(CHAT) == 3


def test_who_lost_its_lease_records_nothing(engine):
    identity = Identity(client="acme", key="a", body_hash="b", signature=None)
    late = Outcome(state=State.DONE, status_code=200, answer={"late": True})
    with engine.begin() as connection:
        first = idempotency.claim(connection, identity, uuid4(), lease_seconds=-1)
        second = idempotency.claim(connection, identity, uuid4(), lease_seconds=20)
        assert first is not None
        assert second is not None
        assert not idempotency.record(connection, first, late)
        assert not idempotency.renew(connection, first, 20)
        idempotency.release(connection, first)
        [token] = connection.execute(text("SELECT lease_token FROM idempotency_keys")).scalars()
        assert token == second.token
