"""Removes what was only kept for a time: answers, signatures, windows of limits, heartbeats."""

from sqlalchemy import Connection

from generation_service.db import expiry
from generation_service.pipeline.resources import Beat, Resources
from generation_service.pipeline.transactions import transaction

EVERY_SECONDS = 30.0
"""Half of what a stage may be silent for before health calls it stopped."""

_ROWS = 1_000


def tick(resources: Resources, beat: Beat) -> bool:
    """Remove some rows of each table, in short transactions; True when there may be more."""
    more = False
    for table in expiry.EXPIRED:
        more |= _sweep(resources, table)
        if not beat():
            return False
    return more


def _sweep(resources: Resources, table: str) -> bool:
    def delete(connection: Connection) -> int:
        return expiry.delete_expired(connection, table, limit=_ROWS)

    return transaction(resources.engine, delete) == _ROWS
