"""What must balance whatever happens, read from the tables behind the back of the code."""

from typing import Any

from tests.integration.stages import Stages

TIME_PASSES = (
    *(
        f"UPDATE {table} SET lease_expires_at = now() - interval '1 second'"
        " WHERE lease_expires_at > now()"
        for table in ("openai_batches", "batch_lots", "webhook_deliveries", "image_probes")
    ),
    (
        "UPDATE descriptions SET lease_expires_at = now() - interval '1 second'"
        " WHERE lease_expires_at > now()"
    ),
    "UPDATE openai_batches SET next_try_at = now() WHERE next_try_at > now()",
    (
        "UPDATE descriptions SET available_at = now()"
        " WHERE available_at > now() AND available_at <> 'infinity'"
    ),
    (
        "UPDATE webhook_deliveries SET next_attempt_at = now()"
        " WHERE status = 'pending' AND next_attempt_at > now()"
    ),
    "UPDATE model_limits SET paused_until = now() WHERE paused_until > now()",
)
"""Every lease, pause and delay is over; 'infinity' waits for an event, not for a time."""

WRONG_COUNTERS = """
    SELECT j.id, j.status, j.lots_total, j.lots_settled, l.*, j.vision_completed,
           j.translation_completed, d.*
    FROM batch_jobs j,
    LATERAL (
        SELECT count(*) AS lots,
               count(*) FILTER (WHERE status IN ('completed', 'failed', 'cancelled')) AS settled,
               count(*) FILTER (WHERE status = 'failed') AS failed
        FROM batch_lots WHERE job_id = j.id
    ) l,
    LATERAL (
        SELECT count(*) FILTER (WHERE kind = 'vision' AND status = 'completed') AS vision,
               count(*) FILTER (WHERE kind = 'translation' AND status = 'completed') AS translation
        FROM descriptions WHERE job_id = j.id
    ) d
    WHERE (j.lots_total, j.lots_settled, j.lots_failed, j.vision_completed, j.translation_completed)
          <> (l.lots, l.settled, l.failed, d.vision, d.translation)
       OR (j.completed_at IS NOT NULL) <> (l.settled = l.lots)
       OR (j.completed_at IS NOT NULL) <> (j.status IN ('completed', 'failed', 'cancelled'))
"""

_MONEY = "prompt_tokens, cached_tokens, completion_tokens, cost_nanos"
_SUMS = ", ".join(f"coalesce(sum({name}), 0) AS {name}" for name in _MONEY.split(", "))
WRONG_MONEY = f"""
    SELECT 'job ' || j.id AS what, {_MONEY}, d.*
    FROM batch_jobs j, LATERAL (
        SELECT {", ".join(f"coalesce(sum({name}), 0)" for name in _MONEY.split(", "))},
               count(*) FILTER (WHERE generated_by = 'simulator')
        FROM descriptions WHERE job_id = j.id
    ) d (prompt, cached, completion, cost, simulated)
    WHERE ({_MONEY}, texts_simulated) <> (d.prompt, d.cached, d.completion, d.cost, d.simulated)
    UNION ALL
    SELECT 'client ' || jobs.client, jobs.prompt_tokens, jobs.cached_tokens,
           jobs.completion_tokens, jobs.cost_nanos, hours.prompt_tokens, hours.cached_tokens,
           hours.completion_tokens, hours.cost_nanos, 0
    FROM (SELECT client, {_SUMS} FROM batch_jobs GROUP BY client) jobs
    LEFT JOIN (
        SELECT client, {_SUMS} FROM usage_hours WHERE lane <> 'sync' GROUP BY client
    ) hours USING (client)
    WHERE (jobs.prompt_tokens, jobs.cached_tokens, jobs.completion_tokens, jobs.cost_nanos)
          <> (coalesce(hours.prompt_tokens, 0), coalesce(hours.cached_tokens, 0),
              coalesce(hours.completion_tokens, 0), coalesce(hours.cost_nanos, 0))
"""
"""Jobs that were not billed what their requests were, and clients not what their jobs were."""

BOOKED = """
    SELECT coalesce(sum(prompt_tokens), 0) AS prompt,
           coalesce(sum(completion_tokens), 0) AS completion FROM usage_hours
"""

ATTEMPTS = """
    SELECT d.id, d.attempt_count, d.attempts_before, count(a.attempt) AS recorded
    FROM webhook_deliveries d LEFT JOIN webhook_attempts a ON a.delivery_id = d.id GROUP BY d.id
"""

UNFINISHED = """
    SELECT 'job' AS what, id::text, status FROM batch_jobs WHERE completed_at IS NULL
    UNION ALL
    SELECT 'openai batch', id::text, status FROM openai_batches WHERE status <> 'settled'
    UNION ALL
    SELECT 'delivery', d.id::text, d.status FROM webhook_deliveries d
    LEFT JOIN webhook_endpoints e ON (e.client, e.url) = (d.client, d.webhook_url)
    WHERE d.status = 'pending' AND e.paused_at IS NULL
"""

UNANSWERED = """
    SELECT l.job_id, l.lot_id, l.status, l.error_code FROM batch_lots l
    JOIN batch_jobs j ON j.id = l.job_id
    WHERE l.status = 'completed' AND EXISTS (
        SELECT FROM unnest(j.languages) AS language WHERE NOT EXISTS (
            SELECT FROM descriptions d
            WHERE d.lot = l.id AND d.language = language AND d.status = 'completed'))
       OR l.status = 'failed' AND l.error_code IS NULL
"""
"""Completed lots that lack a language, and failed ones without a reason."""

_ENDED = """
    SELECT 'job ' || id AS key, ARRAY[status, completed_at::text, error_message] AS value
    FROM batch_jobs WHERE completed_at IS NOT NULL
    UNION ALL
    SELECT 'lot ' || id, ARRAY[status, error_code, error_message, missing_images::text]
    FROM batch_lots WHERE status IN ('completed', 'failed', 'cancelled')
    UNION ALL
    SELECT 'description ' || id, ARRAY[status, damages, error_code]
    FROM descriptions WHERE status IN ('completed', 'failed', 'cancelled')
    UNION ALL
    SELECT 'delivery ' || id, ARRAY[status, attempt_count::text, delivered_at::text]
    FROM webhook_deliveries WHERE status IN ('delivered', 'failed')
"""


def ended(world: Stages) -> dict[object, Any]:
    """Everything in a terminal state, with what may not change any more."""
    return {row["key"]: row["value"] for row in world.rows(_ENDED)}
