"""The service where no request may get as far as OpenAI or a row: it has no OpenAI at all."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from generation_service.db.engine import make_engine
from tests import running
from tests.acceptance.client import canonical, lot, sign

GENERATE, VALIDATE = "/api/v1/generate-descriptions", "/api/v1/test-image-validation"
PHOTO = "http://192.0.2.1/1.jpg"
MAX_BYTES = 4_000_000
_COUNT = "SELECT (SELECT count(*) FROM batch_jobs) + (SELECT count(*) FROM batch_lots)"

Sent = tuple[int, bytes]


class LonelyService:
    """Answers are (status, body)."""

    def __init__(self, service: running.RunningService, engine: Engine) -> None:
        self._service = service
        self._engine = engine

    @property
    def port(self) -> int:
        return int(self._service.environ["PORT"])

    def post(self, body: object, path: str = GENERATE, **headers: str) -> Sent:
        return running.post(self._service.base_url + path, body, headers)

    def get(self, path: str, signature: str | None = None) -> Sent:
        headers = {} if signature is None else {"X-Signature": signature}
        return running.get(self._service.base_url + path, headers)

    def assert_unharmed(self) -> None:
        """Nothing is stored, and nothing went wrong inside."""
        with self._engine.connect() as connection:
            assert connection.execute(text(_COUNT)).scalar_one() == 0
        output = self._service.process.output()
        assert "Traceback" not in output
        assert '"level": "error"' not in output


@contextmanager
def lonely_service(folder: Path, database_url: str) -> Iterator[LonelyService]:
    environ = {
        "DATABASE_URL": database_url,
        "OPENAI_BASE_URL": f"http://127.0.0.1:{running.free_port()}",
        "MAX_REQUEST_BYTES": str(MAX_BYTES),
        "MAX_JOB_DESCRIPTIONS": "150",
        "WEB_CONCURRENCY": "1",
    }
    engine = make_engine(database_url)
    with running.service(folder, environ) as service:
        yield LonelyService(service, engine)
    engine.dispose()


def lots(count: int = 2, **fields: object) -> list[Any]:
    return [lot(f"lot-{n}", PHOTO, **fields) for n in range(count)]


def signed(**fields: object) -> dict[str, Any]:
    """A request for a job, signed as it is."""
    body = {"version": "1.0.0", "languages": ["en"], "lots": lots(), **fields}
    return {"signature": sign(running.SHARED_KEY, canonical(body["lots"])), **body}


def assert_refused(answer: Sent, status: int, code: str) -> Any:
    """The answer is this error, in the shape of every error; returns its document."""
    document = json.loads(answer[1])
    assert (answer[0], document["error"]) == (status, code), document
    assert isinstance(document["message"], str)
    assert document.keys() <= {"error", "message", "details", "more"}
    for detail in document.get("details", []):
        assert detail.keys() == {"path", "message"}
    return document
