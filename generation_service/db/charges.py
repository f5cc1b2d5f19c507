"""What was billed, booked: on cancelled requests, on jobs, and by the hour.

The rows of an hour are shared by all who record anything, so they are written last in a
transaction, in the accounts' order: nobody waits for longer than a commit, and never in a circle.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.charges import Account, Charge, Tally
from generation_service.core.status import Kind
from generation_service.db.commits import after_commit
from generation_service.db.statements import rows, run
from generation_service.telemetry import metrics


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A request that was cancelled while OpenAI was at it, and whose bill has not come yet."""

    id: int
    job_id: UUID
    client: str
    kind: Kind
    attempt: int


def cancelled(connection: Connection, holder: UUID, ids: Collection[int]) -> list[Cancelled]:
    """Return those of the requests that were cancelled in the hands of `holder`."""
    found = rows(
        connection,
        """
        SELECT d.id, d.job_id, j.client, d.kind, d.attempt
        FROM descriptions d JOIN batch_jobs j ON j.id = d.job_id
        WHERE d.id = ANY(CAST(:ids AS bigint[])) AND d.status = 'cancelled' AND d.model IS NULL
          AND coalesce(d.openai_batch, d.lease_token) = :holder
        ORDER BY d.id
        """,
        ids=sorted(ids),
        holder=holder,
    )
    return [Cancelled(row.id, row.job_id, row.client, Kind(row.kind), row.attempt) for row in found]


def charge_cancelled(connection: Connection, charges: Sequence[tuple[int, str, Charge]]) -> None:
    """Add charges to cancelled requests, given as (id, model, charge).

    The model that was paid marks them as charged: the same answer may be read again after a crash.
    """
    run(
        connection,
        """
        UPDATE descriptions d SET model = t.model, prompt_tokens = d.prompt_tokens + t.prompt,
               cached_tokens = d.cached_tokens + t.cached,
               completion_tokens = d.completion_tokens + t.completion,
               cost_nanos = d.cost_nanos + t.cost
        FROM unnest(CAST(:ids AS bigint[]), CAST(:models AS text[]), CAST(:prompt AS bigint[]),
                    CAST(:cached AS bigint[]), CAST(:completion AS bigint[]),
                    CAST(:cost AS bigint[])) AS t (id, model, prompt, cached, completion, cost)
        WHERE d.id = t.id AND d.status = 'cancelled' AND d.model IS NULL
        """,
        ids=[id_ for id_, _, _ in charges],
        models=[model for _, model, _ in charges],
        **columns([charge for _, _, charge in charges]),
    )


def add_to_jobs(
    connection: Connection, charges: Mapping[UUID, Charge], simulated: Mapping[UUID, int]
) -> None:
    """Add to locked jobs what was billed for them, and how many of their texts are simulated.

    `updated_at` stays: it tells when the job got on, and money alone is no progress.
    """
    job_ids = sorted({*charges, *simulated})
    if not job_ids:
        return
    run(
        connection,
        """
        UPDATE batch_jobs j SET prompt_tokens = j.prompt_tokens + t.prompt,
               cached_tokens = j.cached_tokens + t.cached,
               completion_tokens = j.completion_tokens + t.completion,
               cost_nanos = j.cost_nanos + t.cost,
               texts_simulated = j.texts_simulated + t.simulated
        FROM unnest(CAST(:ids AS uuid[]), CAST(:prompt AS bigint[]), CAST(:cached AS bigint[]),
                    CAST(:completion AS bigint[]), CAST(:cost AS bigint[]),
                    CAST(:simulated AS bigint[]))
             AS t (id, prompt, cached, completion, cost, simulated)
        WHERE j.id = t.id
        """,
        ids=job_ids,
        simulated=[simulated.get(job_id, 0) for job_id in job_ids],
        **columns([charges.get(job_id, Charge()) for job_id in job_ids]),
    )


def add_to_hour(connection: Connection, tallies: Mapping[Account, Tally]) -> None:
    """Add to the accounts of the current hour (UTC): the last statement of a transaction."""
    accounts = sorted(account for account, tally in tallies.items() if tally)
    if not accounts:
        return
    booked = [tallies[account] for account in accounts]
    run(
        connection,
        """
        INSERT INTO usage_hours AS u (hour, client, kind, lane, model, simulated, completed, failed,
                                      prompt_tokens, cached_tokens, completion_tokens, cost_nanos)
        SELECT date_trunc('hour', now(), 'UTC'), t.*
        FROM unnest(CAST(:clients AS text[]), CAST(:kinds AS text[]), CAST(:lanes AS text[]),
                    CAST(:models AS text[]), CAST(:simulated AS bool[]),
                    CAST(:completed AS bigint[]), CAST(:failed AS bigint[]),
                    CAST(:prompt AS bigint[]), CAST(:cached AS bigint[]),
                    CAST(:completion AS bigint[]), CAST(:cost AS bigint[])) AS t
        ON CONFLICT (hour, client, kind, lane, model, simulated) DO UPDATE SET
            completed = u.completed + excluded.completed, failed = u.failed + excluded.failed,
            prompt_tokens = u.prompt_tokens + excluded.prompt_tokens,
            cached_tokens = u.cached_tokens + excluded.cached_tokens,
            completion_tokens = u.completion_tokens + excluded.completion_tokens,
            cost_nanos = u.cost_nanos + excluded.cost_nanos
        """,
        clients=[account.client for account in accounts],
        kinds=[account.kind.value for account in accounts],
        lanes=[account.lane.value for account in accounts],
        models=[account.model for account in accounts],
        simulated=[account.simulated for account in accounts],
        completed=[tally.completed for tally in booked],
        failed=[tally.failed for tally in booked],
        **columns([tally.charge for tally in booked]),
    )
    for account, booking in zip(accounts, booked, strict=True):
        after_commit(connection, partial(metrics.billed, account, booking))


def columns(charges: Sequence[Charge]) -> dict[str, list[int]]:
    """The values of unnest's arrays `prompt`, `cached`, `completion` and `cost`."""
    return {
        "prompt": [charge.prompt_tokens for charge in charges],
        "cached": [charge.cached_tokens for charge in charges],
        "completion": [charge.completion_tokens for charge in charges],
        "cost": [charge.cost_nanos for charge in charges],
    }
