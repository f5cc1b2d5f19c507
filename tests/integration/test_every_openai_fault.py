"""Each fault of OpenAI, one by one: the job ends by itself, nothing innocent suffers or is repaid.

The faults are listed in openai_faults.py and openai_batch_faults.py.
"""

from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest

from generation_service.clients.openai_api import OpenAIClient
from generation_service.clients.openai_tries import Pauses
from generation_service.core.errors import ServiceError
from generation_service.core.lanes import Lane
from generation_service.core.limits import MAX_ATTEMPTS
from generation_service.core.lots import GenerationRequest
from generation_service.core.status import LotStatus
from generation_service.pipeline import tariffs
from generation_service.pipeline.bill import Bill
from generation_service.pipeline.describe import describe
from tests.integration.openai_batch_faults import BATCHES
from tests.integration.openai_faults import CALLS, DIRECT, LINES, PASSING
from tests.integration.stages import CLIENT, stages
from tests.lots import spooled
from tests.waiting import until

BAD = "the one that fares badly"
PATIENCE_SECONDS = 0.5
"""Long enough for a simulator on loopback, short enough to wait for one that hangs."""
CHAT = "POST /v1/chat/completions"


@pytest.fixture
def world(engine):
    with stages(engine) as running:
        yield running


@contextmanager
def impatient(world, **options):
    """The same world, where OpenAI is given less time."""
    url = world.resources.settings.openai_base_url
    openai = OpenAIClient(api_key="sk-test", base_url=url, **options)
    try:
        yield replace(world, resources=replace(world.resources, openai=openai))
    finally:
        openai.close()


def add(world, on, rule, *, ever=False, **more):
    world.simulator.rules.add({"on": on, **({} if ever else {"times": 1}), **rule, **more})


def attempts(world):
    found = world.rows("SELECT attempt FROM descriptions WHERE kind = 'vision' ORDER BY lot")
    return [row["attempt"] for row in found]


def bills(world):
    """How often each lot's English was billed, in the order of the lots."""
    times = Counter(str(custom_id).partition("-")[0] for custom_id in world.billed())
    rows = world.rows("SELECT id FROM descriptions WHERE kind = 'vision' ORDER BY lot")
    return [times[str(row["id"])] for row in rows]


@pytest.mark.parametrize("fault", LINES.values(), ids=LINES)
def test_a_fault_of_one_line_costs_no_other_line_anything(world, fault):
    add(world, "line", fault.rule, ever=fault.ever, match={"body": BAD})
    photos = ("/1.jpg", "/2.png", "/3.webp", "/4.jpg")
    lots = [world.lot("a"), world.lot("bad", *photos, additional_info=BAD), world.lot("c")]
    job = world.finish(world.accept(lots, ["en"]))
    first, bad, last = world.results(job.id)
    assert (first.status, last.status) == (LotStatus.COMPLETED, LotStatus.COMPLETED)
    assert (bad.error.code if bad.error else None) == fault.code
    assert bad.status is (LotStatus.FAILED if fault.code else LotStatus.COMPLETED)
    assert attempts(world) == [1, fault.tries, 1]
    assert bills(world) == [1, fault.bills, 1]
    assert fault.tries <= MAX_ATTEMPTS


def test_the_reason_of_each_failed_attempt_is_kept_on_the_row_while_the_next_one_waits(world):
    add(world, "line", {"do": "status", "status": 429, "message": "Slower, please."})
    world.accept(world.lots(1), ["en"])
    waiting = (
        "SELECT error_code, error_message FROM descriptions WHERE status = 'queued' AND attempt"
    )
    world.run_until(lambda: bool(world.rows(f"{waiting} = 1")))
    (row,) = world.rows(f"{waiting} = 1")
    assert row == {"error_code": "openai_rate_limited", "error_message": "Slower, please."}


@pytest.mark.parametrize("fault", BATCHES.values(), ids=BATCHES)
def test_a_fault_of_a_whole_batch_ends_by_itself_and_only_what_failed_is_tried_again(world, fault):
    for rule in fault.rules:
        world.simulator.rules.add(rule)
    job_id = world.accept(world.lots(3), ["en"])
    if fault.hours:
        grow_old(world, fault.hours)
    world.run_until(partial(ended, world, job_id))
    job = world.job(job_id)
    errors = [lot.error.message for lot in world.results(job_id) if lot.error]
    assert (job.lots_settled, job.lots_failed, len(errors)) == (3, fault.failed, fault.failed)
    assert all(fault.says in message for message in errors)
    assert sorted(attempts(world)) == list(fault.tries)
    assert len(world.billed()) <= fault.bills


