"""The HTTP layer on a real database, with a loopback server for OpenAI and for the photos."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from flask import Flask
from sqlalchemy import Engine, text

from config import Config
from generation_service.admin import site
from generation_service.api.body import BodyReader
from generation_service.api.routes import register
from generation_service.clients.images import ImageProber
from generation_service.clients.openai_api import OpenAIClient
from generation_service.core.signatures import canonical_json, sign
from generation_service.pipeline.resources import Resources
from tests.servers import LoopbackServer, Reply

ROOT = Path(__file__).parents[2]
KEY = "0123456789abcdef0123456789abcdef"
OTHER_KEY = "f" * 32
GENERATE = "/api/v1/generate-descriptions"
PNG = Reply(body=b"\x89PNG\r\n\x1a\n" + bytes(64))


def completion(content: str) -> Reply:
    message = {"role": "assistant", "content": content}
    document = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
    headers = {"Content-Type": "application/json"}
    return Reply(body=json.dumps(document).encode(), headers=headers)


@dataclass(frozen=True)
class Service:
    app: Flask
    engine: Engine
    outside: LoopbackServer
    """Has a photo at /photo.png and OpenAI's answers at /v1/chat/completions."""

    @property
    def client(self) -> Any:
        """A FlaskClient; not typed, because its answers' `json` may be None to mypy."""
        return self.app.test_client()

    def lot(self, number: int = 1, **fields: object) -> dict[str, Any]:
        images = [{"url": self.outside.url("/photo.png")}]
        return {"lot_id": f"lot-{number}", "images": images, **fields}

    def signed(self, lots: object, key: str = KEY, **fields: object) -> dict[str, Any]:
        signature = sign(key, canonical_json(lots))
        body = {"version": "1.0.0", "languages": ["en"], "lots": lots, "signature": signature}
        return body | fields

    def generate(
        self, *lots: Mapping[str, object], key: str | None = None, **fields: object
    ) -> Any:
        """Order descriptions, under an Idempotency-Key or without one."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.client.post(GENERATE, json=self.signed(list(lots)) | fields, headers=headers)

    def job(self, count: int = 2, **fields: object) -> str:
        """The id of a new job, even if there is one like it."""
        lots = [self.lot(number) for number in range(count)]
        answer = self.generate(*lots, key=uuid4().hex, **fields)
        assert answer.status_code == 201, answer.text
        job_id: str = answer.json["job_id"]
        return job_id

    def ask(self, path: str, job_id: str, *, method: str = "GET", key: str = KEY) -> Any:
        """Ask about a job: `path` has {job_id} in it."""
        headers = {"X-Signature": "sha256=" + sign(key, job_id.encode())}
        return self.client.open(
            "/api/v1" + path.format(job_id=job_id), method=method, headers=headers
        )

    def target(self, path: str, key: str = KEY) -> Any:
        """Ask for a path that is signed itself."""
        target = "/api/v1" + path
        return self.client.get(target, headers={"X-Signature": sign(key, target.encode())})

    def run(self, statement: str, **values: object) -> Any:
        with self.engine.begin() as connection:
            return connection.execute(text(statement), values)

    def rows(self, table: str) -> int:
        return len(list(self.run(f"TABLE {table}")))

    def settle(self, job_id: str, *, failed: int = 0, lots: int | None = None) -> None:
        """Settle the first `lots` lots (all: end the job), the first `failed` of them badly."""
        values = {"job": UUID(job_id), "lots": lots, "failed": failed}
        self.run(_DESCRIBE, **values)
        self.run(_SETTLE_LOTS, **values)
        self.run(_SETTLE_JOB, **values)


_DESCRIBE = """
    INSERT INTO descriptions (job_id, lot, kind, language, status, estimated_tokens, damages)
    SELECT l.job_id, l.id, CASE WHEN language = 'en' THEN 'vision' ELSE 'translation' END,
           language, 'completed', 1, '<p>' || language || ' ж ' || l.lot_id || '</p>'
    FROM batch_lots l JOIN batch_jobs j ON j.id = l.job_id, unnest(j.languages) AS language
    WHERE l.job_id = :job AND position >= :failed
      AND position < coalesce(:lots, 1000000)
"""
_SETTLE_LOTS = """
    UPDATE batch_lots SET status = CASE WHEN position < :failed THEN 'failed' ELSE 'completed' END,
           error_code = CASE WHEN position < :failed THEN 'openai_refused' END,
           error_message = CASE WHEN position < :failed THEN 'No.' END, missing_images = '{}'
    WHERE job_id = :job AND position < coalesce(:lots, 1000000)
"""
_SETTLE_JOB = """
    UPDATE batch_jobs SET lots_settled = done.lots, lots_failed = :failed, lots_probed = done.lots,
           lots_described = done.lots - :failed, images_completed = done.images,
           vision_completed = done.lots - :failed, vision_failed = :failed,
           translation_completed = (done.lots - :failed) * cardinality(translations),
           translation_failed = :failed * cardinality(translations),
           status = CASE WHEN CAST(:lots AS int) IS NULL THEN 'completed' ELSE 'translating' END,
           completed_at = CASE WHEN CAST(:lots AS int) IS NULL THEN now() END
    FROM (SELECT count(*) AS lots, coalesce(sum(cardinality(image_urls)), 0) AS images
          FROM batch_lots WHERE job_id = :job AND position < coalesce(:lots, 1000000)) done
    WHERE id = :job
"""


@contextmanager
def serving(
    engine: Engine,
    *,
    database_alive: bool = True,
    stages_tick: bool = True,
    **settings: Any,
) -> Iterator[Service]:
    replies = {"/photo.png": PNG, "/v1/chat/completions": completion("<p>A dent.</p>")}
    with LoopbackServer(replies) as outside:
        config = Config(shared_key=KEY, allowed_private_hosts=outside.allowed, **settings)
        openai = OpenAIClient(api_key="sk-test", base_url=outside.url("/v1"))
        resources = Resources(
            engine=engine,
            openai=openai,
            prober=ImageProber(allowed_private=outside.allowed),
            settings=config,
            deployment="test",
        )
        app = Flask(
            "generation_service", template_folder=ROOT / "templates", static_folder=ROOT / "static"
        )
        bodies = BodyReader(config.max_request_bytes)
        register(
            app,
            resources,
            bodies,
            database_alive=lambda: database_alive,
            stages_tick=lambda: stages_tick,
        )
        site.register(app, resources, bodies)
        app.extensions["resources"] = resources
        yield Service(app, engine, outside)
        openai.close()
