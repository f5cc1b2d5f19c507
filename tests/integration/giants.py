"""A giant job, put straight into the database: accepting and probing it is not the point."""

from uuid import UUID, uuid4

from generation_service.core.status import Kind
from tests.integration.stages import Stages

LANGUAGES = ["de", "fr", "ru"]
TOKENS = 1_000  # estimated, of each request

_JOB = """
    INSERT INTO batch_jobs (id, client, status, version, languages, translations, lots_total,
                            lots_probed, images_total, images_completed, vision_completed)
    VALUES ('{job}', '{client}', '{status}', '1.0.0', '{{{languages}}}', '{{{languages}}}', {lots},
            {lots}, {lots}, {lots}, {described})
"""
_LOTS = """
    INSERT INTO batch_lots (job_id, position, lot_id, image_urls, missing_images, status)
    SELECT '{job}', n, 'lot-' || n, ARRAY['http://photos.example/' || n || '.jpg'], '{{}}',
           '{status}'
    FROM generate_series(0, {lots} - 1) AS n
"""
_VISION = """
    INSERT INTO descriptions (job_id, lot, kind, language, estimated_tokens, status, damages)
    SELECT job_id, id, 'vision', 'en', {tokens}, '{status}', '<p>Dent on ' || lot_id || '.</p>'
    FROM batch_lots WHERE job_id = '{job}'
"""
_TRANSLATIONS = """
    INSERT INTO descriptions (job_id, lot, kind, language, estimated_tokens)
    SELECT job_id, id, 'translation', tag, {tokens}
    FROM batch_lots CROSS JOIN unnest('{{{languages}}}'::text[]) AS tag WHERE job_id = '{job}'
"""


def giant(world: Stages, lots: int, waiting: Kind = Kind.VISION, client: str = "giant") -> UUID:
    """A job with so many lots, all of whose requests of this kind are queued."""
    described = waiting is Kind.TRANSLATION
    values = {
        "job": uuid4(),
        "client": client,
        "lots": lots,
        "languages": ",".join(LANGUAGES),
        "described": lots if described else 0,
        "tokens": TOKENS,
    }
    job_status = "translating" if described else "processing"
    world.execute(_JOB.format(**values, status=job_status))
    world.execute(_LOTS.format(**values, status=job_status))
    world.execute(_VISION.format(**values, status="completed" if described else "queued"))
    if described:
        world.execute(_TRANSLATIONS.format(**values))
    world.execute("ANALYZE")
    return UUID(str(values["job"]))
