"""Ended jobs and their webhook deliveries on a real database, to be sent to loopback receivers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from uuid import UUID, uuid4

from flask import Flask
from sqlalchemy import Engine, text

from config import Config
from generation_service.api.body import BodyReader
from generation_service.api.routes import register
from generation_service.clients.images import ImageProber
from generation_service.clients.openai_api import OpenAIClient
from generation_service.clients.resolver import Lookup, Resolver, system_lookup
from generation_service.clients.webhooks import Receivers
from generation_service.core.signatures import sign
from generation_service.db import deliveries
from generation_service.pipeline import deliver
from generation_service.pipeline.resources import Resources
from tests.servers import LoopbackServer, Received, Reply

KEY = "a-key-for-tests-of-32-characters-or-more"
ACME_KEY = "another-key-for-tests-of-32-characters"
ACME_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@dataclass(frozen=True)
class Outbox:
    """`job` ends a job whose lots name webhooks; `deliver` runs the stage until nothing is due."""

    resources: Resources
    receiver: LoopbackServer

    def url(self, path: str = "/hook") -> str:
        return self.receiver.url(path)

    def job(
        self,
        *webhooks: str,
        client: str = "default",
        damages: str = "<p>A dent.</p>",
        before: Sequence[str] = (),
    ) -> UUID:
        """One lot for each webhook, described in English; `before` it ends, statements are run."""
        job_id = uuid4()
        values = {"id": job_id, "client": client, "webhooks": list(webhooks), "damages": damages}
        with self.resources.engine.begin() as connection:
            for statement in (*_END_A_JOB, *before):
                connection.execute(text(statement), values)
            deliveries.enqueue(connection, [job_id])
        return job_id

    def deliver(self) -> bool:
        return deliver.tick(self.resources, lambda: True)

    def send(self, reply: Reply, path: str = "/hook", **more: Any) -> Mapping[str, Any]:
        """What became of one delivery to a receiver that answers so."""
        self.receiver.replies[path] = reply
        job_id = self.job(self.url(path), **more)
        self.deliver()
        return self.delivery(job_id)

    def delivery(self, job_id: UUID) -> Mapping[str, Any]:
        (found,) = self.rows("SELECT * FROM webhook_deliveries WHERE batch_job_id = :id", id=job_id)
        return found

    def attempts(self, delivery: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        return self.rows(
            "SELECT * FROM webhook_attempts WHERE delivery_id = :id ORDER BY attempt",
            id=delivery["id"],
        )

    def received(self, path: str = "/hook") -> list[Received]:
        return [request for request in self.receiver.received if request.path == path]

    def rows(self, statement: str, **values: object) -> list[Mapping[str, Any]]:
        with self.resources.engine.begin() as connection:
            result = connection.execute(text(statement), values)
            return [row._asdict() for row in result] if result.returns_rows else []

    def elsewhere(self, lookup: Lookup = system_lookup, **settings: Any) -> "Outbox":
        """Another process: it has its own memory, and perhaps other settings."""
        config = replace(self.resources.settings, **settings)
        receivers = Receivers(Resolver(lookup))
        return replace(
            self, resources=replace(self.resources, settings=config, receivers=receivers)
        )

    def expire_leases(self) -> None:
        self.rows(
            "UPDATE webhook_deliveries SET lease_expires_at = now() - interval '1 second'"
            " WHERE lease_token IS NOT NULL"
        )

    def ask(self, path: str, *, method: str = "GET", key: str = KEY, signed: str = "") -> Any:
        """A signed request; `signed` is what the signature covers if not path and query."""
        target = "/api/v1" + path
        headers = {"X-Signature": sign(key, (signed or target).encode())}
        return self.app.test_client().open(target, method=method, headers=headers)

    def redeliver(self, delivery: Mapping[str, Any], *, key: str = KEY) -> Any:
        job_id = str(delivery["batch_job_id"])
        path = f"/batch-jobs/{job_id}/deliveries/{delivery['id']}/redeliver"
        return self.ask(path, method="POST", key=key, signed=job_id)

    @cached_property
    def app(self) -> Flask:
        app = Flask("generation_service")
        bodies = BodyReader(self.resources.settings.max_request_bytes)
        register(app, self.resources, bodies, database_alive=lambda: True, stages_tick=lambda: True)
        return app


_END_A_JOB = (
    """
    INSERT INTO batch_jobs (id, client, status, version, languages, translations, lots_total,
                            lots_settled, completed_at)
    SELECT :id, :client, 'completed', '1.0.0', '{en}', '{}', lots, lots, now()
    FROM cardinality(CAST(:webhooks AS text[])) AS lots
    """,
    """
    INSERT INTO batch_lots (job_id, position, lot_id, image_urls, missing_images, status,
                            webhook_url)
    SELECT :id, place - 1, 'lot-' || place, '{}', '{}', 'completed', webhook
    FROM unnest(CAST(:webhooks AS text[])) WITH ORDINALITY AS named (webhook, place)
    """,
    """
    INSERT INTO descriptions (job_id, lot, kind, language, status, estimated_tokens, damages)
    SELECT job_id, id, 'vision', 'en', 'completed', 1, :damages FROM batch_lots WHERE job_id = :id
    """,
)


@contextmanager
def outbox(engine: Engine, **settings: Any) -> Iterator[Outbox]:
    """Retries come at once, unless `settings` say otherwise."""
    with LoopbackServer({"/hook": Reply()}) as receiver:
        values = {
            "shared_key": KEY,
            "client_keys": {"acme": (ACME_KEY,)},
            "webhook_secrets": {"acme": ACME_SECRET},
            "allowed_private_hosts": receiver.allowed,
            "webhook_retry_seconds": (0.0,) * 5,
        }
        openai = OpenAIClient(api_key="sk-test", base_url=receiver.url("/v1"))
        resources = Resources(
            engine=engine,
            openai=openai,
            prober=ImageProber(allowed_private=receiver.allowed),
            settings=Config(**(values | settings)),
            deployment="test",
        )
        try:
            yield Outbox(resources, receiver)
        finally:
            openai.close()