def ended(world, job_id):
    """Whether the job has; a model's pause after `token_limit_exceeded` is cut short."""
    world.execute("UPDATE model_limits SET paused_until = now()")
    return world.job(job_id).completed_at is not None


GIVEN_UP_HOURS = 26


def grow_old(world, hours):
    """So much time passes once the OpenAI batch is on its way, with all it has done till then."""
    world.run_until(lambda: bool(world.rows("SELECT FROM openai_batches")))
    stalled = "SELECT FROM openai_batches WHERE status = 'submitted'"
    if any(rule["do"] == "stall" for rule in world.simulator.rules.documents):
        world.run_until(lambda: bool(world.rows(stalled)) and len(world.billed()) == 2)
    for column in ("created_at", "submitted_at"):
        world.execute(f"UPDATE openai_batches SET {column} = {column} - interval '{hours} hours'")
    if hours > GIVEN_UP_HOURS:
        overdue = "SELECT FROM openai_batches WHERE overdue_since IS NOT NULL"
        world.run_until(lambda: bool(world.rows(overdue)))
        world.execute("UPDATE openai_batches SET overdue_since = now() - interval '61 minutes'")


BROUGHT_ABOUT = {
    "list": ("create", {"do": "reset_after"}),
    "delete": ("create", {"do": "reset_before"}),
    "cancel": ("batch", {"do": "stall", "fraction": 0.4}),
}
"""What has to happen before the service makes this call at all."""


@pytest.mark.parametrize("rule", PASSING.values(), ids=PASSING)
@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_goes_wrong_costs_nothing_but_time(world, call, rule):
    if call in BROUGHT_ABOUT:
        add(world, *BROUGHT_ABOUT[call])
    add(world, call, rule)
    with impatient(world, timeout=PATIENCE_SECONDS) as hasty:
        job_id = hasty.accept(world.lots(3), ["en"])
        if call == "cancel":
            grow_old(hasty, 25.5)
        job = hasty.finish(job_id)
    assert call in {firing["on"] for firing in world.simulator.rules.firings}
    assert (job.lots_settled, job.lots_failed) == (3, 0)
    assert sorted(attempts(world)) == ([1, 1, 2] if call == "cancel" else [1, 1, 1])
    assert bills(world) == [1, 1, 1]


@pytest.mark.parametrize("fault", DIRECT.values(), ids=DIRECT)
def test_a_direct_call_that_goes_wrong_is_repeated_only_where_that_pays_nothing_twice(
    engine, fault
):
    seconds = "1" if "hang" in fault.rule["do"] else "30"
    with stages(engine, SYNC_DEADLINE_SECONDS=seconds) as world:
        add(world, "chat", fault.rule, ever=fault.ever)
        at_once = Pauses(wait=lambda _seconds: None, jitter=lambda: 0.0)
        with impatient(world, pauses=at_once) as hasty:
            assert described(hasty) == fault.code
        assert until(partial(calls, world), what="every call has ended") == fault.calls
        assert len(list(world.simulator.ledger)) == fault.bills


def calls(world):
    return sum(world.simulator.traffic.document.get(CHAT, {}).values())


def described(world):
    """The error that a request for one lot ends with, None when it has its text."""
    lots = spooled([world.lot("one")])
    request = GenerationRequest(version="1.0.0", languages=("en",), lots=lots)
    try:
        found = describe(world.resources, request, None, lambda: None, bill(world))
    except ServiceError as error:
        return error.code
    assert found.english
    return None


def bill(world):
    return Bill(CLIENT, tariffs.of_calls(world.resources.settings, Lane.SYNC))


SHUT_DOWN = "o4-mini"


def test_a_vision_model_that_was_shut_down_fails_the_job_with_openai_s_words(engine):
    with stages(engine, VISION_MODEL=SHUT_DOWN) as world:
        job = world.finish(world.accept(world.lots(2)))
        assert "`o4-mini` does not exist" in (job.error_message or "")
        assert (job.lots_failed, attempts(world), world.billed()) == (2, [1, 1], [])


def test_a_translation_model_that_was_shut_down_leaves_the_english(engine):
    with stages(engine, TRANSLATION_MODEL=SHUT_DOWN) as world:
        job = world.finish(world.accept(world.lots(2), ["en", "ru"]))
        for lot in world.results(job.id):
            english, russian = lot.languages
            assert english.damages
            assert russian.error
            assert "does not exist" in russian.error.message
        assert (job.vision.completed, job.translation.failed) == (2, 2)
