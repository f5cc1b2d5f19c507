"""How PostgreSQL would run each statement that goes through an engine, found while it is used.

Every statement is explained right before it runs, in its own transaction and with its own
parameters: so the plan is the one it gets, whatever temporary tables it reads. What such a plan
must not have is a part that grows with everything the service has ever done: a scan of a whole
table, or of a whole index.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, event, text

_EXPLAINED = re.compile(r"\s*(WITH|SELECT|INSERT|UPDATE|DELETE|EXECUTE)\b", re.IGNORECASE)
_OF_TABLES = ("Seq Scan", "Sample Scan")
_OF_INDEXES = ("Index Scan", "Index Only Scan", "Bitmap Index Scan")
_PASSING_ON = ("LockRows", "Subquery Scan", "Result")
_INPUTS = ("Outer", "Subquery")


@dataclass(frozen=True)
class Index:
    table: str
    first_column: str


@dataclass(frozen=True)
class Scan:
    """A part of a plan that reads a whole table, or a whole index of it."""

    table: str
    index: str | None
    statement: str


@dataclass
class Plans:
    """What was explained: `statements` as written, and the whole `scans` that they would do."""

    indexes: Mapping[str, Index]
    statements: set[str] = field(default_factory=set)
    scans: set[Scan] = field(default_factory=set)

    def explain(self, connection: Any, statement: str, parameters: Any) -> None:
        with connection.connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
            [[[explained]]] = cursor.fetchall()
        self.statements.add(statement)
        for node, cut_off in _nodes(explained["Plan"]):
            if not cut_off:
                self.scans |= set(self._whole(node, statement))

    def _whole(self, node: Mapping[str, Any], statement: str) -> Iterator[Scan]:
        if node["Node Type"] in _OF_TABLES:
            yield Scan(node["Relation Name"], None, statement)
        elif node["Node Type"] in _OF_INDEXES:
            index = self.indexes.get(node["Index Name"])
            # Without a condition on its first column, an index is read from end to end.
            if index and not re.search(
                rf"\b{re.escape(index.first_column)}", node.get("Index Cond", "")
            ):
                yield Scan(index.table, node["Index Name"], statement)


def _nodes(
    plan: Mapping[str, Any], *, cut_off: bool = False
) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """The nodes of a plan, and whether a LIMIT ends them after as many rows as it lets through."""
    kind = plan["Node Type"]
    yield plan, cut_off and kind in _OF_INDEXES and "Filter" not in plan
    below = kind == "Limit" or (cut_off and kind in _PASSING_ON and "Filter" not in plan)
    for part in plan.get("Plans", ()):
        yield from _nodes(part, cut_off=below and part["Parent Relationship"] in _INPUTS)


@contextmanager
def explaining(engine: Engine) -> Iterator[Plans]:
    """Explain everything that goes through the engine until the block is left."""
    plans = Plans(_indexes(engine))

    def before(connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if _EXPLAINED.match(statement):
            plans.explain(connection, statement, parameters)

    event.listen(engine, "before_cursor_execute", before)
    try:
        yield plans
    finally:
        event.remove(engine, "before_cursor_execute", before)


def _indexes(engine: Engine) -> dict[str, Index]:
    with engine.connect() as connection:
        found = connection.execute(
            text("""
                SELECT i.relname AS name, t.relname AS table,
                       pg_get_indexdef(x.indexrelid, 1, true) AS first_column
                FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
                JOIN pg_class t ON t.oid = x.indrelid
                WHERE t.relnamespace = 'public'::regnamespace
            """)
        )
        return {row.name: Index(row.table, row.first_column) for row in found}
