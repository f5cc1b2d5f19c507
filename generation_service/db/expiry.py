"""Rows that are only kept for a time, and their removal when it is over."""

from typing import Final

from sqlalchemy import Connection

from generation_service.core.limits import (
    ERROR_DAYS,
    EVENT_DAYS,
    SAMPLE_DAYS,
    SIGNATURE_SECONDS,
)
from generation_service.db.statements import changed

# The newest signature that is taken has a time 300 s ahead, and is valid for 300 s from then; the
# minute is for clocks that differ.
_SIGNATURE_SECONDS: Final = 2 * SIGNATURE_SECONDS + 60

EXPIRED: Final = {
    "idempotency_keys": "expires_at < now()",
    "seen_signatures": f"seen_at < now() - interval '{_SIGNATURE_SECONDS} s'",
    "openai_events": f"received_at < now() - interval '{EVENT_DAYS} days'",
    "rate_limit_windows": "window_start < now() - interval '2 hours'",
    "worker_heartbeats": "ticked_at < now() - interval '1 day'",
    "queue_samples": f"at < now() - interval '{SAMPLE_DAYS} days'",
    "openai_error_hours": f"hour < now() - interval '{ERROR_DAYS} days'",
}
"""Which rows of a table may go."""


def delete_expired(connection: Connection, table: str, *, limit: int) -> int:
    """Delete at most `limit` of the table's expired rows, but none that is in use just now."""
    return changed(
        connection,
        f"""
        DELETE FROM {table} WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM {table} WHERE {EXPIRED[table]} LIMIT :limit FOR UPDATE SKIP LOCKED
        ))
        """,  # noqa: S608 - constant names and conditions
        limit=limit,
    )
