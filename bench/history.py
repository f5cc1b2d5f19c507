"""A database with a past: a million lots of jobs that have ended, and all the texts of one."""

from typing import Final
from uuid import UUID

from sqlalchemy import Engine, text

LARGE_JOBS: Final = 20
SMALL_JOBS: Final = 10_000
LANGUAGES: Final = ("en", "ru", "de")


def fill(engine: Engine, lots: int) -> list[UUID]:
    """20 jobs of `lots` lots (the first has texts in three languages) and 10,000 of two lots.

    Returns the ids of the large ones.
    """
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        found = connection.execute(text(_JOBS), {"jobs": LARGE_JOBS, "lots": lots})
        large = [row.id for row in found]
        connection.execute(text(_JOBS), {"jobs": SMALL_JOBS, "lots": 2})
        connection.execute(text(_LOTS))
        connection.execute(text(_TEXTS), {"job": large[0]})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))
        connection.execute(text("RESET statement_timeout"))
    return large


_JOBS: Final = """
    INSERT INTO batch_jobs (id, client, status, version, languages, translations, lots_total,
                            lots_probed, lots_settled, lots_described, images_total,
                            images_completed, vision_completed, translation_completed, created_at,
                            completed_at)
    SELECT gen_random_uuid(), 'default', 'completed', '1.0.0', '{en,ru,de}', '{ru,de}', :lots,
           :lots, :lots, :lots, :lots * 8, :lots * 8, :lots, :lots * 2,
           now() - make_interval(mins => n), now()
    FROM generate_series(1, :jobs) AS n
    RETURNING id
"""
_LOTS: Final = """
    INSERT INTO batch_lots (job_id, position, lot_id, additional_info, image_urls, missing_images,
                            status)
    SELECT j.id, n, 'lot-' || n, 'Front bumper replaced in 2023, otherwise as it left the factory.',
           ARRAY['http://127.0.0.1:9/lots/' || n || '.jpg'],
           CASE WHEN n % 10 = 0 THEN ARRAY['http://127.0.0.1:9/lots/' || n || '.jpg']
                ELSE '{}' END, 'completed'
    FROM batch_jobs j CROSS JOIN LATERAL generate_series(0, j.lots_total - 1) AS n
    WHERE NOT EXISTS (SELECT FROM batch_lots l WHERE l.job_id = j.id)
"""
# The English of all lots was there before the first translation: so the rows lie on the disk.
_TEXTS: Final = """
    INSERT INTO descriptions (job_id, lot, kind, language, status, estimated_tokens, damages,
                              model, generated_by)
    SELECT l.job_id, l.id, CASE t.language WHEN 'en' THEN 'vision' ELSE 'translation' END,
           t.language, 'completed', 5000,
           '<p>' || l.lot_id || '</p><ul>' || repeat('<li>' || t.words || '</li>', 6) || '</ul>',
           'bench', 'bench'
    FROM batch_lots l CROSS JOIN (VALUES
        ('en', 'Front bumper: a dent and deep scratches on the "left" side, paint missing.'),
        ('de', 'Stoßstange vorn: eine Delle und tiefe Kratzer auf der linken Seite, Lack fehlt.'),
        ('ru', 'Передний бампер: вмятина и глубокие царапины слева, краска отсутствует.')
    ) AS t (language, words)
    WHERE l.job_id = :job ORDER BY t.language <> 'en', l.id, t.language
"""
