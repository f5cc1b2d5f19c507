"""Jobs and deliveries under any order of events, as a state machine for hypothesis.

Clients order, cancel and retry, stages tick in whatever order, OpenAI and receivers misbehave,
processes die holding leases. After every step the books must balance; in the end everything has
ended.
"""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from generation_service.core.errors import ServiceError
from generation_service.core.limits import MAX_WEBHOOK_ATTEMPTS
from generation_service.core.status import JobStatus
from generation_service.pipeline import deliver
from generation_service.pipeline.cancel import cancel
from generation_service.pipeline.retry import retry
from tests.integration import books
from tests.integration.stages import CLIENT, STAGES, Stages, go_on
from tests.servers import LoopbackServer, Reply, redirect

LINE_FAULTS = [
    *("missing", "malformed", "truncated", "duplicate", "unknown_custom_id", "body_as_string"),
    *("error", "refuse", "length", "content_filter", "empty_text", "script_html", "image_error"),
]
BATCH_FAULTS = [
    *("fail", "expire", "cancel_batch", "shuffle", "no_output", "lost_output"),
    *("empty_error_file", "vanish"),
]
CALL_FAULTS = ["status", "reset_before", "reset_after"]
DIRECT_FAULTS = [*CALL_FAULTS, "refuse", "length", "empty_text", "script_html", "image_error"]
CALLS = ["upload", "create", "retrieve", "content", "list", "cancel", "delete"]
VIEW_FAULTS = ["capital_status", "null_counts", "blank_file_ids", "no_metadata", "false_counts"]
LOST_ANSWERS = [{"on": call, "do": "reset_after"} for call in ("upload", "create", "cancel")]
FAULTS = st.one_of(
    st.sampled_from(LOST_ANSWERS),  # the dearest fault: what was done and is not known
    st.builds(lambda do: {"on": "line", "do": do}, st.sampled_from(LINE_FAULTS)),
    st.builds(lambda do: {"on": "batch", "do": do}, st.sampled_from(BATCH_FAULTS)),
    st.builds(
        lambda on, do: {"on": on, "do": do}, st.sampled_from(CALLS), st.sampled_from(CALL_FAULTS)
    ),
    st.builds(lambda do: {"on": "retrieve", "do": do}, st.sampled_from(VIEW_FAULTS)),
    st.builds(lambda do: {"on": "chat", "do": do}, st.sampled_from(DIRECT_FAULTS)),
)
RECEIVERS = ["/a", "/b"]
REPLIES = {
    **{str(status): Reply(status=status) for status in (200, 202, 204, 410, 429, 500)},
    "busy": Reply(status=503, headers={"Retry-After": "600"}),
    "redirect": redirect("http://169.254.169.254/"),
    "reset": Reply(reset=True),
    "rubbish": Reply(body=b"\0\xff" * 2_000),
}
LOTS = st.lists(
    st.tuples(
        st.sampled_from([["/1.jpg"], ["/1.jpg", "/2.png"], ["/1.jpg", "/gone.jpg"], ["/gone.jpg"]]),
        st.sampled_from([None, *RECEIVERS]),
    ),
    min_size=1,
    max_size=3,
)
ORDERS = st.tuples(LOTS, st.sampled_from([["en"], ["ru"], ["en", "de", "ru"]]))
TABLES = ["openai_batches", "batch_lots", "webhook_deliveries", "image_probes"]
RETRYABLE = (JobStatus.COMPLETED, JobStatus.FAILED)
FINISH_SECONDS = 20
EVERY_STAGE = [*STAGES, deliver.tick]


class Crash(BaseException):
    """A process dies in the middle of a stage."""


