"""Statements that each connection has PostgreSQL parse and plan once, for what is asked most.

A statement of forty lines that finds three rows by their keys takes PostgreSQL four times as long
to understand as to execute. The plan is made anew when tables change, or the statistics on them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, CursorResult

from generation_service.telemetry import metrics


@dataclass(frozen=True)
class KeptStatement:
    """SQL in which values are named as `:name`; `types` are theirs, as SQL has them."""

    name: str
    types: Mapping[str, str]
    statement: str

    def run(self, connection: Connection, **values: Any) -> CursorResult[Any]:
        """Execute it; a connection that doesn't know it yet is told first, an exchange more."""
        if self.name not in connection.info:  # which is emptied when a connection is made anew
            connection.exec_driver_sql(self._prepare)
            connection.info[self.name] = True
        result = connection.exec_driver_sql(self._execute, values)
        metrics.database_executed(self.statement)
        return result

    @cached_property
    def _prepare(self) -> str:
        statement = self.statement
        for number, name in enumerate(self.types, 1):
            statement = re.sub(rf"(?<!:):{name}\b", f"${number}", statement)
        return f"PREPARE {self.name} ({', '.join(self.types.values())}) AS {statement}"

    @cached_property
    def _execute(self) -> str:
        return f"EXECUTE {self.name} ({', '.join(f'%({name})s' for name in self.types)})"
