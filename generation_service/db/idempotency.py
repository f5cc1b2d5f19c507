"""Requests that were sent before, and the claims under which they are answered.

A row belongs to a client's key. Whoever inserts it, or takes over one that is `open`, holds it by
a lease token and answers the request; a second insert waits for the first one's transaction.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from generation_service.core.idempotency import Identity, State
from generation_service.core.limits import REPLAY_HOURS
from generation_service.db.statements import changed, rows, run

# Whether a row may be worked on anew. `now()` would be the transaction's start, which may lie
# before a long wait for another one. A job that came into being during such a wait is not in this
# statement's snapshot and so counts as alive, as it should.
_OPEN = """(
    k.state = 'unfinished'
    OR (k.state = 'running' AND k.lease_expires_at < clock_timestamp())
    OR EXISTS (SELECT 1 FROM batch_jobs j
               WHERE j.id = k.job_id AND j.status IN ('failed', 'cancelled'))
)"""
_EXPIRED = "k.expires_at < clock_timestamp()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`answer` is the document as sent; of an unfinished one, what a repetition starts from."""

    state: State
    status_code: int
    answer: Mapping[str, Any]
    job_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An earlier request: whether it may be worked on anew, and its outcome unless it runs."""

    body_hash: str
    open: bool
    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A request that is ours to answer; `unfinished` is what an earlier run has left."""

    identity: Identity
    token: UUID
    unfinished: Mapping[str, Any] | None


def find(connection: Connection, identity: Identity) -> Known | None:
    found = rows(
        connection,
        f"""
        SELECT body_hash, {_OPEN} AS open, state, status_code, answer, job_id
        FROM idempotency_keys k
        WHERE client = :client AND key = :key AND NOT {_EXPIRED}
        """,  # noqa: S608 - constant conditions
        client=identity.client,
        key=identity.key,
    )
    if not found:
        return None
    row = found[0]
    return Known(body_hash=row.body_hash, open=row.open, outcome=_outcome(row))


def _outcome(row: Row[Any]) -> Outcome | None:
    if row.state == State.RUNNING:
        return None
    return Outcome(
        state=State(row.state),
        status_code=row.status_code,
        answer=json.loads(row.answer),
        job_id=row.job_id,
    )


def claim(
    connection: Connection, identity: Identity, token: UUID, *, lease_seconds: float
) -> Claim | None:
    """Claim a request that is new or open; None when somebody else has it, or its key."""
    found = rows(
        connection,
        f"""
        INSERT INTO idempotency_keys AS k
            (client, key, body_hash, state, lease_token, lease_expires_at, expires_at)
        VALUES (:client, :key, :body_hash, 'running', :token,
                clock_timestamp() + make_interval(secs => :lease_seconds),
                clock_timestamp() + make_interval(hours => :hours))
        ON CONFLICT (client, key) DO UPDATE SET
            body_hash = excluded.body_hash, state = excluded.state,
            lease_token = excluded.lease_token, lease_expires_at = excluded.lease_expires_at,
            answer = CASE WHEN k.job_id IS NULL AND NOT {_EXPIRED} THEN k.answer END,
            job_id = NULL, status_code = NULL,
            created_at = clock_timestamp(), expires_at = excluded.expires_at
        WHERE {_EXPIRED} OR (k.body_hash = excluded.body_hash AND {_OPEN})
        RETURNING answer
        """,  # noqa: S608 - constant conditions
        client=identity.client,
        key=identity.key,
        body_hash=identity.body_hash,
        token=token,
        lease_seconds=lease_seconds,
        hours=REPLAY_HOURS,
    )
    if not found:
        return None
    kept = found[0].answer
    return Claim(identity, token, None if kept is None else json.loads(kept))


def renew(connection: Connection, claim: Claim, lease_seconds: float) -> bool:
    return _change(
        connection,
        claim,
        "lease_expires_at = clock_timestamp() + make_interval(secs => :lease_seconds)",
        lease_seconds=lease_seconds,
    )


def record(connection: Connection, claim: Claim, outcome: Outcome) -> bool:
    """Keep what was answered; False when the lease ran out and somebody else took over."""
    return _change(
        connection,
        claim,
        """
        state = :state, status_code = :status_code, answer = :answer, job_id = :job_id,
        lease_token = NULL, lease_expires_at = NULL
        """,
        state=outcome.state.value,
        status_code=outcome.status_code,
        answer=json.dumps(outcome.answer),
        job_id=outcome.job_id,
    )


def release(connection: Connection, claim: Claim) -> None:
    """Give up without an answer: what an earlier run has left stays, else all is as before."""
    if claim.unfinished is None:
        run(
            connection,
            f"DELETE FROM idempotency_keys WHERE {_HELD}",  # noqa: S608 - constant conditions
            **_held_by(claim),
        )
    else:
        _change(
            connection,
            claim,
            "state = 'unfinished', status_code = 200, lease_token = NULL, lease_expires_at = NULL",
        )


_HELD = "client = :client AND key = :key AND lease_token = :token"


def _held_by(claim: Claim) -> dict[str, object]:
    return {"client": claim.identity.client, "key": claim.identity.key, "token": claim.token}


def _change(connection: Connection, claim: Claim, assignments: str, **values: object) -> bool:
    return bool(
        changed(
            connection,
            f"UPDATE idempotency_keys SET {assignments} WHERE {_HELD}",  # noqa: S608 - constants
            **values,
            **_held_by(claim),
        )
    )


def note_signature(connection: Connection, identity: Identity) -> bool:
    """Note that the request's signature came with its key; False if it came with another one."""
    return bool(
        run(
            connection,
            """
            INSERT INTO seen_signatures (client, signature, key)
            VALUES (:client, :signature, :key)
            ON CONFLICT (client, signature) DO UPDATE SET key = seen_signatures.key
            RETURNING key = :key
            """,
            client=identity.client,
            signature=identity.signature,
            key=identity.key,
        ).scalar_one()
    )
