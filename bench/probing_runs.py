"""What is compared: `python -m bench.probing_runs WHAT DATABASE LOTS PORT…`.

Both, `stage` and `floor`, print the seconds they took as JSON. The stage also prints the bytes of
memory that its process held at the peak above what it held before.
"""

import json
import resource
import sys
import time
from collections.abc import Sequence
from typing import Final
from uuid import uuid4

import structlog
from sqlalchemy import Engine, text

from bench.photos import LOOPBACK
from bench.transfers import fetch_all
from config import Config
from generation_service.clients.images import FIRST_BYTES, ImageProber
from generation_service.clients.openai_api import OpenAIClient
from generation_service.clients.resolver import Resolver
from generation_service.db.engine import make_engine, migrate
from generation_service.pipeline import probe
from generation_service.pipeline.resources import Resources

PHOTOS: Final = 8
KEY: Final = "a-key-for-benchmarks-of-32-characters"
_KIB: Final = 1024


def main() -> None:
    what, database, lots, *ports = sys.argv[1:]
    if what == "floor":
        measured = floor([int(port) for port in ports], int(lots))
    else:
        measured = stage(database, [int(port) for port in ports], int(lots))
    print(json.dumps(measured))


def stage(database: str, ports: Sequence[int], lots: int) -> dict[str, float]:
    """Tick the stage until nothing is left of a job whose photos are spread over the hosts."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    engine = make_engine(database)
    migrate(engine)
    _fill(engine, ports, lots)
    hosts = frozenset((f"photos{port}.test", port) for port in ports)
    resources = Resources(
        engine=engine,
        openai=OpenAIClient(api_key="none", base_url="http://127.0.0.1:1/v1"),
        prober=ImageProber(allowed_private=hosts, resolver=Resolver(lambda _name: [LOOPBACK])),
        settings=Config(shared_key=KEY, allowed_private_hosts=hosts),
        deployment="bench",
    )
    before, began = _peak(), time.perf_counter()
    while probe.tick(resources, lambda: True):
        pass
    seconds = time.perf_counter() - began
    with engine.connect() as connection:
        found = connection.execute(text("SELECT images_completed FROM batch_jobs")).scalar_one()
    if found != lots * PHOTOS:
        raise RuntimeError(f"{found} photos were found")
    return {"seconds": seconds, "bytes": _peak() - before}


def _fill(engine: Engine, ports: Sequence[int], lots: int) -> None:
    values = {"job": uuid4(), "lots": lots, "photos": PHOTOS, "ports": list(ports)}
    with engine.begin() as connection:
        for statement in _FILL:
            connection.execute(text(statement), values)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB


def floor(ports: Sequence[int], lots: int) -> dict[str, float]:
    """The same paths, as many at once, and nothing else: no names, no rules, no rows."""
    urls = [
        f"http://{LOOPBACK}:{ports[(lot * PHOTOS + photo) % len(ports)]}{_path(lot, photo)}"
        for lot in range(lots)
        for photo in range(1, PHOTOS + 1)
    ]
    began = time.perf_counter()
    fetch_all(urls, FIRST_BYTES)
    return {"seconds": time.perf_counter() - began}


def _path(lot: int, photo: int) -> str:
    return f"/lots/{lot}/{'0123456789' * 6}-{photo}.jpg"


_FILL: Final = (
    """
    INSERT INTO batch_jobs (id, client, status, version, languages, translations, lots_total,
                            images_total)
    VALUES (:job, 'default', 'pending', '1.0.0', '{en,ru,de}', '{ru,de}', :lots, :lots * :photos)
    """,
    """
    INSERT INTO batch_lots (job_id, position, lot_id, additional_info, image_urls)
    SELECT :job, lot, 'lot-' || lot, 'Front bumper replaced in 2023, otherwise as it left works.',
           ARRAY(SELECT 'http://photos' || port || '.test:' || port || '/lots/' || lot || '/'
                        || repeat('0123456789', 6) || '-' || photo || '.jpg'
                 FROM generate_series(1, :photos) AS photo, LATERAL (
                    SELECT (CAST(:ports AS int[]))[
                        (lot * :photos + photo) % cardinality(CAST(:ports AS int[])) + 1] AS port
                 ) host)
    FROM generate_series(0, :lots - 1) AS lot
    """,
)


if __name__ == "__main__":
    main()
