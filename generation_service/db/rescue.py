"""New runs for requests that failed although OpenAI holds their answers: back to their batch.

Unlike a retry (`reruns`) nothing is asked again: the requests become submitted to the OpenAI batch
that they still belong to, and the batch is collected once more.
"""

from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.openai_batch import BatchState
from generation_service.core.rescue import Asked
from generation_service.core.status import (
    DESCRIPTION_RETRY_SOURCES,
    JOB_RETRY_SOURCES,
    LOT_RETRY_SOURCES,
    OPENAI_BATCH_RETRY_SOURCES,
    DescriptionStatus,
    JobStatus,
    LotStatus,
    OpenAIBatchStatus,
)
from generation_service.db.openai_batches import state_fields
from generation_service.db.reruns import COUNT_BACK
from generation_service.db.statements import changed, rows, sources


def asked(connection: Connection, openai_batch: UUID, ids: Collection[int]) -> Mapping[int, Asked]:
    """Return how the requests stand that exist, by id."""
    found = rows(
        connection,
        """
        SELECT d.id, d.attempt, d.status, j.status AS job_status,
               d.openai_batch IS NOT DISTINCT FROM CAST(:openai_batch AS uuid) AS here
        FROM descriptions d JOIN batch_jobs j ON j.id = d.job_id
        WHERE d.id = ANY(CAST(:ids AS bigint[]))
        """,
        openai_batch=openai_batch,
        ids=sorted(ids),
    )
    return {row.id: Asked(row.attempt, row.status, row.job_status, row.here) for row in found}


def begin_runs(connection: Connection, openai_batch: UUID, ids: Collection[int]) -> dict[UUID, int]:
    """Begin a new run of each job with those of its requests; return the jobs' runs.

    Requests that no longer belong to the OpenAI batch, or whose job goes on or was cancelled, are
    left alone. Call it with the jobs locked (`jobs.lock`).
    """
    begun = rows(
        connection,
        _BEGIN_RUNS,
        openai_batch=openai_batch,
        ids=sorted(ids),
        jobs=sources(JOB_RETRY_SOURCES, JobStatus.PROCESSING),
        lots=sources(LOT_RETRY_SOURCES, LotStatus.PROCESSING),
        descriptions=sources(DESCRIPTION_RETRY_SOURCES, DescriptionStatus.SUBMITTED),
    )
    return {row.id: row.run for row in begun}


# All parts see the rows as they were before. Photos stay as they were probed.
_BEGIN_RUNS: Final = (
    """
    WITH chosen AS MATERIALIZED (
        SELECT d.id, d.lot, d.job_id, d.kind FROM descriptions d
        JOIN batch_lots l ON l.id = d.lot JOIN batch_jobs j ON j.id = d.job_id
        WHERE d.id = ANY(CAST(:ids AS bigint[])) AND d.openai_batch = :openai_batch
          AND d.status = ANY(CAST(:descriptions AS text[]))
          AND l.status = ANY(CAST(:lots AS text[])) AND j.status = ANY(CAST(:jobs AS text[]))
    ), failed AS MATERIALIZED (
        SELECT c.lot, c.job_id, bool_or(c.kind = 'vision') AS hopeless,
               count(*) FILTER (WHERE c.kind = 'translation') AS failed_translations,
               EXISTS (SELECT FROM descriptions d JOIN batch_jobs j ON j.id = d.job_id
                       WHERE d.lot = c.lot AND d.status = 'completed' AND (d.kind = 'translation'
                           OR cardinality(j.languages) > cardinality(j.translations))) AS described
        FROM chosen c GROUP BY c.lot, c.job_id
    ), back AS (
        SELECT job_id, count(*) AS lots, count(*) FILTER (WHERE described) AS described,
               count(*) FILTER (WHERE hopeless) AS hopeless,
               sum(failed_translations) AS failed_translations,
               0 AS probed, 0 AS missing, 0 AS reachable
        FROM failed GROUP BY job_id
    ), submitted AS (
        UPDATE descriptions d SET status = 'submitted', lane = 'batch',
               error_code = NULL, error_message = NULL
        FROM chosen c WHERE d.id = c.id
    ), reset AS (
        UPDATE batch_lots l
        SET status = CASE WHEN f.hopeless THEN 'processing' ELSE 'translating' END,
            error_code = NULL, error_message = NULL
        FROM failed f WHERE l.id = f.lot
    ), shares AS (
        UPDATE job_openai_batches s SET failed = s.failed - gone.requests
        FROM (SELECT job_id, count(*) AS requests FROM chosen GROUP BY job_id) gone
        WHERE s.openai_batch = :openai_batch AND s.job_id = gone.job_id
    )
    """  # noqa: S608 - two constants
    + COUNT_BACK
    + "RETURNING j.id, j.run"
)


def reopen(connection: Connection, openai_batch: UUID, state: BatchState) -> bool:
    """Have a settled OpenAI batch collected once more; False when it isn't settled."""
    return bool(
        changed(
            connection,
            """
            UPDATE openai_batches SET status = 'collecting', settled_at = NULL, tries = 0,
                   next_try_at = now(), lease_token = NULL, lease_expires_at = NULL,
                   openai_id = :openai_id, openai_status = :openai_status,
                   output_file_id = :output_file_id, error_file_id = :error_file_id
            WHERE id = :id AND coalesce(openai_id, :openai_id) = :openai_id
              AND status = ANY(CAST(:sources AS text[]))
            """,
            id=openai_batch,
            openai_id=state.id,
            sources=sources(OPENAI_BATCH_RETRY_SOURCES, OpenAIBatchStatus.COLLECTING),
            **state_fields(state),
        )
    )
