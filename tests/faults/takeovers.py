"""An owner is paused past its lease at a named moment, and goes on when another has taken over.

What it does then must come to nothing: no second batch, and no word of its own in the database.
"""

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from time import monotonic

from sqlalchemy import text

from tests.faults.breaking import let_pass
from tests.faults.points import Order, holding
from tests.faults.processes import signalled, workers
from tests.faults.stack import Stack
from tests.waiting import until


def paused_while_it_lists(stack: Stack, order: Order) -> None:
    """An owner who looks for the batch it may have created is paused; another takes over."""
    with _alone(stack) as owner:
        stack.misbehave("create", "reset_before")
        stack.misbehave("list", "slow", seconds=0.5)
        before = stack.fired("list")
        order(3, ["en"])

        until(partial(_fired, stack.hurry, stack, "list", before), what="the owner looks")
        signalled([owner], signal.SIGSTOP)
    _taken_over(stack, owner)


def paused_before_it_creates(stack: Stack, order: Order) -> None:
    """An owner is paused between its last look and its creation; another takes over."""
    with _alone(stack) as owner:
        stack.misbehave("upload", "slow", seconds=0.3)
        before = stack.fired("upload")
        order(3, ["en"])
        until(lambda: stack.fired("upload") > before, what="the owner uploads")
        with holding(stack) as connection:  # it looks there once more before it creates
            connection.execute(text("LOCK TABLE descriptions IN ACCESS EXCLUSIVE MODE"))
            until(lambda: stack.rows(_UPLOADED), what="the upload is recorded")
            signalled([owner], signal.SIGSTOP)
    _taken_over(stack, owner)


def paused_after_its_look(stack: Stack, order: Order) -> None:
    """An owner who found nothing is paused, and goes on while its successor creates."""
    with _alone(stack) as owner:
        stack.misbehave("create", "reset_before")
        stack.misbehave("list", "slow", seconds=0.3, match={"nth": 2})
        before = stack.fired("list")
        order(3, ["en"])
        until(partial(_fired, stack.hurry, stack, "list", before), what="the owner looks again")
        signalled([owner], signal.SIGSTOP)
        stack.misbehave("create", "slow", seconds=1.5)
        before = stack.fired("create")
    try:
        creating = partial(_fired, stack.expire, stack, "create", before)
        until(creating, what="another process has taken over, and creates")
    finally:
        signalled([owner], signal.SIGCONT)
    _taken_over(stack, owner)


def _fired(meanwhile: Callable[[], None], stack: Stack, on: str, before: int) -> bool:
    meanwhile()
    return stack.fired(on) > before


@contextmanager
def _alone(stack: Stack) -> Iterator[int]:
    """One worker of the first service runs, all others stand still until the block ends.

    Nothing is under way at its start, so that whatever happens in it is that worker's doing.
    """
    stack.wait_until_healthy()
    stack.expire()
    stack.wait_until_all_ended()
    running = [pid for service in stack.services for pid in workers(service)]
    owner, *others = running
    with ExitStack() as stopped:
        stopped.callback(signalled, others, signal.SIGCONT)
        until(partial(_stand_still, stack, others), what="no transaction stands still with them")
        yield owner


def _stand_still(stack: Stack, others: Sequence[int]) -> bool:
    """Stop them, unless one is in the middle of a transaction: its locks would stop the owner."""
    signalled(others, signal.SIGCONT)
    let_pass(monotonic() + 0.05, bool)
    signalled(others, signal.SIGSTOP)
    return not (_unfinished(stack) and _unfinished(stack, older_than=0.3))


def _unfinished(stack: Stack, older_than: float = 0.0) -> bool:
    """Whether a transaction is open, and has been for so long: those of the owner are short."""
    let_pass(monotonic() + older_than, bool)
    return bool(stack.rows(_IN_TRANSACTION, seconds=older_than))


def _taken_over(stack: Stack, owner: int) -> None:
    """The owner's leases end while it is paused; it goes on when others have done its work."""
    try:

        def brought() -> bool:
            stack.expire()
            return not stack.rows(_NOT_BROUGHT)

        until(brought, what="another process has taken over")
    finally:
        signalled([owner], signal.SIGCONT)


PAUSES: Mapping[str, Callable[[Stack, Order], None]] = {
    "between listing and creation": paused_while_it_lists,
    "between its last look and creation": paused_before_it_creates,
    "after its look, until its successor creates": paused_after_its_look,
}
_IN_TRANSACTION = """
    SELECT FROM pg_stat_activity
    WHERE state LIKE 'idle in transaction%'
      AND xact_start <= now() - make_interval(secs => :seconds)
"""
_UPLOADED = "SELECT FROM openai_batches WHERE status = 'uploaded' AND lease_expires_at > now()"
_NOT_BROUGHT = "SELECT FROM openai_batches WHERE status IN ('building', 'uploaded')"
