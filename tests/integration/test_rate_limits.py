"""Counting in windows of time, by many processes at once."""

from itertools import chain
from multiprocessing import get_context
from threading import Barrier, Thread

import pytest
from sqlalchemy import text

from generation_service.db import rate_limits
from generation_service.db.engine import make_engine
from generation_service.db.rate_limits import Window
from tests.waiting import until

HOUR = 3600


@pytest.fixture(autouse=True)
def _one_window(engine):
    """The hour does not end during a test."""
    until(lambda: look(engine).resets_in > 15, what="the hour has some seconds left")


def hit(engine, key="a", *, limit=3, seconds=HOUR):
    with engine.begin() as connection:
        return rate_limits.hit(connection, key, limit=limit, seconds=seconds)


def look(engine, key="a", *, limit=3, seconds=HOUR):
    with engine.begin() as connection:
        return rate_limits.look(connection, key, limit=limit, seconds=seconds)


def run(engine, statement, **values):
    with engine.begin() as connection:
        return connection.execute(text(statement), values)


def seen(window: Window):
    return window.used, window.allowed


def test_hits_are_allowed_up_to_the_limit(engine):
    assert [seen(hit(engine)) for _ in range(5)] == [
        (1, True),
        (2, True),
        (3, True),
        (3, False),
        (3, False),
    ]
    assert run(engine, "SELECT hits FROM rate_limit_windows").scalars().all() == [3]


def test_looking_counts_nothing(engine):
    assert [seen(look(engine)) for _ in range(2)] == [(0, True)] * 2
    for _ in range(2):
        hit(engine)
    assert seen(look(engine)) == (2, True)
    hit(engine)
    assert seen(look(engine)) == (3, False)


def test_each_key_has_its_own_count(engine):
    assert hit(engine, "a", limit=1).allowed
    assert hit(engine, "b", limit=1).allowed
    assert not hit(engine, "a", limit=1).allowed


def test_a_lowered_limit_holds_at_once(engine):
    for _ in range(3):
        hit(engine, limit=3)
    assert seen(look(engine, limit=2)) == (2, False)
    assert seen(hit(engine, limit=2)) == (2, False)
    assert seen(hit(engine, limit=4)) == (4, True)


def test_a_hit_that_is_rolled_back_is_not_counted(engine):
    with engine.connect() as connection:
        rate_limits.hit(connection, "a", limit=1, seconds=HOUR)
        connection.rollback()
    assert hit(engine, limit=1).allowed


def test_the_next_window_begins_at_nothing(engine):
    hit(engine, limit=1)
    run(engine, "UPDATE rate_limit_windows SET window_start = window_start - interval '1 hour'")
    window = hit(engine, limit=1)
    assert window.allowed
    assert 0 < window.resets_in <= 3600


def test_windows_begin_at_whole_multiples_of_their_length(engine):
    hit(engine, seconds=60)
    [(odd, age)] = run(
        engine,
        "SELECT mod(CAST(extract(epoch FROM window_start) AS numeric), 60), "
        "now() - window_start FROM rate_limit_windows",
    )
    assert odd == 0
    assert 0 <= age.total_seconds() <= 61


def hits_of_a_process(url: str) -> list[int]:
    engine = make_engine(url)
    windows = [hit(engine, "busy", limit=100) for _ in range(250)]
    engine.dispose()
    return [window.used for window in windows if window.allowed]


def test_of_1000_hits_by_4_processes_at_once_exactly_100_are_allowed(engine, database_url):
    with get_context("spawn").Pool(4) as processes:
        counted = processes.map(hits_of_a_process, [database_url] * 4, chunksize=1)
    assert sorted(chain.from_iterable(counted)) == list(range(1, 101))
    assert seen(look(engine, "busy", limit=100)) == (100, False)


def test_a_full_window_is_refused_while_another_transaction_holds_its_row(engine):
    hit(engine, limit=1)
    with engine.begin() as connection:
        connection.execute(text("SELECT FROM rate_limit_windows FOR UPDATE"))
        with engine.begin() as other:
            other.execute(text("SET LOCAL lock_timeout = '5s'"))
            assert not rate_limits.hit(other, "a", limit=1, seconds=HOUR).allowed


@pytest.mark.parametrize("commits", [True, False])
def test_the_last_free_place_is_given_once_its_taker_has_ended(engine, commits):
    ready, answers = Barrier(2, timeout=10), []

    def second():
        ready.wait()
        answers.append(hit(engine, limit=1).allowed)

    other = Thread(target=second)
    other.start()
    with engine.connect() as connection:
        assert rate_limits.hit(connection, "a", limit=1, seconds=HOUR).allowed
        ready.wait()
        until(lambda: waiting(engine), what="the second hit waits for the first")
        connection.commit() if commits else connection.rollback()
    other.join()
    assert answers == [not commits]


def waiting(engine):
    return run(
        engine,
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'",
    ).scalar_one()
