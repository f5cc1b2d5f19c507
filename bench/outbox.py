"""A database of its own with ended jobs, and the stage that sends their webhooks."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import text

from bench.receivers import LOOPBACK, Ports
from config import Config
from generation_service.clients.images import ImageProber
from generation_service.clients.openai_api import OpenAIClient
from generation_service.clients.resolver import Resolver
from generation_service.clients.webhooks import Receivers
from generation_service.db.embedded import acquire
from generation_service.db.engine import make_engine, migrate
from generation_service.pipeline.resources import Resources

SLOW_NAMES: Final = 10
SLOW_SECONDS: Final = 20.0
KEY: Final = "a-key-for-benchmarks-of-32-characters"


@dataclass(frozen=True)
class Outbox:
    """Prompt receivers have names too; slow are those that hang, drip, or are looked up slowly."""

    resources: Resources
    ports: Ports

    @property
    def prompt_urls(self) -> list[str]:
        return [f"http://{_prompt(port)}:{port}/" for port in self.ports["prompt"]]

    @property
    def slow_urls(self) -> list[str]:
        port = self.ports["prompt"][0]
        named = [f"http://{_slow(number)}:{port}/" for number in range(SLOW_NAMES)]
        bad = (*self.ports["hanging"], *self.ports["dripping"])
        return [*named, *(f"http://{LOOPBACK}:{each}/" for each in bad)]

    def fill(self, urls: Sequence[str], *, every: float = 0.0, lead: float = 0.0) -> None:
        """A job and its delivery for each URL, the first due in `lead` seconds."""
        with self.resources.engine.begin() as connection:
            for statement in _FILL:
                values = {"urls": list(urls), "every": every, "lead": lead}
                connection.execute(text(statement), values)

    def empty(self) -> None:
        with self.resources.engine.begin() as connection:
            connection.execute(text("TRUNCATE batch_jobs CASCADE"))

    def waits(self, urls: Sequence[str]) -> list[float]:
        """Seconds from due to delivered of every delivery to these; infinite for the others."""
        with self.resources.engine.connect() as connection:
            found = connection.execute(text(_WAITS), {"urls": list(urls)})
            return [inf if row.seconds is None else float(row.seconds) for row in found]

    def is_pending(self) -> bool:
        pending = "SELECT FROM webhook_deliveries WHERE status = 'pending' LIMIT 1"
        with self.resources.engine.connect() as connection:
            return bool(connection.execute(text(pending)).all())


@contextmanager
def outbox(folder: Path, ports: Ports) -> Iterator[Outbox]:
    engine = make_engine(acquire(folder / "deliveries"))
    migrate(engine)
    names = [_prompt(port) for port in ports["prompt"]] + [_slow(n) for n in range(SLOW_NAMES)]
    every = [port for some in ports.values() for port in some]
    allowed = frozenset((host, port) for host in (LOOPBACK, *names) for port in every)
    openai = OpenAIClient(api_key="none", base_url="http://127.0.0.1:1/v1")
    resources = Resources(
        engine=engine,
        openai=openai,
        prober=ImageProber(allowed_private=allowed),
        settings=Config(shared_key=KEY, allowed_private_hosts=allowed),
        deployment="bench",
        receivers=Receivers(Resolver(_lookup)),
    )
    with (folder / "deliveries.log").open("w") as log:
        structlog.configure(
            processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
            logger_factory=structlog.WriteLoggerFactory(log),
        )
        yield Outbox(resources, ports)
    structlog.reset_defaults()
    openai.close()
    engine.dispose()


def _prompt(port: int) -> str:
    return f"hooks.prompt{port}.test"


def _slow(number: int) -> str:
    return f"hooks.slow{number}.test"


def _lookup(name: str) -> Sequence[str]:
    if name.startswith("hooks.slow"):
        time.sleep(SLOW_SECONDS)
    return [LOOPBACK]


_FILL: Final = (
    """
    CREATE TEMPORARY TABLE wanted ON COMMIT DROP AS
    SELECT gen_random_uuid() AS id, url, place
    FROM unnest(CAST(:urls AS text[])) WITH ORDINALITY AS u (url, place)
    """,
    """
    INSERT INTO batch_jobs (id, client, status, version, languages, translations, lots_total,
                            lots_settled, completed_at)
    SELECT id, 'default', 'completed', '1.0.0', '{en,ru,de}', '{ru,de}', 2, 2, now() FROM wanted
    """,
    """
    INSERT INTO batch_lots (job_id, position, lot_id, image_urls, missing_images, status,
                            webhook_url)
    SELECT id, position, 'lot-' || position, '{}', '{}', 'completed', url
    FROM wanted, generate_series(0, 1) AS position
    """,
    """
    INSERT INTO descriptions (job_id, lot, kind, language, status, estimated_tokens, damages)
    SELECT job_id, l.id, 'vision', language, 'completed', 1, repeat('<p>A dent in the door.</p>', 8)
    FROM batch_lots l JOIN wanted w ON w.id = l.job_id, unnest(ARRAY['en', 'ru', 'de']) AS language
    """,
    """
    INSERT INTO webhook_deliveries (batch_job_id, client, run, webhook_url, host, part, parts,
                                    first_position, last_position, next_attempt_at)
    SELECT id, 'default', 1, url, substring(url FROM '//([^/]+)'), 1, 1, 0, 1,
           clock_timestamp() + make_interval(secs => :lead + :every * (place - 1))
    FROM wanted
    """,
    "CREATE TABLE IF NOT EXISTS due_times (id uuid PRIMARY KEY, due_at timestamptz NOT NULL)",
    """
    INSERT INTO due_times SELECT id, next_attempt_at FROM webhook_deliveries
    ON CONFLICT DO NOTHING
    """,
    "ANALYZE",
)
_WAITS: Final = """
    SELECT extract(epoch FROM delivered_at - due_at) AS seconds
    FROM webhook_deliveries JOIN due_times USING (id)
    WHERE webhook_url = ANY(CAST(:urls AS text[]))
"""
