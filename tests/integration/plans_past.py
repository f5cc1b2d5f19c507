"""A database with a past: every table that grows with use holds thousands of rows of ended work.

Most of it is other clients', none of it is work: what a stage or a request has to look at is as
rare among these rows as it is after years of use.
"""

from sqlalchemy import Engine, inspect, text

VALUES = {"large": 10, "small": 6_000, "lots": 500, "many": 10_000}
"""10 jobs of 500 lots and 6,000 of one; of what belongs to no job 10,000 rows."""
FILLED = 10
"""Per cent of each page: a scan then reads as many pages as it would with ten times the rows."""


def fill(engine: Engine) -> None:
    with engine.begin() as connection:
        for table in inspect(connection).get_table_names():
            connection.execute(text(f"ALTER TABLE {table} SET (fillfactor = {FILLED})"))
        for statement in _FILL:
            connection.execute(text(statement), VALUES)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


_FILL = (
    """
    INSERT INTO batch_jobs (id, client, status, version, languages, translations, lots_total,
                            lots_probed, lots_settled, lots_described, vision_completed,
                            translation_completed, created_at, run_started_at, completed_at)
    SELECT gen_random_uuid(), 'client-' || n % 20,
           CASE WHEN n % 50 = 0 THEN 'failed' WHEN n % 51 = 0 THEN 'cancelled' ELSE 'completed' END,
           '1.0.0', '{en,ru,de}', '{ru,de}', lots, lots, lots, lots, lots, 2 * lots, at, at,
           at + interval '2 minutes'
    FROM (SELECT n, CASE WHEN n <= :large THEN :lots ELSE 1 END AS lots,
                 now() - make_interval(mins => n) AS at
          FROM generate_series(1, :large + :small) AS n) job
    """,
    """
    INSERT INTO batch_lots (job_id, position, lot_id, image_urls, missing_images, status,
                            webhook_url, error_code, error_message)
    SELECT j.id, n, 'lot-' || n, '{http://photos.example/1.jpg}', '{}', s.status,
           'http://receiver.example/hook', s.error, s.error
    FROM batch_jobs j CROSS JOIN LATERAL generate_series(0, j.lots_total - 1) AS n
    CROSS JOIN LATERAL (
        SELECT CASE WHEN n % 200 = 199 THEN 'failed' ELSE 'completed' END AS status,
               CASE WHEN n % 200 = 199 THEN 'openai_refused' END AS error
    ) s
    """,
    """
    INSERT INTO image_probes (job_id, url_hash, reachable)
    SELECT job_id, CAST(md5(CAST(id AS text)) AS uuid), true FROM batch_lots
    """,
    """
    INSERT INTO openai_batches (id, kind, model, status, openai_status, openai_id, requests,
                                submitted_at, settled_at, created_at, input_file_deleted_at)
    SELECT gen_random_uuid(), CASE n % 2 WHEN 0 THEN 'vision' ELSE 'translation' END, 'gpt',
           'settled', 'completed', 'batch_past_' || n, 1, at, at, at, at
    FROM (SELECT n, now() - make_interval(mins => n) AS at
          FROM generate_series(1, 2 * (:large + :small)) AS n) batch
    """,
    """
    INSERT INTO job_openai_batches (job_id, openai_batch, requests, completed)
    SELECT j.id, b.id, 1, 1
    FROM (SELECT id, row_number() OVER (ORDER BY created_at) AS n FROM batch_jobs) j
    JOIN (SELECT id, (row_number() OVER (ORDER BY created_at) + 1) / 2 AS n
          FROM openai_batches) b USING (n)
    """,
    """
    INSERT INTO descriptions (job_id, lot, kind, language, status, attempt, estimated_tokens,
                              openai_batch, damages)
    SELECT l.job_id, l.id, b.kind, language, 'completed', 1, 1, b.id, '<p>A dent.</p>'
    FROM batch_lots l JOIN job_openai_batches s ON s.job_id = l.job_id
    JOIN openai_batches b ON b.id = s.openai_batch
    CROSS JOIN LATERAL unnest(
        CASE b.kind WHEN 'vision' THEN ARRAY['en'] ELSE ARRAY['ru', 'de'] END
    ) AS language
    """,
    """
    INSERT INTO webhook_deliveries (batch_job_id, client, run, webhook_url, host, part, parts,
                                    first_position, last_position, status, attempt_count,
                                    last_attempt_at, next_attempt_at, delivered_at)
    SELECT j.id, j.client, 1, 'http://receiver.example/hook', 'receiver.example:80', n, 2, 0, 499,
           'delivered', 1, now(), NULL, now()
    FROM batch_jobs j, generate_series(1, 2) AS n
    """,
    """
    INSERT INTO webhook_attempts (delivery_id, attempt, at, status_code, duration_ms)
    SELECT id, 1, now(), 200, 10 FROM webhook_deliveries
    """,
    """
    INSERT INTO webhook_endpoints (client, url)
    SELECT 'client-' || n % 20, 'http://receiver.example/' || n
    FROM generate_series(1, :many) AS n
    """,
    """
    INSERT INTO idempotency_keys (client, key, body_hash, state, job_id, status_code, answer,
                                  expires_at)
    SELECT client, id, repeat('0', 64), 'done', id, 201, '{}', now() + interval '1 day'
    FROM batch_jobs
    """,
    """
    INSERT INTO seen_signatures (client, signature, key)
    SELECT 'client-' || n % 20, md5(CAST(n AS text)), n FROM generate_series(1, :many) AS n
    """,
    """
    INSERT INTO openai_events (id, type) SELECT 'wh_past_' || n, 'batch.completed'
    FROM generate_series(1, :many) AS n
    """,
    """
    INSERT INTO rate_limit_windows (key, window_start, hits)
    SELECT 'bad-signature:address ' || n, date_trunc('minute', now()), 1
    FROM generate_series(1, :many) AS n
    """,
    """
    INSERT INTO usage_hours (hour, client, kind, lane, model, simulated, completed)
    SELECT date_trunc('hour', now()) - make_interval(hours => n / 20), 'client-' || n % 20,
           'vision', 'batch', 'gpt', false, 1
    FROM generate_series(20, :many) AS n
    """,
    """
    INSERT INTO openai_error_hours (hour, api, code, errors)
    SELECT date_trunc('hour', now()) - make_interval(hours => n / 20), 'batches', n, 1
    FROM generate_series(20, 20 * 24 * 30) AS n
    """,
    """
    INSERT INTO queue_samples (at, queue, depth)
    SELECT date_trunc('minute', now()) - make_interval(mins => n), queue, 1
    FROM generate_series(1, 60 * 24 * 7) AS n, unnest(ARRAY['vision', 'translation']) AS queue
    """,
    """
    INSERT INTO admin_sessions (id, expires_at)
    SELECT gen_random_uuid(), now() + interval '1 hour' FROM generate_series(1, :many)
    """,
)
