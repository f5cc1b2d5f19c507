"""How many OpenAI batches were created in the last hour, by all processes together.

A creation counts from before OpenAI is asked, whatever comes of it: one whose answer was lost
counts too. Counted by the minute, and over an hour and the minute it began in: a window that
slides, as OpenAI's does, where fixed hours would let twice as many through around their edge.
"""

from typing import Final

from sqlalchemy import Connection

from generation_service.db.statements import run

_KEY: Final = "openai batches created"  # of rate_limit_windows; no client's name has a space


def take(connection: Connection, *, limit: int) -> float:
    """Count one creation and return 0, or count nothing and return the seconds to wait.

    Others who ask wait until this transaction has ended.
    """
    run(connection, "SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))", key=_KEY)
    seconds = wait(connection, limit=limit)
    if not seconds:
        run(
            connection,
            """
            INSERT INTO rate_limit_windows AS w (key, window_start, hits)
            VALUES (:key, date_trunc('minute', statement_timestamp()), 1)
            ON CONFLICT (key, window_start) DO UPDATE SET hits = w.hits + 1
            """,
            key=_KEY,
        )
    return seconds


def wait(connection: Connection, *, limit: int) -> float:
    """The seconds until another creation is allowed, 0 for now; counts nothing."""
    seconds: float = run(
        connection,
        """
        SELECT coalesce(max(extract(epoch FROM window_start + interval '61 minutes'
                                    - statement_timestamp())), 0)
        FROM (
            SELECT window_start, sum(hits) OVER (ORDER BY window_start DESC) AS since
            FROM rate_limit_windows
            WHERE key = :key
              AND window_start >= date_trunc('minute', statement_timestamp()) - interval '1 hour'
        ) minutes
        WHERE since >= :limit
        """,
        key=_KEY,
        limit=limit,
    ).scalar_one()
    return float(seconds)
