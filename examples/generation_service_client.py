"""A client of Generation Service in one file: copy it into your project. It needs only requests.

    client = GenerationServiceClient("http://127.0.0.1:5000", "your-shared-key")
    answer, status = client.sync_generate("lot-1", "2019 Toyota Camry", ["https://…/1.jpg"])
    results, error = client.batch_generate_with_polling(cars, ("en", "ru", "de"))

A service that cannot be reached raises `requests.RequestException`. What only reads is repeated
after a lost connection, 429, 502, 503 and 504, when `Retry-After` says; an order is sent once.
"""

import base64
import hashlib
import hmac
import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict
from urllib.parse import urlencode

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

Json = dict[str, Any]
Answer = tuple[Json, int]  # the document and the HTTP status
Outcome = tuple[Json | None, str | None]  # the results, or None and why there are none
ORDER_TIMEOUT_SECONDS = 300
POLL_TIMEOUT_SECONDS = 30
WEBHOOK_TOLERANCE_SECONDS = 300
FINAL_STATUSES = frozenset({"completed", "failed", "cancelled"})
READS_AGAIN = Retry(  # POST is not among the methods that urllib3 repeats
    total=5, backoff_factor=1, status_forcelist=(429, 502, 503, 504), raise_on_status=False
)


class Car(TypedDict):
    """One lot as the methods take it; `image_urls` are 1 to 500 public http(s) addresses."""

    lot_id: str
    image_urls: Sequence[str]
    additional_info: NotRequired[str]


class GenerationServiceClient:
    """Speaks for the owner of `shared_key`.

    Set proxies or certificates on `session`. While a job is awaited, `on_progress` gets its status
    document whenever something was done; it draws a bar unless you set another function.
    """

    def __init__(self, base_url: str, shared_key: str) -> None:
        self.base_url = base_url.rstrip("/")
        self.shared_key = shared_key
        self.on_progress: Callable[[Json], None] = draw_progress
        self.session = requests.Session()
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, HTTPAdapter(max_retries=READS_AGAIN))

    def generate_signature(self, lots: Sequence[Mapping[str, object]]) -> str:
        """The `signature` field: hex HMAC-SHA256 of the lots as canonical JSON."""
        return self._hmac(json.dumps(lots, separators=(",", ":"), sort_keys=True))

    def sync_generate(
        self,
        lot_id: str,
        additional_info: str,
        image_urls: Sequence[str],
        languages: Sequence[str] = ("en",),
    ) -> Answer:
        """Describe one lot in the same request: up to 20 photos, 2 languages besides English."""
        lot = _lot({"lot_id": lot_id, "additional_info": additional_info, "image_urls": image_urls})
        return self._generate([lot], languages)

    def batch_generate_with_polling(
        self,
        cars_data: Sequence[Car],
        languages: Sequence[str] = ("en",),
        webhook_url: str | None = None,
        *,
        poll_interval: float = 30,
        max_wait_time: float = 24 * 3600,
    ) -> Outcome:
        """Order 2 to 50,000 lots and wait for them, as `poll_for_results` does.

        When the job ends the service also posts the results to `webhook_url`; see `verify_webhook`.
        """
        job, status = self._generate([_lot(car, webhook_url) for car in cars_data], languages)
        if status != requests.codes.created:
            return None, f"Failed to create batch job: {_told(job)}"
        return self.poll_for_results(job["job_id"], poll_interval, max_wait_time)

    def poll_for_results(
        self, job_id: str, poll_interval: float = 30, max_wait_time: float = 24 * 3600
    ) -> Outcome:
        """Wait, in seconds. A lot may have failed in a completed job: look at its `status`."""
        deadline, before = time.monotonic() + max_wait_time, None
        while True:
            document, status = self.job_status(job_id)
            if status != requests.codes.ok:
                return None, f"Failed to get status: {_told(document)}"
            if (seen := (document["status"], document["stages"])) != before:
                self.on_progress(document)
            before = seen
            if document["status"] in FINAL_STATUSES:
                return self._results_of(document)
            if time.monotonic() + poll_interval > deadline:
                return None, f"Timeout after {max_wait_time:g} seconds"
            time.sleep(poll_interval)

    def job_status(self, job_id: str) -> Answer:
        """How far the job is: `status`, `progress`, `stages`, `openai_batches`."""
        return self._read(f"/api/v1/batch-status/{job_id}", signed=job_id)

    def results(self, job_id: str) -> Answer:
        """200 with every lot of an ended job, 202 while it runs."""
        return self._read(f"/api/v1/batch-results/{job_id}", signed=job_id)

    def download(self, job_id: str, folder: Path) -> Path:
        """Stream the results to a file in `folder`; raises requests.HTTPError if there are none."""
        file = folder / f"batch_results_{job_id}.json"
        path = f"/api/v1/batch-results/{job_id}/download"
        with self._send("GET", path, signed=job_id) as response:
            if response.status_code != requests.codes.ok:
                raise requests.HTTPError(response.text, response=response)
            partial = file.with_suffix(".part")
            with partial.open("wb") as target:
                target.writelines(response.iter_content(1 << 16))
        return partial.replace(file)

    def list_jobs(self, status: str | None = None, limit: int = 10, offset: int = 0) -> Answer:
        """A page of your jobs, newest first: `jobs` and `pagination`; limit 1 to 100."""
        query = {"limit": limit, "offset": offset} | ({"status": status} if status else {})
        path = f"/api/v1/batch-jobs?{urlencode(query)}"
        return self._read(path, signed=path)

    def cancel_batch_job(self, job_id: str) -> Answer:
        """Stop a job: 200, or 400 if it has ended already."""
        path = f"/api/v1/batch-jobs/{job_id}/cancel"
        return _parsed(self._send("POST", path, signed=job_id))

    def deliveries(self, job_id: str) -> Answer:
        """The job's webhook deliveries with every attempt that was made."""
        return self._read(f"/api/v1/batch-jobs/{job_id}/deliveries", signed=job_id)

    def _results_of(self, ended: Json) -> Outcome:
        if ended["status"] != "completed":
            return None, ": ".join(filter(None, [f"Job {ended['status']}", ended["error_message"]]))
        document, status = self.results(ended["job_id"])
        if status != requests.codes.ok:
            return None, f"Failed to get results: {_told(document)}"
        return document, None

    def _generate(self, lots: Sequence[Json], languages: Sequence[str]) -> Answer:
        payload = {
            "signature": self.generate_signature(lots),
            "version": "1.0.0",
            "languages": list(languages),
            "lots": lots,
        }
        url = f"{self.base_url}/api/v1/generate-descriptions"
        return _parsed(self.session.post(url, json=payload, timeout=ORDER_TIMEOUT_SECONDS))

    def _read(self, path: str, *, signed: str) -> Answer:
        return _parsed(self._send("GET", path, signed=signed))

    def _send(self, method: str, path: str, *, signed: str) -> requests.Response:
        """`signed` is the job's id, or for a request without a job its path and query."""
        headers = {"X-Signature": f"sha256={self._hmac(signed)}"}
        url = f"{self.base_url}{path}"
        timeout = POLL_TIMEOUT_SECONDS
        return self.session.request(method, url, headers=headers, timeout=timeout, stream=True)

    def _hmac(self, text: str) -> str:
        return hmac.new(self.shared_key.encode(), text.encode(), hashlib.sha256).hexdigest()


