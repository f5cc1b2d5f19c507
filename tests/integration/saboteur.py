"""A database that fails at every statement in turn, each time in PostgreSQL itself.

Whoever works on the engine within `attempt` meets a fault: at the first statement, or commit, that
has not failed before. Tried again until nothing fails, every single one has failed once. What fails
is told apart by its text, by how often it came before in the attempt (the second page of anything
is another than the first) and by whether the attempt has changed anything yet (a claim of nothing
is no claim).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from enum import StrEnum
from threading import Lock
from typing import Any

import psycopg2
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import SQLAlchemyError

from generation_service.db.availability import is_unavailable

_END_OURSELVES = "SELECT pg_terminate_backend(pg_backend_pid())"
_CHANGES = re.compile("INSERT|UPDATE|DELETE")
_RAISE = "DO $$ BEGIN RAISE 'a fault for tests' USING ERRCODE = '{}'; END $$"


class Fault(StrEnum):
    """`CUT` ends the connection before a statement or commit; `UNTOLD` after a commit was done."""

    CUT = "cut"
    UNTOLD = "untold"
    DISK_FULL = "53100"
    OUT_OF_MEMORY = "53200"
    TOO_SLOW = "57014"
    READ_ONLY = "25006"


class Saboteur:
    """Sits in one engine; does nothing outside of `attempt`."""

    def __init__(self, engine: Engine, fault: Fault, *, at_once: int = 1) -> None:
        """`at_once`: so many faults an attempt may meet."""
        self.struck = ""
        """What failed in the last attempt."""
        self._engine = engine
        self.fault = fault
        self._what: str | None = None
        self._failed: set[tuple[str, str, int, bool]] = set()
        self._met: Counter[str] = Counter()
        self._last = ""
        self._changed = False
        self._lock = Lock()
        self._at_once = at_once
        self._left = 0
        event.listen(engine, "before_cursor_execute", self._statement, retval=True)
        event.listen(engine, "after_cursor_execute", self._done)
        event.listen(engine, "commit", self._commit)

    @property
    def strikes(self) -> int:
        return len(self._failed)

    @contextmanager
    def attempt(self, what: str) -> Iterator[None]:
        """`what` is done in the block; it may meet one fault."""
        self._what, self.struck, self._last = what, "", ""
        self._left, self._changed = self._at_once, False
        self._met.clear()
        try:
            yield
        finally:
            self._what = None
            assert self._engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # a QueuePool

    def survived(self, what: str, work: Callable[[], object]) -> bool:
        """Do the work, of which nothing may be left open; whether nothing failed."""
        raised: SQLAlchemyError | None = None
        with self.attempt(what):
            try:
                work()
            except SQLAlchemyError as error:
                raised = error
        assert raised is None or (self.struck and is_unavailable(raised)), (what, self.struck)
        return not self.struck

    def _strikes_at(self, text: str) -> bool:
        with self._lock:
            if self._what is None or self._left == 0:
                return False
            self._met[text] += 1
            key = (self._what, text, self._met[text], self._changed)
            if key in self._failed:
                return False
            self._failed.add(key)
            self._left -= 1
            self.struck = text
            return True

    def _statement(
        self,
        _connection: Connection,
        _cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        _many: bool,  # noqa: FBT001
    ) -> tuple[str, Any]:
        self._last = statement
        streamed = context.execution_options.get("stream_results")  # takes nothing but a SELECT
        if self.fault is Fault.UNTOLD or (streamed and self.fault is not Fault.CUT):
            return statement, parameters
        if not self._strikes_at(statement):
            return statement, parameters
        if self.fault is Fault.CUT:
            return _END_OURSELVES, {}
        return _RAISE.format(self.fault), {}

    def _done(self, _connection: Connection, cursor: Any, statement: str, *_more: Any) -> None:
        self._changed |= cursor.rowcount > 0 and bool(_CHANGES.search(statement))

    def _commit(self, connection: Connection) -> None:
        if self.fault not in {Fault.CUT, Fault.UNTOLD}:
            return
        if self._strikes_at(f"COMMIT after {self._last}"):
            with closing(connection.connection.cursor()) as cursor, suppress(psycopg2.Error):
                if self.fault is Fault.UNTOLD:
                    cursor.execute("COMMIT")
                cursor.execute(_END_OURSELVES)
