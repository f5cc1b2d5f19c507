"""The stages, driven by hand on a real database, the simulator and a photo server."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine, text

from config import Config
from generation_service.clients.images import ImageProber
from generation_service.clients.openai_api import OpenAIClient
from generation_service.core.idempotency import Identity
from generation_service.core.lots import GenerationRequest, Lot
from generation_service.core.results import LotResult
from generation_service.db import jobs, results
from generation_service.db.jobs import Job
from generation_service.pipeline import (
    collect,
    deliver,
    direct,
    lanes,
    pack,
    poll,
    probe,
    submit,
)
from generation_service.pipeline.accept import accept
from generation_service.pipeline.resources import Beat, Resources
from openai_simulator.server import Simulator
from tests.lots import spooled
from tests.photos import photo_replies
from tests.servers import LoopbackServer

SETTINGS = {
    "SHARED_KEY": "a-key-for-tests-of-32-characters-or-more",
    "OPENAI_API_KEY": "sk-test",
    "OPENAI_BATCH_API": "on",
    "OPENAI_POLL_SECONDS": "0.1",
    "BATCH_LINGER_SECONDS": "0",
    "WEBHOOK_RETRY_SECONDS": "0,0,0,0,0",
}
CLIENT = "default"
STAGES: tuple[Callable[[Resources, Beat], bool], ...] = (
    probe.tick,
    lanes.tick,
    pack.tick,
    submit.tick,
    poll.tick,
    collect.tick,
    direct.tick,
)


def go_on() -> bool:
    return True


@dataclass(frozen=True)
class Stages:
    """`tick` runs one stage once; `finish` runs them all until a job has ended."""

    resources: Resources
    simulator: Simulator
    photos: LoopbackServer

    def accept(
        self, lots: Sequence[Lot], languages: Sequence[str] = ("en", "ru"), **more: Any
    ) -> UUID:
        identity = Identity(client=CLIENT, key=uuid4().hex, body_hash="", signature=None)
        with spooled(lots) as spool:
            request = GenerationRequest(
                version="1.0.0", languages=tuple(languages), lots=spool, **more
            )
            answer = accept(self.resources, identity, request, admit=lambda _connection: None)
        assert answer is not None
        return UUID(answer.document["job_id"])

    def lot(self, lot_id: str, *photos: str, **more: Any) -> Lot:
        urls = tuple(self.photos.url(photo) for photo in photos or ("/1.jpg",))
        return Lot(lot_id=lot_id, image_urls=urls, **more)

    def lots(self, count: int, **more: Any) -> list[Lot]:
        return [self.lot(f"lot-{number}", **more) for number in range(count)]

    def finish(self, job_id: UUID, seconds: float = 20) -> Job:
        self.run_until(lambda: self.job(job_id).completed_at is not None, seconds=seconds)
        return self.job(job_id)

    def run_until(self, condition: Callable[[], bool], *, seconds: float = 20) -> None:
        """Tick the stages in turn, like an eager worker, until `condition` holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.rows("SELECT * FROM openai_batches")
            for stage in STAGES:
                stage(self.resources, go_on)
            # Waits set for the real world would only make the test slow.
            self.execute("UPDATE openai_batches SET next_try_at = now() WHERE tries > 0")
            self.execute(
                "UPDATE descriptions SET available_at = now()"
                " WHERE available_at > now() AND available_at <> 'infinity'"
            )

    def deliver(self) -> bool:
        return deliver.tick(self.resources, go_on)

    def job(self, job_id: UUID) -> Job:
        with self.resources.engine.connect() as connection:
            return jobs.get(connection, job_id)

    def results(self, job_id: UUID) -> list[LotResult]:
        with self.resources.engine.connect() as connection:
            return results.first_lots(connection, self.job(job_id), limit=10_000)

    def rows(self, statement: str) -> list[Mapping[str, Any]]:
        with self.resources.engine.connect() as connection:
            return [row._asdict() for row in connection.execute(text(statement))]

    def execute(self, statement: str) -> None:
        with self.resources.engine.begin() as connection:
            connection.execute(text(statement))

    def billed(self) -> list[object]:
        """The custom_id of every batch line that was billed, as often as it was."""
        return [entry["custom_id"] for entry in self.simulator.ledger if entry["custom_id"]]

    def submitted_batches(self) -> int:
        return sum(1 for _ in self.resources.openai.list_batches())


@contextmanager
def stages(
    engine: Engine,
    *,
    hosts: Sequence[int] = (),
    batch_api: bool = True,
    openai: Mapping[str, Any] | None = None,
    **settings: str,
) -> Iterator[Stages]:
    """`hosts` are ports on loopback that webhooks may go to; `settings` as in the environment.

    `openai` are further settings of the simulator.
    """
    options: dict[str, Any] = {"batch_seconds": 0, "batch_api": batch_api, **(openai or {})}
    openai_server = Simulator(port=0, **options)
    with LoopbackServer(photo_replies()) as photos, openai_server as simulator:
        allowed = frozenset(("127.0.0.1", port) for port in (photos.port, *hosts))
        environ = {
            **SETTINGS,
            "OPENAI_BASE_URL": simulator.base_url,
            "ALLOWED_PRIVATE_HOSTS": ",".join(f"{host}:{port}" for host, port in allowed),
            **settings,
        }
        config = Config.from_env(environ)
        client = OpenAIClient(api_key="sk-test", base_url=config.openai_base_url)
        resources = Resources(
            engine=engine,
            openai=client,
            prober=ImageProber(allowed_private=allowed),
            settings=config,
            deployment="deployment-under-test",
        )
        try:
            yield Stages(resources, simulator, photos)
        finally:
            client.close()