def verify_webhook(
    body: bytes,
    headers: Mapping[str, str],
    key: str,
    secret: str | None = None,
    *,
    now: float | None = None,
) -> bool:
    """Tell whether the service signed a webhook; `body` is its raw bytes, before any parsing.

    `X-Signature` is one signature, the three headers of Standard Webhooks are another, whose
    timestamp may be 5 minutes off `now` (Unix seconds). Each that is there must be right. The
    latter is made with your operator's `secret` for webhooks (`whsec_…`), or without one with the
    key.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    checks = []
    if "x-signature" in lower:
        expected = "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
        checks.append(hmac.compare_digest(expected.encode(), lower["x-signature"].encode()))
    if "webhook-signature" in lower:
        secret_bytes = base64.b64decode(secret.removeprefix("whsec_")) if secret else key.encode()
        at = time.time() if now is None else now
        checks.append(_is_standard_webhook(body, lower, secret_bytes, at))
    return bool(checks) and all(checks)


def _is_standard_webhook(
    body: bytes, headers: Mapping[str, str], secret: bytes, now: float
) -> bool:
    timestamp = headers.get("webhook-timestamp", "")
    if not re.fullmatch("[0-9]{1,12}", timestamp):
        return False
    signed = f"{headers.get('webhook-id', '')}.{timestamp}.".encode() + body
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    expected = b"v1," + base64.b64encode(digest)
    presented = headers["webhook-signature"].encode().split()
    genuine = any(hmac.compare_digest(expected, one) for one in presented)
    return genuine and abs(now - int(timestamp)) <= WEBHOOK_TOLERANCE_SECONDS


def draw_progress(status: Json) -> None:
    """Draw how much of a job's work is done on standard error, in place if that is a terminal."""
    stages = status["stages"]
    done = sum(stage["completed"] + stage["failed"] for stage in stages.values())
    ended = status["status"] in FINAL_STATUSES
    share = 1.0 if ended else done / sum(stage["total"] for stage in stages.values())
    bar = ("█" * int(25 * share)).ljust(25, "░")
    counts = "  ".join(f"{name} {one['completed']}/{one['total']}" for name, one in stages.items())
    start, end = ("\r", "\n" if ended else "") if sys.stderr.isatty() else ("", "\n")
    line = f"{start}{bar} {share:4.0%}  {status['status']:<11}  {counts}"
    print(line, end=end, file=sys.stderr, flush=True)


def _lot(car: Car, webhook_url: str | None = None) -> Json:
    lot: Json = {
        "lot_id": car["lot_id"],
        "additional_info": car.get("additional_info", ""),
        "images": [{"url": url} for url in car["image_urls"]],
    }
    return {**lot, "webhook": webhook_url} if webhook_url else lot


def _parsed(response: requests.Response) -> Answer:
    """The JSON object of an answer; what a proxy in between says instead becomes an error."""
    try:
        document = response.json()
    except requests.JSONDecodeError:
        document = {"error": "not_json", "message": response.text[:500]}
    return document, response.status_code


def _told(document: Json) -> str:
    return f"{document.get('error')}: {document.get('message')}"


if __name__ == "__main__":  # BASE_URL SHARED_KEY LOT_ID PHOTO_URL…
    _, address, key, lot, *photos = sys.argv
    answer = GenerationServiceClient(address, key).sync_generate(lot, "", photos, ("en", "ru"))
    print(json.dumps(answer, indent=2, ensure_ascii=False))
