"""The fault harness notices what it is there for."""

import json
from dataclasses import replace

import pytest

from tests.faults import accounts, callers, invariants
from tests.faults.callers import Caller
from tests.faults.snapshot import Row, Snapshot
from tests.servers import Received

HOOK = "https://receiver.example/hook"
COUNTED = {"lots", "images", "vision", "translation"}
JOB: Row = {
    "id": "job",
    "status": "completed",
    "run": 1,
    "completed_at": "now",
    "languages": ["en", "ru"],
    "translations": ["ru"],
    "lots_total": 1,
    "lots_probed": 1,
    "lots_settled": 1,
    "lots_failed": 0,
    "lots_described": 1,
    "images_total": 2,
    "images_failed": 1,
    "images_completed": 1,
    "vision_completed": 1,
    "vision_failed": 0,
    "translation_completed": 1,
    "translation_failed": 0,
}
LOT = {
    "id": 1,
    "job_id": "job",
    "status": "completed",
    "error_code": None,
    "webhook_url": HOOK,
    "images": 2,
    "missing": 1,
}
ENGLISH = {
    "id": 1,
    "job_id": "job",
    "lot": 1,
    "kind": "vision",
    "language": "en",
    "status": "completed",
    "openai_batch": "batch",
    "damages": "hash",
    "error_code": None,
}
RUSSIAN = {**ENGLISH, "id": 2, "kind": "translation", "language": "ru"}
BATCH = {"id": "batch", "status": "settled", "openai_id": "batch_1"}
SHARE = {"job_id": "job", "openai_batch": "batch", "requests": 2, "completed": 2, "failed": 0}
DELIVERY = {
    "id": "delivery",
    "job_id": "job",
    "run": 1,
    "webhook_url": HOOK,
    "part": 1,
    "status": "delivered",
    "attempt_count": 1,
    "delivered_at": "now",
}
SOUND = Snapshot([JOB], [LOT], [ENGLISH, RUSSIAN], [BATCH], [SHARE], [DELIVERY])


def sent(**changes):
    document = {"delivery_id": "delivery", "job_id": "job", "run": 1, "part": 1, **changes}
    headers = {"webhook-id": "delivery"}
    return Received(
        method="POST", path="/hook", headers=headers, body=json.dumps(document).encode()
    )


def bill(*custom_ids):
    return [{"kind": "batch", "custom_id": custom_id} for custom_id in custom_ids]


def test_nothing_is_found_where_nothing_is_wrong():
    assert SOUND.has_ended
    assert invariants.at_each_look(SOUND) == []
    assert invariants.between(SOUND, SOUND) == []
    assert invariants.all_described(SOUND) == []
    assert accounts.paid_twice(bill("1-1", "2-1")) == []
    assert accounts.wasted(SOUND, bill("1-1", "2-1")) == []
    assert accounts.webhooks(SOUND, [sent(), sent()]) == []
    assert accounts.strangers(SOUND, 1) == []


@pytest.mark.parametrize(
    "counter", [name for name in JOB if "_" in name and name != "completed_at"]
)
def test_a_counter_that_the_rows_do_not_bear_out_is_found(counter):
    wrong = replace(SOUND, jobs=[{**JOB, counter: JOB[counter] + 1}])
    (fault,) = invariants.at_each_look(wrong)
    assert f"{counter} is" in fault


@pytest.mark.parametrize(
    "changes",
    [
        {"descriptions": [ENGLISH, {**RUSSIAN, "status": "submitted"}]},
        {"descriptions": [ENGLISH]},
        {"shares": [{**SHARE, "completed": 1}]},
        {"lots": [{**LOT, "status": "translating"}]},
        {"deliveries": []},
        {"deliveries": [{**DELIVERY, "run": 2}]},
        {"jobs": [{**JOB, "run": 2}]},
        {"deliveries": [DELIVERY, {**DELIVERY, "id": "other"}]},
        {"jobs": [{**JOB, "status": "translating"}]},
    ],
)
def test_rows_that_contradict_each_other_are_found(changes):
    assert invariants.at_each_look(replace(SOUND, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"jobs": [{**JOB, "status": "failed"}]},
        {"lots": []},
        {"descriptions": [{**ENGLISH, "damages": "other"}, RUSSIAN]},
        {"deliveries": [{**DELIVERY, "status": "pending"}]},
    ],
)
def test_what_changes_after_its_end_is_found(changes):
    assert len(invariants.between(SOUND, replace(SOUND, **changes))) == 1


