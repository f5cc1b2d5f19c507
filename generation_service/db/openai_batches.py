"""OpenAI batches: claimed under a lease, moved on only by whoever holds it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.limits import OWN_BATCH_REQUESTS
from generation_service.core.openai_batch import BatchState
from generation_service.core.status import OPENAI_BATCH_SOURCES, Kind, OpenAIBatchStatus
from generation_service.db.statements import LeaseLostError, changed, rows, run, sources


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedBatch:
    """`age` is in seconds since it was submitted (since it was created, before that)."""

    id: UUID
    kind: Kind
    model: str
    status: OpenAIBatchStatus
    openai_id: str | None
    openai_status: str | None
    input_file_id: str | None
    output_file_id: str | None
    error_file_id: str | None
    errors: Sequence[Mapping[str, Any]]
    cancel_requested: bool
    to_direct: bool
    tries: int
    requests: int
    estimated_tokens: int
    age: float
    overdue: float
    """Seconds since it was first seen to be overdue."""
    token: UUID


def claim(
    connection: Connection,
    statuses: Sequence[OpenAIBatchStatus],
    *,
    token: UUID,
    lease_seconds: float,
    only: UUID | None = None,
) -> ClaimedBatch | None:
    """Claim the OpenAI batch that has been due longest among those in `statuses`.

    Small ones have a head start: they are done while a large one's file would still be read.
    `only` this one, due or not, where an operator wants it now.
    """
    found = rows(
        connection,
        _CLAIM,
        statuses=[status.value for status in statuses],
        token=token,
        lease_seconds=lease_seconds,
        large=OWN_BATCH_REQUESTS,
        only=only,
    )
    if not found:
        return None
    fields = found[0]._asdict() | {
        "kind": Kind(found[0].kind),
        "status": OpenAIBatchStatus(found[0].status),
        "errors": json.loads(found[0].errors or "[]"),
        "age": float(found[0].age),
        "overdue": float(found[0].overdue),
    }
    return ClaimedBatch(token=token, **fields)


_CLAIM: Final = """
    WITH due AS (
        SELECT id FROM openai_batches
        WHERE status <> 'settled' AND status = ANY(CAST(:statuses AS text[]))
          AND CASE WHEN CAST(:only AS uuid) IS NULL THEN next_try_at <= now()
                   ELSE id = :only END
          AND (lease_expires_at IS NULL OR lease_expires_at < now())
        ORDER BY next_try_at + CASE WHEN requests >= :large THEN interval '5 minutes'
                                    ELSE interval '0' END
        LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    UPDATE openai_batches b SET lease_token = :token,
           lease_expires_at = now() + make_interval(secs => :lease_seconds)
    FROM due WHERE b.id = due.id
    RETURNING b.id, b.kind, b.model, b.status, b.openai_id, b.openai_status, b.input_file_id,
        b.output_file_id, b.error_file_id, b.errors::text AS errors, b.cancel_requested,
        b.to_direct, b.tries, b.requests, b.estimated_tokens,
        extract(epoch FROM now() - coalesce(b.submitted_at, b.created_at)) AS age,
        coalesce(extract(epoch FROM now() - b.overdue_since), 0) AS overdue
"""


def renew(connection: Connection, batch: ClaimedBatch, lease_seconds: float) -> None:
    run(
        connection,
        """
        UPDATE openai_batches SET lease_expires_at = now() + make_interval(secs => :seconds)
        WHERE id = :id AND lease_token = :token
        """,
        id=batch.id,
        token=batch.token,
        seconds=lease_seconds,
    )


FIELDS = frozenset(
    {
        "to_direct",
        "openai_status",
        "openai_id",
        "input_file_id",
        "output_file_id",
        "error_file_id",
        "requests",
        "input_bytes",
        "estimated_tokens",
    }
)


def move(
    connection: Connection, batch: ClaimedBatch, target: OpenAIBatchStatus, **fields: object
) -> None:
    """Change the status under the lease, which stays; raises LeaseLostError when it was lost."""
    stamps = {
        OpenAIBatchStatus.SUBMITTED: ", tries = 0, submitted_at = now()",
        OpenAIBatchStatus.COLLECTING: ", tries = 0, next_try_at = now()",
        OpenAIBatchStatus.SETTLED: ", settled_at = now()",
    }
    _update(
        connection,
        batch,
        f"status = :target{stamps.get(target, '')}",
        "AND status = ANY(CAST(:sources AS text[]))",
        fields,
        target=target.value,
        sources=sources(OPENAI_BATCH_SOURCES, target),
    )


def resize(connection: Connection, batch: ClaimedBatch, **sizes: int) -> None:
    """Record how many `requests`, `input_bytes` and `estimated_tokens` were really written."""
    _update(connection, batch, "lease_token = lease_token", "", sizes)


def hold(connection: Connection, batch: ClaimedBatch) -> None:
    """Make sure, at the end of a transaction, that the lease is still ours."""
    _update(connection, batch, "lease_token = lease_token", "", {})


def try_later(
    connection: Connection,
    batch: ClaimedBatch,
    *,
    seconds: float,
    failed: bool,
    state: BatchState | None = None,
    overdue: bool = False,
) -> None:
    """Give the lease back until `seconds` from now; `failed` counts a vain try."""
    _update(
        connection,
        batch,
        """tries = CASE WHEN :failed THEN tries + 1 ELSE 0 END, lease_token = NULL,
           lease_expires_at = NULL, next_try_at = now() + make_interval(secs => :seconds),
           overdue_since = CASE WHEN :overdue THEN coalesce(overdue_since, now())
                                ELSE overdue_since END""",
        "",
        {} if state is None else state_fields(state),
        failed=failed,
        seconds=seconds,
        overdue=overdue,
    )


def state_fields(state: BatchState) -> dict[str, object]:
    return {
        "openai_status": state.status,
        "output_file_id": state.output_file_id,
        "error_file_id": state.error_file_id,
    }


def _update(
    connection: Connection,
    batch: ClaimedBatch,
    changes: str,
    condition: str,
    fields: Mapping[str, object],
    **values: object,
) -> None:
    if unknown := set(fields) - FIELDS:
        raise ValueError(f"no such columns: {sorted(unknown)}")
    assignments = "".join(f", {name} = :{name}" for name in sorted(fields))
    updated = changed(
        connection,
        f"""
        UPDATE openai_batches SET {changes}{assignments}
        WHERE id = :id AND lease_token = :token {condition}
        """,  # noqa: S608 - names from FIELDS, constant changes and conditions
        id=batch.id,
        token=batch.token,
        **fields,
        **values,
    )
    if not updated:
        raise LeaseLostError(f"OpenAI batch {batch.id} was taken over")


def record_errors(
    connection: Connection, batch: ClaimedBatch, errors: Sequence[Mapping[str, object]]
) -> None:
    run(
        connection,
        "UPDATE openai_batches SET errors = CAST(:errors AS jsonb) WHERE id = :id",
        id=batch.id,
        errors=json.dumps([dict(error) for error in errors]),
    )


def ask_at_once(connection: Connection, openai_id: str) -> bool:
    """Make a submitted batch due for polling; whether there is one.

    Its lease is taken away: a poll that is under way may have been answered before the batch
    ended, and would put off the next one.
    """
    found = changed(
        connection,
        """
        UPDATE openai_batches SET next_try_at = now(), lease_token = NULL, lease_expires_at = NULL
        WHERE openai_id = :openai_id AND status = 'submitted'
        """,
        openai_id=openai_id,
    )
    return found == 1
