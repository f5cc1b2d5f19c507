"""What a single lot was billed is booked with its answer, or with the error that took its place."""

import json
from dataclasses import replace

import pytest

from generation_service.core.charges import Tariff
from generation_service.core.lanes import Lane
from generation_service.core.prices import price
from generation_service.core.replies import read_completion
from generation_service.core.status import Kind
from generation_service.db import usage
from generation_service.pipeline.bill import Bill
from tests.integration.api_service import completion, serving
from tests.integration.test_idempotency_sync import CHAT, FAILED, openai_answers
from tests.servers import Reply

VISION, TRANSLATION = (Kind.VISION, Lane.SYNC), (Kind.TRANSLATION, Lane.SYNC)


@pytest.fixture
def service(engine):
    with serving(engine) as service:
        yield service


def answered(text="<p>A dent.</p>", *, finish="stop", prompt=1_000, cached=400, output=100):
    document = json.loads(completion(text).body)
    document["choices"][0]["finish_reason"] = finish
    document["usage"] = {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
    return Reply(body=json.dumps(document).encode(), headers={"Content-Type": "application/json"})


def openai_bills(service, *replies):
    service.outside.replies[CHAT] = list(replies)


def booked(service):
    with service.engine.connect() as connection:
        spent = usage.by_day(connection, 2)
    return {(each.account.kind, each.account.lane): each.tally for each in spent}


def test_a_description_and_its_translation_are_booked_at_full_price(service):
    openai_bills(service, answered(), answered("<p>Вмятина.</p>"))
    assert service.generate(service.lot(), languages=["en", "ru"]).status_code == 200
    tallies = booked(service)
    assert {key: tally.charge.cost_nanos for key, tally in tallies.items()} == {
        VISION: 600 * 1_000 + 400 * 50 + 100 * 5_000,
        TRANSLATION: 600 * 100 + 400 * 10 + 100 * 500,
    }
    assert tallies[VISION].charge.cached_tokens == 400


def test_an_answer_that_was_cut_off_is_paid_for_beside_the_longer_one(service):
    openai_bills(service, answered(finish="length"), answered())
    assert service.generate(service.lot(), languages=["en"]).status_code == 200
    tally = booked(service)[VISION]
    assert (tally.completed, tally.failed, tally.charge.prompt_tokens) == (1, 1, 2_000)


def test_a_refusal_is_paid_for_though_the_client_gets_an_error(service):
    openai_bills(service, answered(finish="content_filter"))
    assert service.generate(service.lot(), languages=["en"]).status_code == 500
    tally = booked(service)[VISION]
    assert (tally.completed, tally.failed, tally.charge.completion_tokens) == (0, 1, 100)


def test_an_error_that_nobody_billed_is_not_booked(service):
    openai_bills(service, FAILED)
    assert service.generate(service.lot(), languages=["en"]).status_code == 500
    assert booked(service) == {}


def test_a_replay_costs_nothing_and_a_completion_what_it_asks_for(service):
    openai_answers(service, "<p>A dent.</p>", None, "<p>Вмятина.</p>")
    for completed in (0, 1, 1):
        service.generate(service.lot(), languages=["en", "ru"])
        tallies = booked(service)
        assert tallies[VISION].completed == 1
        assert tallies.get(TRANSLATION, tallies[VISION]).completed == (completed or 1)
    assert service.outside.hits(CHAT) == 3


def test_a_bill_is_kept_by_account_whoever_adds_to_it():
    tariff = Tariff.of(Lane.SYNC, {Kind.VISION: "a", Kind.TRANSLATION: "b"}, {"a": price("1/1/1")})
    bill = Bill("acme", tariff)
    reply = read_completion(json.loads(answered(prompt=10, cached=0, output=5).body))
    bill.add(Kind.VISION, reply, done=True)
    bill.add(Kind.VISION, replace(reply, simulated=True), done=True)
    bill.add(Kind.TRANSLATION, reply, done=False)
    tallies = bill.tallies()
    assert {(each.kind, each.simulated) for each in tallies} == {
        (Kind.VISION, False),
        (Kind.VISION, True),
        (Kind.TRANSLATION, False),
    }
    assert [tallies[each].charge.cost_nanos for each in sorted(tallies)] == [0, 15_000, 15_000]
