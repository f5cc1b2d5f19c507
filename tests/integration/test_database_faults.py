"""The stages while the database fails, at every statement of every stage in turn.

Each statement and each commit fails once: its connection is cut, its commit is done but nobody is
told, the disk is full, a failover has left a server that takes no writes. After every fault the
books must balance, nothing may be held, and the stage must come back by itself. In the end
everything that was ordered is there, was paid for once and was delivered.
"""

import math
from collections import Counter
from contextlib import contextmanager
from functools import partial

import pytest
from sqlalchemy import text

from generation_service import worker
from generation_service.pipeline import sweep
from generation_service.pipeline.cancel import cancel
from generation_service.pipeline.delete import delete
from generation_service.pipeline.retry import retry
from tests.faults import accounts, invariants, snapshot
from tests.integration import books
from tests.integration.saboteur import Fault, Saboteur
from tests.integration.stages import CLIENT, STAGES, go_on, stages
from tests.servers import LoopbackServer, Reply

EVERY_STAGE = list(worker.STAGES.values())
HOOK = "/hook"
FAULTS = [Fault.CUT, Fault.UNTOLD, Fault.DISK_FULL, Fault.READ_ONLY]
"""The others of saboteur.py take the same way as a full disk."""
MOST_JOBS = 12
CALLERS_ARE_GONE = (
    "UPDATE descriptions SET lease_expires_at = now() - interval '1 second'"
    " WHERE lease_expires_at > now()"
)


class World:
    """The stages on a database that fails; every look at it is checked."""

    def __init__(self, stages, receiver, fault, at_once):
        self.stages, self.receiver = stages, receiver
        self.engine = stages.resources.engine
        self.saboteur = Saboteur(self.engine, fault, at_once=at_once)
        self.seen = snapshot.take(self.engine)

    def order(self, count=2):
        webhook = self.receiver.url(HOOK)
        photos = ("/1.jpg", "/2.png", "/1.jpg", "/gone.jpg")
        lots = [self.stages.lot(f"lot-{n}", *photos, webhook_url=webhook) for n in range(count)]
        return self.stages.accept(lots, ["en", "ru"])

    def work(self):
        """Tick until everything has ended; whether nothing failed on the way."""
        well, rounds = True, 0
        while self.stages.rows(books.UNFINISHED):
            rounds += 1
            assert rounds < 500, self.stages.rows(books.UNFINISHED)
            for stage in EVERY_STAGE:
                well &= self.tick(stage)
            self.let_time_pass()
        return well

    def tick(self, stage):
        work = partial(stage, self.stages.resources, go_on)
        well = self.saboteur.survived(stage.__module__, work)
        if not well:
            self.look()
        return well

    def let_time_pass(self):
        self.stages.resources.outage.note(-math.inf)
        with self.engine.begin() as connection:
            for statement in (*books.TIME_PASSES, CALLERS_ARE_GONE):
                connection.execute(text(statement))

    def look(self):
        before, self.seen = self.seen, snapshot.take(self.engine)
        faults = invariants.between(before, self.seen) + invariants.at_each_look(self.seen)
        assert faults == [], self.saboteur.struck

    def wish(self, what, job, *, granted):
        """A client's, repeated until it is granted; after an untold commit it has been already."""
        work = partial(what, self.stages.resources, CLIENT, job)
        while not self.saboteur.survived(what.__module__, work) and not granted():
            self.look()

    def until_nothing_is_left_to_fail(self, order, *, first=()):
        """Order and work, again and again, until `first` is empty and a job meets no fault."""
        for _ in range(MOST_JOBS):
            order()
            if self.work() and not first:
                return
        pytest.fail(f"always another statement fails, now {self.saboteur.struck}")

    def paid_twice(self):
        """Request lines, attempt by attempt."""
        return [line for line, times in Counter(self.stages.billed()).items() if times > 1]


CUT_OR_UNTOLD = pytest.mark.parametrize("world", [Fault.CUT, Fault.UNTOLD], indirect=True)
"""Faults of all kinds take the same way; the one job above meets four."""


@contextmanager
def constraint(engine, table, condition):
    """Something that must hold at any moment, watched by PostgreSQL."""
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} ADD CONSTRAINT watched {condition}"))
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT watched"))


@contextmanager
def a_world(engine, fault, *, at_once=1, **settings):
    with LoopbackServer({HOOK: Reply()}) as receiver:
        hosts = [receiver.port]
        with stages(engine, hosts=hosts, IMAGE_THRESHOLD="0.5", **settings) as started:
            yield World(started, receiver, fault, at_once)


@pytest.fixture(params=FAULTS, ids=lambda fault: fault.name.lower())
def world(engine, request):
    with a_world(engine, request.param) as started:
        yield started


