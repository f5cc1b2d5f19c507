"""Signed requests, as short as tests want them."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from tests import running
from tests.waiting import until

Lot = Mapping[str, Any]


def sign(key: str, message: bytes) -> str:
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()


def canonical(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


class Client:
    """Speaks to one service; answers are (status, parsed JSON)."""

    def __init__(self, service: running.RunningService) -> None:
        self._url = service.base_url
        self._key = service.shared_key

    def generate(
        self,
        lots: Sequence[Lot],
        languages: Sequence[str] = ("en",),
        *,
        key: str | None = None,
        **more: object,
    ) -> tuple[int, Any]:
        """Order descriptions, under an Idempotency-Key or without one."""
        body = {
            "signature": sign(self._key, canonical(lots)),
            "version": "1.0.0",
            "languages": list(languages),
            "lots": list(lots),
            **more,
        }
        headers = {} if key is None else {"Idempotency-Key": key}
        status, answer = running.post(f"{self._url}/api/v1/generate-descriptions", body, headers)
        return status, json.loads(answer)

    def job(self, lots: Sequence[Lot], languages: Sequence[str] = ("en",), **more: object) -> str:
        """The id of a new job, even if there is one like it."""
        status, answer = self.generate(lots, languages, key=uuid4().hex, **more)
        assert status == 201, answer
        job_id: str = answer["job_id"]
        return job_id

    def status(self, job_id: str) -> Any:
        return self._get(job_id, f"/api/v1/batch-status/{job_id}")[1]

    def results(self, job_id: str, query: str = "") -> tuple[int, Any]:
        return self._get(job_id, f"/api/v1/batch-results/{job_id}{query}")

    def deliveries(self, job_id: str) -> Any:
        return self._get(job_id, f"/api/v1/batch-jobs/{job_id}/deliveries")[1]["deliveries"]

    def jobs(self, query: str = "") -> tuple[int, Any]:
        path = f"/api/v1/batch-jobs{query}"
        return self._get(path, path)

    def cancel(self, job_id: str) -> tuple[int, Any]:
        url = f"{self._url}/api/v1/batch-jobs/{job_id}/cancel"
        status, answer = running.post(url, b"", self._signed(job_id))
        return status, json.loads(answer)

    def retry(self, job_id: str) -> tuple[int, Any]:
        url = f"{self._url}/api/v1/batch-jobs/{job_id}/retry"
        status, answer = running.post(url, b"", self._signed(job_id))
        return status, json.loads(answer)

    def delete(self, job_id: str) -> tuple[int, Any]:
        """The status, and an error's document."""
        url = f"{self._url}/api/v1/batch-jobs/{job_id}"
        status, answer = running.delete(url, self._signed(job_id))
        return status, json.loads(answer or "null")

    def finished(self, job_id: str, seconds: float = 30) -> Any:
        """The job's status document once it has ended."""

        def ended() -> Any:
            document = self.status(job_id)
            return document if document["status"] in ENDED else None

        return until(ended, seconds=seconds, what=f"job {job_id} ends")

    def _get(self, signed: str, path: str) -> tuple[int, Any]:
        status, answer = running.get(self._url + path, self._signed(signed))
        return status, json.loads(answer)

    def _signed(self, message: str) -> dict[str, str]:
        return {"X-Signature": f"sha256={sign(self._key, message.encode())}"}


ENDED = frozenset({"completed", "failed", "cancelled"})


def lot(lot_id: str, *urls: str, **more: object) -> Lot:
    return {"lot_id": lot_id, "images": [{"url": url} for url in urls], **more}
