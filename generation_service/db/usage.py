"""What was spent, for people to look at: by day, by hour, by lot. Days and hours are UTC's.

Amounts are what was booked (db/charges.py): `completed` requests got their text, `failed` answers
were billed and brought none. A cost of 0 beside tokens may be a model without a price, which only
the settings can tell: `core.prices.price_of(row.model, settings.model_prices) is None`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row

from generation_service.core.charges import Account, Charge, Tally
from generation_service.core.lanes import Lane
from generation_service.core.status import Kind
from generation_service.db.statements import rows

_SUMS = """
    CAST(sum(completed) AS bigint) AS completed, CAST(sum(failed) AS bigint) AS failed,
    CAST(sum(prompt_tokens) AS bigint) AS prompt_tokens,
    CAST(sum(cached_tokens) AS bigint) AS cached_tokens,
    CAST(sum(completion_tokens) AS bigint) AS completion_tokens,
    CAST(sum(cost_nanos) AS bigint) AS cost_nanos
"""


@dataclass(frozen=True, slots=True)
class Spent:
    """What an account was billed in the hour or on the day that begins `at`."""

    at: datetime
    account: Account
    tally: Tally


def by_day(connection: Connection, days: int, *, client: str | None = None) -> list[Spent]:
    """Return what was billed today and on the days before, so many in all, oldest first.

    Simulated texts have accounts of their own; nobody paid for them. Days without any are left out.
    """
    return _spent(connection, "day", days, client)


def by_hour(connection: Connection, hours: int, *, client: str | None = None) -> list[Spent]:
    """Return what was billed in this hour and in those before, so many in all, oldest first."""
    return _spent(connection, "hour", hours, client)


def _spent(connection: Connection, unit: str, count: int, client: str | None) -> list[Spent]:
    found = rows(
        connection,
        f"""
        SELECT date_trunc(:unit, hour, 'UTC') AS at, client, kind, lane, model, simulated, {_SUMS}
        FROM usage_hours
        WHERE hour >= date_trunc(:unit, now(), 'UTC')
                      - (:count - 1) * CAST('1 ' || :unit AS interval)
          AND (CAST(:client AS text) IS NULL OR client = :client)
        GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
        """,  # noqa: S608 - constant sums
        unit=unit,
        count=count,
        client=client,
    )
    return [Spent(row.at, _account(row), _tally(row)) for row in found]


def since(connection: Connection, day: date, *, client: str | None = None) -> dict[Account, Tally]:
    """Return what was billed from the beginning of a day until now, by account."""
    found = rows(
        connection,
        f"""
        SELECT client, kind, lane, model, simulated, {_SUMS} FROM usage_hours
        WHERE hour >= CAST(:day AS date)::timestamp AT TIME ZONE 'UTC'
          AND (CAST(:client AS text) IS NULL OR client = :client)
        GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
        """,  # noqa: S608 - constant sums
        day=day,
        client=client,
    )
    return {_account(row): _tally(row) for row in found}


def _account(row: Row[Any]) -> Account:
    return Account(row.client, Kind(row.kind), Lane(row.lane), row.model, row.simulated)


def _tally(row: Row[Any]) -> Tally:
    return Tally(row.completed, row.failed, _charge(row))


def _charge(row: Row[Any]) -> Charge:
    return Charge(
        prompt_tokens=row.prompt_tokens,
        cached_tokens=row.cached_tokens,
        completion_tokens=row.completion_tokens,
        cost_nanos=row.cost_nanos,
    )


@dataclass(frozen=True, slots=True)
class Averaged:
    """Sums of late: what a model's texts of one kind were billed, simulated ones apart."""

    model: str
    kind: Kind
    simulated: bool
    completed: int
    prompt_tokens: int
    completion_tokens: int


def of_late(connection: Connection, models: Collection[str], *, newest: int) -> list[Averaged]:
    """Return what these models were billed in the `newest` rows of hours, whoever's they are."""
    found = rows(
        connection,
        """
        SELECT model, kind, simulated, CAST(sum(completed) AS bigint) AS completed,
               CAST(sum(prompt_tokens) AS bigint) AS prompt_tokens,
               CAST(sum(completion_tokens) AS bigint) AS completion_tokens
        FROM (SELECT * FROM usage_hours ORDER BY hour DESC LIMIT :newest) late
        WHERE model = ANY(CAST(:models AS text[])) GROUP BY model, kind, simulated
        """,
        models=sorted(models),
        newest=newest,
    )
    return [Averaged(**{**row._asdict(), "kind": Kind(row.kind)}) for row in found]