@pytest.fixture(params=[Fault.CUT, Fault.UNTOLD], ids=lambda fault: fault.name.lower())
def direct_world(engine, request):
    # One tick goes on through many faults, as long as calls are under way.
    with a_world(engine, request.param, at_once=4, OPENAI_BATCH_API="off") as started:
        yield started


def test_a_job_is_done_once_whatever_fails(world):
    never = "CHECK (tries = 0)"  # a fault of the database is no fault of OpenAI's
    with constraint(world.engine, "openai_batches", never):
        world.until_nothing_is_left_to_fail(world.order)
    world.look()
    ledger = world.stages.simulator.ledger
    assert [
        *invariants.all_described(world.seen),
        *accounts.paid_twice(ledger),
        *accounts.wasted(world.seen, ledger),
        *accounts.strangers(world.seen, world.stages.submitted_batches()),
        *accounts.webhooks(world.seen, list(world.receiver.received)),
    ] == []
    assert world.saboteur.strikes > (15 if world.saboteur.fault is Fault.UNTOLD else 50)


def test_a_job_by_direct_calls_is_paid_once_whatever_fails(direct_world):
    """A call has nothing to look for afterwards: its answer is kept until it is recorded."""
    world = direct_world
    world.until_nothing_is_left_to_fail(world.order)
    world.look()
    assert invariants.all_described(world.seen) == []
    assert len(list(world.stages.simulator.ledger)) == len(world.seen.descriptions)
    assert world.saboteur.strikes > (10 if world.saboteur.fault is Fault.UNTOLD else 40)


LINES = ("error", "refuse", "length", "image_error", "missing", "malformed", "duplicate")
BATCHES = ("fail", "expire", "no_output", "lost_output", "vanish")


@CUT_OR_UNTOLD
def test_nothing_is_paid_twice_or_forgotten_when_openai_fails_as_well(world):
    """What OpenAI refused, lost or broke is settled or tried again, by statements of their own."""
    troubles = [{"on": "line", "do": do} for do in LINES] + [
        {"on": "batch", "do": do} for do in BATCHES
    ]

    def order():
        for trouble in troubles[:3]:
            world.stages.simulator.rules.add({**trouble, "times": 1})
        del troubles[:3]
        world.order()

    world.until_nothing_is_left_to_fail(order, first=troubles)
    world.look()
    assert world.stages.rows(books.WRONG_COUNTERS) == []
    assert world.stages.rows(books.UNANSWERED) == []
    assert world.paid_twice() == []


@CUT_OR_UNTOLD
def test_a_job_is_cancelled_whole_or_not_at_all(world):
    def order():
        job = world.order()
        for stage in (*STAGES, *STAGES[:2]):
            stage(world.stages.resources, go_on)
        world.wish(cancel, job, granted=lambda: world.stages.job(job).completed_at)
        assert world.stages.job(job).status == "cancelled"

    world.until_nothing_is_left_to_fail(order)
    world.look()
    assert world.stages.rows(books.WRONG_COUNTERS) == []
    assert world.paid_twice() == []


@CUT_OR_UNTOLD
def test_a_retry_begins_one_run_and_pays_for_what_failed_alone(world):
    def order():
        world.stages.simulator.rules.add({"on": "line", "do": "refuse", "times": 1})
        job = world.order()
        world.work()
        world.wish(retry, job, granted=lambda: world.stages.job(job).run > 1)
        world.look()
        assert world.stages.job(job).run == 2

    world.until_nothing_is_left_to_fail(order)
    world.look()
    assert world.stages.rows(books.WRONG_COUNTERS) == []
    assert invariants.all_described(world.seen) == []
    assert world.paid_twice() == []
    assert accounts.webhooks(world.seen, list(world.receiver.received)) == []


@CUT_OR_UNTOLD
def test_a_deleted_job_is_gone_at_once_and_erased_in_the_end(world):
    def gone():
        return not world.stages.rows("SELECT FROM batch_jobs WHERE status <> 'deleted'")

    def order():
        job = world.order()
        for stage in (*STAGES, *STAGES[:2]):
            stage(world.stages.resources, go_on)
        cancel(world.stages.resources, CLIENT, job)
        world.wish(delete, job, granted=gone)
        assert gone()
        while world.stages.rows("SELECT FROM batch_jobs"):
            for stage in (*EVERY_STAGE, sweep.tick):
                world.tick(stage)
            world.let_time_pass()

    world.until_nothing_is_left_to_fail(order)
    for table in ("batch_lots", "descriptions", "image_probes", "webhook_deliveries"):
        assert world.stages.rows(f"TABLE {table}") == []
    assert world.paid_twice() == []