class JobsAndDeliveries(RuleBasedStateMachine):
    """`world` is used by one machine after the other; each begins with empty tables."""

    jobs = Bundle("jobs")

    def __init__(self, world: Stages, receiver: LoopbackServer, clear: Callable[[], None]) -> None:
        super().__init__()
        clear()
        world.simulator.rules.clear()
        receiver.replies.update(dict.fromkeys(RECEIVERS, Reply()))
        self.world = world
        self.receiver = receiver
        self.ended: dict[object, Any] = {}
        self.billed_before = len(world.billed())
        self.paid_before = len([*world.simulator.ledger])

    @initialize(target=jobs, order=ORDERS, faults=st.lists(FAULTS, max_size=4))
    def it_begins(self, order, faults):
        for fault in faults:
            self.openai_will_misbehave(fault)
        return self.a_client_orders(order)

    @rule(target=jobs, order=ORDERS)
    def a_client_orders(self, order):
        lots, languages = order
        return self.world.accept(
            [
                self.world.lot(
                    f"lot-{number}", *photos, webhook_url=hook and self.receiver.url(hook)
                )
                for number, (photos, hook) in enumerate(lots)
            ],
            languages,
        )

    @rule(job=jobs)
    def a_deadline_draws_near(self, job: UUID):
        self.world.execute(
            f"UPDATE batch_jobs SET run_started_at = now() - interval '23 hours' WHERE id = '{job}'"
        )

    @rule(stage=st.sampled_from(EVERY_STAGE))
    def a_stage_ticks(self, stage):
        stage(self.world.resources, go_on)

    @rule(rounds=st.integers(1, 3))
    def every_stage_ticks(self, rounds):
        for stage in EVERY_STAGE * rounds:
            stage(self.world.resources, go_on)

    @rule(job=jobs)
    def a_client_cancels(self, job: UUID):
        try:
            cancel(self.world.resources, CLIENT, job)
        except ServiceError as error:
            assert error.code == "job_not_cancellable"  # noqa: PT017 - only if it is refused
            assert self.world.job(job).completed_at is not None

    @rule(job=jobs)
    def a_client_retries(self, job: UUID):
        before = self.world.job(job)
        try:
            retry(self.world.resources, CLIENT, job)
        except ServiceError as error:
            assert error.code == "job_not_retryable"  # noqa: PT017 - only if it is refused
            assert before.status not in RETRYABLE or before.lots_failed == 0
        else:
            now = books.ended(self.world)
            self.ended = {
                key: value
                for key, value in self.ended.items()
                if key in now or (value[0] != "failed" and key != f"job {job}")
            }

    @rule(fault=FAULTS)
    def openai_will_misbehave(self, fault):
        self.world.simulator.rules.add({**fault, "times": 1})

    @rule(receiver=st.sampled_from(RECEIVERS), reply=st.sampled_from(sorted(REPLIES)))
    def a_receiver_changes(self, receiver, reply):
        self.receiver.replies[receiver] = REPLIES[reply]

    @rule(table=st.sampled_from(TABLES))
    def another_process_claims_and_hangs(self, table):
        self.world.execute(
            f"UPDATE {table} SET lease_token = gen_random_uuid(),"
            " lease_expires_at = now() + interval '1 hour'"
            " WHERE lease_expires_at IS NULL OR lease_expires_at < now()"
        )

    @rule(beats=st.integers(1, 3))
    def the_process_dies_delivering(self, beats):
        left = iter(range(beats))

        def beat() -> bool:
            if next(left, None) is None:
                raise Crash
            return True

        with suppress(Crash):
            deliver.tick(self.world.resources, beat)

    @rule()
    def leases_and_pauses_run_out(self):
        for statement in books.TIME_PASSES:
            self.world.execute(statement)

    @invariant()
    def what_has_ended_stays_as_it_is(self):
        now = books.ended(self.world)
        assert {key: now.get(key) for key in self.ended} == self.ended
        self.ended = now

    @invariant()
    def counters_are_true(self):
        assert self.world.rows(books.WRONG_COUNTERS) == []

    @invariant()
    def the_money_adds_up(self):
        assert self.world.rows(books.WRONG_MONEY) == []

    @invariant()
    def attempts_are_counted_and_limited(self):
        for row in self.world.rows(books.ATTEMPTS):
            assert row["attempt_count"] == row["recorded"]
            assert row["attempt_count"] - row["attempts_before"] <= MAX_WEBHOOK_ATTEMPTS

    def everything_ends(self):
        deadline = time.monotonic() + FINISH_SECONDS
        while unfinished := self.world.rows(books.UNFINISHED):
            assert time.monotonic() < deadline, unfinished
            self.leases_and_pauses_run_out()
            self.every_stage_ticks(1)
        self.what_has_ended_stays_as_it_is()
        self.counters_are_true()
        self.the_money_adds_up()
        self.attempts_are_counted_and_limited()

    def teardown(self):
        self.everything_ends()
        for row in self.world.rows("SELECT id FROM batch_jobs"):
            self.a_client_retries(row["id"])
        self.everything_ends()
        assert self.world.rows(books.UNANSWERED) == []
        billed = Counter(self.world.billed()[self.billed_before :])
        assert [line for line, times in billed.items() if times > 1] == []
        self.nothing_is_booked_that_was_not_billed()

    def nothing_is_booked_that_was_not_billed(self):
        """Less may be: of answers that were lost nobody knows what they cost."""
        booked = self.world.rows(books.BOOKED)[0]
        paid = [*self.world.simulator.ledger][self.paid_before :]
        assert booked["prompt"] <= sum(entry["input_tokens"] for entry in paid)
        assert booked["completion"] <= sum(entry["output_tokens"] for entry in paid)
