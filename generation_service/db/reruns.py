"""New runs of jobs that have ended: what failed is put back to where it went wrong.

A lot without its English goes back to the probing of its photos; one that has it, to those of its
languages that failed. What they had added to the job's counters is taken back in the same
statement, so that the counters stay what the rows add up to.
"""

from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.limits import ATTEMPT_NUMBERS_A_RUN
from generation_service.core.status import (
    DESCRIPTION_RETRY_SOURCES,
    JOB_RETRY_SOURCES,
    LOT_RETRY_SOURCES,
    DescriptionStatus,
    JobStatus,
    LotStatus,
)
from generation_service.db.statements import rows, sources

_LOTS: Final = 1_000  # of 500 photos and 200 languages: a statement of a few seconds


def begin(connection: Connection, job_id: UUID) -> bool:
    """Begin a new run with what failed; False when nothing did or the job has not ended so.

    Call it with the job locked (`jobs.lock`).
    """
    job_sources = sources(JOB_RETRY_SOURCES, JobStatus.PENDING)
    ended = "SELECT FROM batch_jobs WHERE id = :id AND status = ANY(CAST(:jobs AS text[]))"
    if not rows(connection, ended, id=job_id, jobs=job_sources):
        return False
    last = -1
    while put_back := rows(
        connection,
        _PUT_BACK,
        job_id=job_id,
        after=last,
        limit=_LOTS,
        numbers=ATTEMPT_NUMBERS_A_RUN,
        jobs=job_sources,
        lots=sources(LOT_RETRY_SOURCES, LotStatus.PENDING),
        descriptions=sources(DESCRIPTION_RETRY_SOURCES, DescriptionStatus.QUEUED),
    ):
        last = put_back[0].last
    return last >= 0


COUNT_BACK: Final = """
    UPDATE batch_jobs j SET
        status = CASE
            WHEN vision_completed + vision_failed - back.hopeless = lots_total THEN 'translating'
            WHEN lots_probed > back.probed THEN 'processing' ELSE 'pending' END,
        run = run + CAST(status = ANY(CAST(:jobs AS text[])) AS int),
        run_started_at = now(), updated_at = now(),
        completed_at = NULL, error_message = NULL,
        lots_settled = lots_settled - back.lots, lots_failed = lots_failed - back.lots,
        lots_described = lots_described - back.described, lots_probed = lots_probed - back.probed,
        images_failed = images_failed - back.missing,
        images_completed = images_completed - back.reachable,
        vision_failed = vision_failed - back.hopeless,
        translation_failed = translation_failed - back.failed_translations
            - back.hopeless * cardinality(translations)
    FROM back WHERE j.id = back.job_id
"""
"""Ends a statement that puts failed work back: `back` has, by job, what the counters lose.

A job that had ended (`jobs` are those states) begins a new run with it.
"""

# All parts see the rows as they were before. A vision request is held until the photos have been
# probed; the claims of a process that was paused in the last run are void.
_PUT_BACK: Final = (
    """
    WITH failed AS MATERIALIZED (
        SELECT l.id, l.job_id, l.position, l.image_urls, coalesce(d.english, false) AS english,
               cardinality(l.image_urls) AS images, cardinality(l.missing_images) AS missing,
               coalesce(d.failed, 0) AS failed_translations,
               coalesce(d.described, false) AS described
        FROM batch_lots l JOIN batch_jobs j ON j.id = l.job_id LEFT JOIN LATERAL (
            SELECT bool_or(kind = 'vision' AND status = 'completed') AS english,
                   count(*) FILTER (WHERE kind = 'translation' AND status = 'failed') AS failed,
                   bool_or(status = 'completed' AND (kind = 'translation'
                       OR cardinality(j.languages) > cardinality(j.translations))) AS described
            FROM descriptions WHERE lot = l.id
        ) d ON true
        WHERE l.job_id = :job_id AND l.status = ANY(CAST(:lots AS text[])) AND position > :after
        ORDER BY position LIMIT :limit
    ), back AS (
        SELECT job_id, count(*) AS lots, count(*) FILTER (WHERE described) AS described,
               count(*) FILTER (WHERE NOT english) AS hopeless,
               count(missing) FILTER (WHERE NOT english) AS probed,
               coalesce(sum(missing) FILTER (WHERE NOT english), 0) AS missing,
               coalesce(sum(images - missing) FILTER (WHERE NOT english), 0) AS reachable,
               coalesce(sum(failed_translations), 0) AS failed_translations
        FROM failed GROUP BY job_id
    ), forgotten AS (
        DELETE FROM image_probes p USING (
            SELECT DISTINCT CAST(md5(convert_to(url, 'UTF8')) AS uuid) AS hash
            FROM failed CROSS JOIN LATERAL unnest(image_urls) AS url WHERE NOT english
        ) named
        WHERE p.job_id = :job_id AND p.url_hash = named.hash
    ), queued AS (
        UPDATE descriptions d SET status = 'queued', openai_batch = NULL, lane = 'batch',
               attempt = (d.attempt + :numbers - 1) / :numbers * :numbers, larger = false,
               available_at = CASE WHEN f.english THEN now() ELSE 'infinity' END,
               lease_token = NULL, lease_expires_at = NULL, error_code = NULL, error_message = NULL
        FROM failed f WHERE d.lot = f.id AND d.status = ANY(CAST(:descriptions AS text[]))
    ), reset AS (
        UPDATE batch_lots l
        SET status = CASE WHEN f.english THEN 'translating' ELSE 'pending' END,
            missing_images = CASE WHEN f.english THEN l.missing_images END, reprobe = false,
            error_code = NULL, error_message = NULL, lease_token = NULL, lease_expires_at = NULL
        FROM failed f WHERE l.id = f.id
    )
    """  # noqa: S608 - two constants
    + COUNT_BACK
    + "RETURNING (SELECT max(position) FROM failed) AS last"
)
