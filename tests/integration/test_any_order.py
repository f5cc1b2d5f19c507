"""Whatever happens, in whatever order: the state machine of machine.py."""

from functools import partial

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.database import empty
from tests.integration.machine import JobsAndDeliveries
from tests.integration.stages import stages
from tests.servers import LoopbackServer

SETTINGS = settings(
    max_examples=16,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # to shrink what failed would take minutes: 20 steps can be read
    suppress_health_check=list(HealthCheck),
)


def test_jobs_and_deliveries_keep_their_promises_whatever_happens(engine, tables):
    with (
        LoopbackServer() as receiver,
        stages(engine, hosts=[receiver.port], DEADLINE_FALLBACK="true") as world,
    ):
        clear = partial(empty, engine, tables)
        machine = partial(JobsAndDeliveries, world, receiver, clear)
        run_state_machine_as_test(machine, settings=SETTINGS)  # type: ignore[arg-type]  # a factory
