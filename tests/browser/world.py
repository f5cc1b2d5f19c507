"""A running service with admin pages, sample photos and a webhook receiver."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, text

from generation_service.db.engine import make_engine
from tests import running
from tests.acceptance.client import Client, lot
from tests.servers import LoopbackServer, Reply

PASSWORD: Final = "an operator's password"
SAMPLES: Final = Path(__file__).parents[2] / "samples"
_TYPES: Final = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


@dataclass(frozen=True)
class World:
    """`photos` has the sample photos by name, at /NAME; `receiver` takes every webhook."""

    service: running.RunningService
    simulator: running.RunningSimulator
    photos: LoopbackServer
    receiver: LoopbackServer
    engine: Engine

    @property
    def client(self) -> Client:
        return Client(self.service)

    def lots(self, count: int = 5, **more: object) -> list[Any]:
        """The sample lots, over again if there are more of them."""
        known = json.loads((SAMPLES / "lots.json").read_text())
        hook = {"webhook": self.receiver.url("/webhook")}
        return [
            lot(
                known[n % len(known)]["lot_id"] + (f"-{n}" if n >= len(known) else ""),
                *(self.photos.url(f"/{name}") for name in known[n % len(known)]["photos"]),
                additional_info=known[n % len(known)]["additional_info"],
                **hook,
                **more,
            )
            for n in range(count)
        ]

    def finished_job(self, lots: int = 3, languages: tuple[str, ...] = ("en", "ru", "de")) -> str:
        job_id = self.client.job(self.lots(lots), languages)
        self.client.finished(job_id)
        return job_id

    def run(self, statement: str, **values: object) -> Any:
        with self.engine.begin() as connection:
            return connection.execute(text(statement), values)


@contextmanager
def world(folder: Path, database_url: str, *, batch_seconds: float = 0) -> Iterator[World]:
    photos = {
        f"/{path.name}": Reply(
            body=path.read_bytes(), headers={"Content-Type": _TYPES[path.suffix]}, ranged=True
        )
        for path in SAMPLES.iterdir()
        if path.suffix in _TYPES
    }
    with (
        LoopbackServer(photos) as photo_server,
        LoopbackServer({"/webhook": Reply(body=b"thanks")}) as receiver,
        running.simulator(folder, "--batch-seconds", str(batch_seconds)) as simulator,
    ):
        environ = {
            "DATABASE_URL": database_url,
            "OPENAI_BASE_URL": simulator.base_url,
            "ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{photo_server.port},127.0.0.1:{receiver.port}",
            "WEBHOOK_RETRY_SECONDS": "0,0.5,0.5,0.5,0.5",
            "ADMIN_PASSWORD": PASSWORD,
            "WEB_CONCURRENCY": "1",
        }
        engine = make_engine(database_url)
        with running.service(folder, environ) as service:
            yield World(service, simulator, photo_server, receiver, engine)
        engine.dispose()
