"""The books of the hour: written by many at once, read by day and by hour."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from generation_service.core.charges import Account, Charge, Tally
from generation_service.core.lanes import Lane
from generation_service.core.status import Kind
from generation_service.db import charges, usage

ACCOUNTS = [
    Account(client, kind, lane, "m", simulated)
    for client in ("b", "a")
    for kind in (Kind.VISION, Kind.TRANSLATION)
    for lane in (Lane.SYNC, Lane.BATCH)
    for simulated in (True, False)
]


def test_many_who_book_at_once_neither_lose_anything_nor_meet_in_a_circle(engine):
    each = Tally(1, 2, Charge(prompt_tokens=3, cached_tokens=1, completion_tokens=4, cost_nanos=5))
    start = Barrier(6)

    def book(turn):
        start.wait()
        accounts = ACCOUNTS if turn % 2 else ACCOUNTS[::-1]
        for _ in range(20):
            with engine.begin() as connection:
                charges.add_to_hour(connection, dict.fromkeys(accounts, each))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(book, range(6)))
    with engine.connect() as connection:
        spent = usage.by_day(connection, 2)
    assert sum(row.tally.completed for row in spent) == 120 * len(ACCOUNTS)
    assert {row.tally.charge.cost_nanos % 5 for row in spent} == {0}
    assert sum(row.tally.charge.cost_nanos for row in spent) == 600 * len(ACCOUNTS)


def test_days_and_hours_are_told_apart_by_client_and_model(engine):
    tally = Tally(1, 0, Charge(prompt_tokens=1))
    with engine.begin() as connection:
        charges.add_to_hour(connection, dict.fromkeys(ACCOUNTS, tally))
        connection.exec_driver_sql("UPDATE usage_hours SET hour = hour - interval '3 days'")
        charges.add_to_hour(connection, {ACCOUNTS[0]: tally})
        assert len(usage.by_day(connection, 3)) == len(usage.by_hour(connection, 72)) == 1
        assert len(usage.by_day(connection, 4)) == 1 + len(ACCOUNTS)
        mine = usage.by_day(connection, 4, client="b")
    assert [row.account for row in mine].count(ACCOUNTS[0]) == 2
    assert {row.account.client for row in mine} == {"b"}
