"""Stages of one large job, run by themselves: `python -m bench.stages PHASE DATABASE OPENAI LOTS`.

The phases are `fill`, `submit` and `collect`, in this order. The last two print what the stage took
as JSON: seconds, and bytes of memory at the peak above what was held before. Each is a process of
its own, so that its memory is that of the stage and of nothing else.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Final
from uuid import uuid4

import structlog
from sqlalchemy import Engine, text

from bench.simulators import wait_until_idle
from config import Config
from generation_service.clients.images import ImageProber
from generation_service.clients.openai_api import OpenAIClient
from generation_service.core.prompts import vision_tokens
from generation_service.db.engine import make_engine, migrate
from generation_service.pipeline import collect, pack, poll, submit
from generation_service.pipeline.resources import Beat, Resources

Stage = Callable[[Resources, Beat], bool]
PHOTOS: Final = 8
_KIB: Final = 1024
_OPENAI_SECONDS: Final = 600.0


def main() -> None:
    phase, database_url, openai_url, lots = *sys.argv[1:4], int(sys.argv[4])
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    engine = make_engine(database_url)
    if phase == "fill":
        migrate(engine)
        fill(engine, lots)
        return
    resources = _resources(engine, openai_url)
    if phase == "submit":
        _run(resources, pack.tick)
        measured = _run(resources, submit.tick)
        wait_until_idle(openai_url, time.monotonic() + _OPENAI_SECONDS)
        _run(resources, poll.tick)
    else:
        measured = _run(resources, collect.tick)
    print(json.dumps(measured | {"rows": _rows(engine)}))


def fill(engine: Engine, lots: int, webhook_url: str | None = None) -> None:
    """A job in three languages whose photos were found: every lot waits for its English."""
    job = uuid4()
    values = {
        "job": job,
        "lots": lots,
        "photos": PHOTOS,
        "tokens": vision_tokens(PHOTOS, None, "high"),
        "webhook_url": webhook_url,
    }
    with engine.begin() as connection:
        for statement in _FILL:
            connection.execute(text(statement), values)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def _resources(engine: Engine, openai_url: str) -> Resources:
    settings = Config(
        shared_key="a-key-for-benchmarks-of-32-characters",
        openai_base_url=openai_url,
        openai_poll_seconds=0.1,
        batch_linger_seconds=0,
    )
    return Resources(
        engine=engine,
        openai=OpenAIClient(api_key="none", base_url=openai_url),
        prober=ImageProber(allowed_private=frozenset()),
        settings=settings,
        deployment="bench",
    )


def _run(resources: Resources, stage: Stage) -> dict[str, float]:
    """Tick the stage until it finds nothing more to do."""
    before = _peak()
    began = time.perf_counter()
    while stage(resources, lambda: True):
        pass
    return {"seconds": time.perf_counter() - began, "bytes": _peak() - before}


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB


def _rows(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT kind || ' ' || status, count(*) FROM descriptions GROUP BY 1")
        )
        return {row[0]: row[1] for row in found}


_FILL: Final = (
    """
    INSERT INTO batch_jobs (id, client, status, version, languages, translations, lots_total,
                            lots_probed, images_total, images_completed)
    VALUES (:job, 'default', 'processing', '1.0.0', '{en,ru,de}', '{ru,de}', :lots, :lots,
            :lots * :photos, :lots * :photos)
    """,
    """
    INSERT INTO batch_lots (job_id, position, lot_id, additional_info, image_urls, missing_images,
                            status, webhook_url)
    SELECT :job, n, 'lot-' || n, 'Front bumper replaced in 2023, otherwise as it left the factory.',
           ARRAY(SELECT 'http://127.0.0.1:9/lots/' || n || '/' || repeat('0123456789', 6) || '-'
                        || photo || '.jpg' FROM generate_series(1, :photos) AS photo),
           '{}', 'processing', :webhook_url
    FROM generate_series(0, :lots - 1) AS n
    """,
    """
    INSERT INTO descriptions (job_id, lot, kind, language, estimated_tokens)
    SELECT job_id, id, 'vision', 'en', :tokens FROM batch_lots WHERE job_id = :job ORDER BY position
    """,
)


if __name__ == "__main__":
    main()
