"""What is only kept for a time goes when it is over."""

import pytest
from sqlalchemy import text

from generation_service.db.expiry import EXPIRED, delete_expired

ROWS = {
    "idempotency_keys": (
        "(client, key, body_hash, state, expires_at) VALUES ('a', :name, '', 'done', now() - :age)",
        ("-1 s", "1 s"),
    ),
    "seen_signatures": (
        "(client, signature, key, seen_at) VALUES ('a', :name, 'k', now() - :age)",
        ("10 min", "12 min"),
    ),
    "openai_events": (
        "(id, type, received_at) VALUES (:name, 'batch.completed', now() - :age)",
        ("95 hours", "97 hours"),
    ),
    "rate_limit_windows": (
        "(key, window_start, hits) VALUES (:name, now() - :age, 1)",
        ("119 min", "121 min"),
    ),
    "worker_heartbeats": (
        "(process, stage, ticked_at) VALUES (:name, 's', now() - :age)",
        ("23 hours", "25 hours"),
    ),
    "queue_samples": (
        "(at, queue, depth) VALUES (now() - :age, :name, 0)",
        ("191 hours", "193 hours"),
    ),
    "openai_error_hours": (
        "(hour, api, code, errors) VALUES (now() - :age, 'vision', :name, 1)",
        ("59 days", "61 days"),
    ),
}


def insert(engine, table, name, age):
    row = ROWS[table][0].replace(":age", "CAST(:age AS interval)")
    with engine.begin() as connection:
        connection.execute(text(f"INSERT INTO {table} {row}"), {"name": name, "age": age})


def sweep(engine, table, limit=10):
    with engine.begin() as connection:
        return delete_expired(connection, table, limit=limit)


@pytest.mark.parametrize("table", EXPIRED)
def test_only_what_is_over_goes(engine, table):
    young, old = ROWS[table][1]
    insert(engine, table, "young", young)
    insert(engine, table, "old", old)
    assert (sweep(engine, table), sweep(engine, table)) == (1, 0)
    with engine.begin() as connection:
        [row] = connection.execute(text(f"TABLE {table}"))
    assert "young" in row


def test_so_many_at_a_time_go_and_no_more(engine):
    for number in range(3):
        insert(engine, "seen_signatures", str(number), "1 day")
    assert [sweep(engine, "seen_signatures", limit=2) for _ in range(3)] == [2, 1, 0]


def test_a_row_in_use_is_left_to_the_next_sweep(engine):
    insert(engine, "seen_signatures", "a", "1 day")
    with engine.begin() as connection:
        connection.execute(text("UPDATE seen_signatures SET key = 'b'"))
        assert sweep(engine, "seen_signatures") == 0
    assert sweep(engine, "seen_signatures") == 1
