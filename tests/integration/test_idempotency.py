"""Orders that come more than once, and what they count as."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from generation_service.core.signatures import request_message, sign
from tests.integration.api_service import GENERATE, KEY, OTHER_KEY, serving


@pytest.fixture
def service(engine):
    with serving(engine, client_keys={"acme": (OTHER_KEY,)}) as service:
        yield service


def two(service, **fields):
    return [service.lot(1, **fields), service.lot(2)]


def used(service, kind):
    """How many requests of `default` were counted."""
    hits = "SELECT coalesce(sum(hits), 0) FROM rate_limit_windows WHERE key = :key"
    return service.run(hits, key=f"{kind}:default").scalar_one()


def is_replay(answer, first):
    """The same bytes and status as the first answer, and marked as a replay."""
    assert "Idempotent-Replayed" not in first.headers
    assert answer.headers.get("Idempotent-Replayed") == "true", answer.text
    return (answer.status_code, answer.data) == (first.status_code, first.data)


def error(answer):
    return answer.status_code, answer.json["error"]


def test_the_same_job_again_is_the_first_one(service):
    first = service.generate(*two(service), languages=["de", "en"])
    again = service.generate(*two(service), languages=["de", "en"])
    assert first.status_code == 201
    assert is_replay(again, first)
    assert service.rows("batch_jobs") == 1


def test_replays_count_as_polling_and_not_as_batches(service):
    for _ in range(4):
        service.generate(*two(service))
    assert (used(service, "batch"), used(service, "polling")) == (1, 3)


def test_a_replay_is_given_when_the_limit_is_reached(engine):
    with serving(engine, rate_limit_batch=1) as service:
        first = service.generate(*two(service))
        assert error(service.generate(*two(service), languages=["de"])) == (429, "rate_limited")
        assert is_replay(service.generate(*two(service)), first)


@pytest.mark.parametrize(
    "changes",
    [
        {"languages": ["de", "en"]},
        {"languages": ["EN", "de"]},
        {"version": "1.0.1"},
        {"metadata": {"order": "7"}},
    ],
)
def test_another_request_is_another_job(service, changes):
    first = service.generate(*two(service), languages=["en", "de"])
    other = service.generate(*two(service), **({"languages": ["en", "de"]} | changes))
    assert other.status_code == 201
    assert other.json["job_id"] != first.json["job_id"]


def test_a_new_key_makes_a_new_job_of_the_same_body(service):
    answers = [service.generate(*two(service), key=key) for key in (None, "a", "b", "a")]
    assert [answer.status_code for answer in answers] == [201] * 4
    assert is_replay(answers[3], answers[1])
    assert service.rows("batch_jobs") == 3


def test_a_key_belongs_to_one_body(service):
    service.generate(*two(service), key="a")
    answer = service.generate(*two(service), key="a", languages=["de"])
    assert error(answer) == (409, "idempotency_key_reused")
    assert service.rows("batch_jobs") == 1


@pytest.mark.parametrize("key", ["x" * 256, "ключ", "a\tb"])
def test_a_key_that_is_none_is_a_400(service, key):
    answer = service.generate(*two(service), key=key.encode().decode("latin-1"))
    assert error(answer) == (400, "invalid_request")
    assert answer.json["details"][0]["path"] == "Idempotency-Key"
    assert service.rows("idempotency_keys") == 0


def test_clients_have_their_own_keys_and_jobs(service):
    first = service.generate(*two(service), key="a")
    body = service.signed(two(service), OTHER_KEY)
    other = service.client.post(GENERATE, json=body, headers={"Idempotency-Key": "a"})
    assert (first.status_code, other.status_code) == (201, 201)
    assert other.json["job_id"] != first.json["job_id"]


def test_a_refused_request_leaves_nothing_and_counts_for_nothing(service):
    answers = [service.generate(*two(service), version="2.0.0", key="a") for _ in range(2)]
    assert [error(answer) for answer in answers] == [(400, "invalid_request")] * 2
    tables = ("batch_jobs", "idempotency_keys", "rate_limit_windows")
    assert [service.rows(table) for table in tables] == [0, 0, 0]


def test_the_limit_comes_before_the_fields(engine):
    with serving(engine, rate_limit_batch=1) as service:
        service.generate(*two(service))
        answer = service.generate(*two(service), version="2.0.0")
        assert error(answer) == (429, "rate_limited")


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_job_that_came_to_nothing_is_not_replayed(service, status):
    first = service.generate(*two(service))
    service.run("UPDATE batch_jobs SET status = :status", status=status)
    second = service.generate(*two(service))
    assert second.status_code == 201
    assert second.json["job_id"] != first.json["job_id"]
    assert is_replay(service.generate(*two(service)), second)


def test_a_failed_job_that_is_retried_is_replayed_again(service):
    first = service.generate(*two(service))
    job_id = first.json["job_id"]
    service.settle(job_id, failed=2)
    service.run("UPDATE batch_jobs SET status = 'failed'")
    retried = service.ask("/batch-jobs/{job_id}/retry", job_id, method="POST")
    assert retried.status_code == 202
    assert is_replay(service.generate(*two(service)), first)


def test_the_order_of_a_deleted_job_makes_a_new_one(service):
    first = service.generate(*two(service), key="a")
    service.settle(first.json["job_id"])
    service.ask("/batch-jobs/{job_id}", first.json["job_id"], method="DELETE")
    second = service.generate(*two(service), key="a")
    assert second.status_code == 201
    assert second.json["job_id"] != first.json["job_id"]


def test_after_24_hours_an_answer_is_forgotten(service):
    first = service.generate(*two(service), key="a")
    service.run("UPDATE idempotency_keys SET expires_at = now()")
    second = service.generate(*two(service), key="a", languages=["de"])
    assert second.status_code == 201
    assert second.json["job_id"] != first.json["job_id"]
    [kept] = service.run("SELECT expires_at - created_at AS for FROM idempotency_keys")
    assert round(kept[0].total_seconds()) == 24 * 3600


def test_many_at_the_same_moment_make_one_job(service):
    body, start = service.signed(two(service)), Barrier(12)

    def order(_number):
        start.wait()
        return service.client.post(GENERATE, json=body)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(order, range(12)))
    assert {(answer.status_code, answer.data) for answer in answers} == {(201, answers[0].data)}
    assert sorted("Idempotent-Replayed" in answer.headers for answer in answers) == [
        False,
        *[True] * 11,
    ]
    assert (service.rows("batch_jobs"), used(service, "batch")) == (1, 1)


def test_many_repetitions_of_a_failed_job_make_one_new_job(service):
    service.generate(*two(service))
    service.run("UPDATE batch_jobs SET status = 'failed'")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _n: service.generate(*two(service)), range(8)))
    assert len({answer.data for answer in answers}) == 1
    assert service.rows("batch_jobs") == 2


def test_the_limit_refuses_a_job_without_a_trace(engine):
    with serving(engine, rate_limit_batch=1) as service:
        start = Barrier(4)

        def order(number):
            start.wait()
            return service.generate(*two(service), key=str(number)).status_code

        with ThreadPoolExecutor(4) as pool:
            statuses = sorted(pool.map(order, range(4)))
        assert statuses == [201, 429, 429, 429]
        assert (service.rows("batch_jobs"), service.rows("idempotency_keys")) == (1, 1)


def stamped(service, body):
    """A body signed by scheme 2, to be sent under any Idempotency-Key."""
    now = int(time.time())
    signature = sign(KEY, request_message(now, "POST", GENERATE.encode(), body))
    headers = {"X-Signature": f"t={now},v2={signature}"}
    return lambda key: service.client.post(
        GENERATE, data=body, headers=headers | ({"Idempotency-Key": key} if key else {})
    )


@pytest.mark.parametrize("key", [None, "b"])
def test_a_captured_request_orders_nothing_under_another_key(service, key):
    fields = {"version": "1.0.0", "languages": ["en"], "lots": two(service)}
    send = stamped(service, json.dumps(fields).encode())
    first = send("a")
    assert is_replay(send("a"), first)
    assert error(send(key)) == (409, "signature_reused")
    assert (service.rows("batch_jobs"), service.rows("seen_signatures")) == (1, 1)


def test_a_captured_repetition_orders_nothing_either(service):
    fields = {"version": "1.0.0", "languages": ["en"], "lots": two(service)}
    first = stamped(service, json.dumps(fields).encode())("a")
    repeat = stamped(service, json.dumps(fields, indent=1).encode())
    assert is_replay(repeat("a"), first)
    assert error(repeat("b")) == (409, "signature_reused")
