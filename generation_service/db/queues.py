"""How much work waits, and for how long.

What waits is told by the counters of the jobs under way, not by counting rows: it costs the same
for a thousand lots as for a million.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from generation_service.db.statements import changed, rows

MOST_COUNTED: Final = 100_000
"""Deliveries, and jobs: of more the rest is left out, so that looking never takes long."""


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits: `oldest_seconds` is the age of the first in it, None of an empty one.

    images: lots whose photos are to be probed. vision, translation: requests to be put to OpenAI,
    those too whose OpenAI batch it has not taken yet. openai_vision, openai_translation: those that
    are in OpenAI's hands. deliveries: webhooks that
    are due or will be tried again. paused: those whose endpoint is paused.
    """

    name: str
    depth: int
    oldest_seconds: float | None


def queues(connection: Connection) -> list[Queue]:
    """Every queue as it is now, the empty ones too; one statement."""
    found = rows(connection, _QUEUES, most=MOST_COUNTED)
    return [Queue(row.name, row.depth, row.oldest_seconds) for row in found]


# A request at OpenAI is in an open OpenAI batch and unanswered; one that is called directly counts
# as waiting until it is answered. Jobs are few, and their counters are always true. A delivery that
# is sent again on demand may be months old: it waits since it was due.
_QUEUES: Final = """
    WITH job AS MATERIALIZED (
        SELECT id, run_started_at, lots_total - lots_probed AS images,
               greatest(lots_probed - vision_completed - vision_failed, 0) AS vision,
               greatest((vision_completed + vision_failed) * cardinality(translations)
                        - translation_completed - translation_failed, 0) AS translation
        FROM batch_jobs WHERE status IN ('pending', 'processing', 'translating')
        ORDER BY created_at LIMIT :most
    ), at_openai AS MATERIALIZED (
        SELECT b.kind, s.job_id, b.status IN ('building', 'uploaded') AS untaken,
               sum(greatest(s.requests - s.completed - s.failed, 0)) AS requests,
               min(b.created_at) AS since
        FROM openai_batches b JOIN job_openai_batches s ON s.openai_batch = b.id
        WHERE b.status <> 'settled' GROUP BY b.kind, s.job_id, untaken
    ), waiting AS (
        SELECT k.kind, j.id, j.run_started_at,
               greatest(CASE k.kind WHEN 'vision' THEN j.vision ELSE j.translation END
                        - coalesce(o.requests, 0), 0) AS requests
        FROM job j CROSS JOIN (VALUES ('vision'), ('translation')) AS k (kind)
        LEFT JOIN (
            SELECT kind, job_id, sum(requests) AS requests FROM at_openai GROUP BY kind, job_id
        ) o ON o.kind = k.kind AND o.job_id = j.id
    ), delivery AS MATERIALIZED (
        SELECT CASE WHEN next_attempt_at IS NULL THEN 'paused' ELSE 'deliveries' END AS name,
               CASE WHEN attempts_before = 0 THEN created_at
                    ELSE coalesce(next_attempt_at, last_attempt_at) END AS since
        FROM webhook_deliveries WHERE status = 'pending' LIMIT :most
    ), queue AS (
        SELECT 'images' AS name, images AS depth, run_started_at AS since FROM job WHERE images > 0
        UNION ALL
        SELECT w.kind, w.requests, coalesce(first.available_at, w.run_started_at)
        FROM waiting w LEFT JOIN LATERAL (
            SELECT available_at FROM descriptions d
            WHERE (d.kind, d.job_id) >= (w.kind, w.id) AND (d.kind, d.job_id) <= (w.kind, w.id)
              AND d.status = 'queued' ORDER BY d.kind, d.job_id, d.id LIMIT 1
        ) first ON true
        WHERE w.requests > 0
        UNION ALL
        SELECT CASE WHEN untaken THEN kind ELSE 'openai_' || kind END, requests, since
        FROM at_openai WHERE requests > 0
        UNION ALL
        SELECT name, count(*), min(since) FROM delivery GROUP BY name
    )
    SELECT known.name, CAST(coalesce(sum(q.depth), 0) AS bigint) AS depth,
           CAST(extract(epoch FROM now() - least(min(q.since), now())) AS float8)
               * CASE WHEN count(q.since) > 0 THEN 1 END AS oldest_seconds
    FROM (VALUES ('images'), ('vision'), ('openai_vision'), ('translation'),
                 ('openai_translation'), ('deliveries'), ('paused')) AS known (name)
    LEFT JOIN queue q ON q.name = known.name
    GROUP BY known.name ORDER BY known.name
"""


def jobs_under_way(connection: Connection) -> Mapping[str, int]:
    """How many jobs are pending, processing and translating."""
    found = rows(
        connection,
        """
        SELECT known.status, count(j.status) AS jobs
        FROM (VALUES ('pending'), ('processing'), ('translating')) AS known (status)
        LEFT JOIN batch_jobs j ON j.status = known.status
             AND j.status IN ('pending', 'processing', 'translating')
        GROUP BY known.status
        """,
    )
    return {row.status: row.jobs for row in found}


def openai_batches_under_way(connection: Connection) -> list[tuple[str, str, int]]:
    """How many OpenAI batches are open, by kind and by our status."""
    found = rows(
        connection,
        """
        SELECT known.kind, status.status, count(b.id) AS batches
        FROM (VALUES ('vision'), ('translation')) AS known (kind)
        CROSS JOIN (VALUES ('building'), ('uploaded'), ('submitted'), ('collecting'))
             AS status (status)
        LEFT JOIN openai_batches b ON b.kind = known.kind AND b.status = status.status
             AND b.status <> 'settled'
        GROUP BY known.kind, status.status ORDER BY known.kind, status.status
        """,
    )
    return [(row.kind, row.status, row.batches) for row in found]


def sample(connection: Connection) -> int:
    """Record every queue, unless another process has done so this minute; returns how many."""
    taken = "SELECT FROM queue_samples WHERE at = date_trunc('minute', now()) LIMIT 1"
    if rows(connection, taken):
        return 0
    return changed(
        connection,
        f"""
        INSERT INTO queue_samples (at, queue, depth, oldest_seconds)
        SELECT date_trunc('minute', now()), name, depth, oldest_seconds FROM ({_QUEUES}) q
        ON CONFLICT DO NOTHING
        """,  # noqa: S608 - a constant
        most=MOST_COUNTED,
    )