RETRIED = {**JOB, "run": 2, "status": "translating", "completed_at": None}


def test_a_retry_changes_what_had_failed_and_nothing_else():
    failed = replace(SOUND, descriptions=[ENGLISH, {**RUSSIAN, "status": "failed"}])
    again = replace(SOUND, jobs=[RETRIED], descriptions=[ENGLISH, {**RUSSIAN, "status": "queued"}])
    assert invariants.between(failed, again) == []
    without = replace(again, descriptions=[{**ENGLISH, "damages": None}, RUSSIAN])
    assert len(invariants.between(failed, without)) == 1


def test_nothing_is_said_of_a_job_that_is_gone():
    assert invariants.between(SOUND, Snapshot([], [], [], [BATCH], [], [])) == []
    assert invariants.between(SOUND, Snapshot([], [], [], [], [], []))


def test_a_missing_text_is_found_unless_the_job_was_cancelled():
    without = replace(SOUND, descriptions=[ENGLISH, {**RUSSIAN, "damages": None}])
    assert invariants.all_described(without) == ["lot 1 has 0 texts in ru"]
    cancelled = replace(without, jobs=[{**JOB, "status": "cancelled"}])
    assert invariants.all_described(cancelled) == []


def test_a_description_billed_twice_is_found_whichever_attempt_it_was():
    assert accounts.paid_twice(bill("1-1", "1-2")) == ["description 1 was billed 2 times"]
    assert accounts.paid_twice(bill("1-1", "1-1")) == ["description 1 was billed 2 times"]


def test_an_answer_that_openai_lost_may_be_paid_again():
    assert accounts.paid_twice(bill("1-1", "1-2"), lost=["1-1"]) == []
    assert accounts.paid_twice(bill("1-1", "1-2", "1-3"), lost=["1-1"])


def direct(url, body="body"):
    return {
        "kind": "direct",
        "custom_id": None,
        "image_urls": [url] if url else [],
        "body_hash": body,
    }


def test_a_direct_call_made_twice_is_found_unless_its_client_retried():
    seen = replace(SOUND, lots=[{**LOT, "photo": "photo"}])
    once = [direct("photo"), direct(None)]
    assert accounts.direct(seen, once, {}) == []
    assert len(accounts.direct(seen, [*once, *once], {})) == 2
    assert accounts.direct(seen, [*once, *once], {1: 1}) == []
    assert accounts.direct(seen, [], {}) == ["description 1 (completed) was billed 0 times"]


def caller(**fields):
    photo = {"lot_id": "one", "images": [{"url": "photo"}]}
    return Caller("caller", photo, ["en"], **{"answer": "text", **fields})


def test_a_lot_asked_for_at_once_may_be_billed_once_more_for_each_lost_answer():
    twice = [direct("photo")] * 2
    assert callers.faults([caller()], twice[:1]) == []
    assert callers.faults([caller(unknown=1)], twice) == []
    assert callers.faults([caller()], twice) == ["caller was billed 2 times, 0 answers were lost"]
    assert callers.faults([caller(answer=None)], twice[:1]) == ["caller was never answered"]
    assert callers.faults([caller()], [direct("photo"), direct(None), direct(None)])


def test_bills_without_a_text_and_texts_without_a_bill_are_found():
    assert accounts.wasted(SOUND, bill("1-1", "2-1", "3-1"))
    assert accounts.wasted(SOUND, bill("1-1"))
    assert accounts.strangers(SOUND, 2)


@pytest.mark.parametrize("received", [[], [sent(), sent(lots=[])], [sent(part=2)]])
def test_webhooks_that_were_lost_or_changed_are_found(received):
    assert len(accounts.webhooks(SOUND, received)) == 1


def test_a_webhook_that_nobody_meant_to_send_is_found():
    stranger = replace(sent(), headers={"webhook-id": "stranger"})
    assert accounts.webhooks(SOUND, [sent(), stranger]) == ["webhook stranger is no delivery"]
