"""Requests of every kind, one after the other and all at once, for as long as a test wants them."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from threading import Event, Thread
from typing import Any
from uuid import uuid4

from tests.acceptance.client import canonical, lot, sign
from tests.running import RunningService
from tests.waiting import until

API = "/api/v1"
_CLIENTS = 6
NO_ID = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Answer:
    kind: str
    status: int
    headers: Mapping[str, str]
    document: Any


class Traffic:
    """`answers` is all that came, in whatever order; `job` is one that has ended."""

    def __init__(self, service: RunningService, photo: str, job: str) -> None:
        self.answers: list[Answer] = []
        self._service = service
        self._photo = photo
        self._job = job
        self._over = Event()

    @property
    def kinds(self) -> Mapping[str, Callable[[], Answer]]:
        about = (
            *(("GET", "batch-status/{job}"), ("GET", "batch-results/{job}")),
            *(("GET", "batch-results/{job}/download"), ("GET", "batch-jobs/{job}/deliveries")),
            *(("POST", "batch-jobs/{job}/cancel"), ("POST", "batch-jobs/{job}/retry")),
            ("POST", f"batch-jobs/{{job}}/deliveries/{NO_ID}/redeliver"),
        )
        lists = ("batch-jobs?limit=5", "webhook-endpoints?limit=5")
        asked = {
            **{path: self._about(method, path) for method, path in about},
            **{path: self._list(path) for path in lists},
            **{path: self._open(path) for path in ("health", "health/ready", "health/live")},
        }
        return {**asked, "sync": self._sync, "order": self._order, "photos": self._photos}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Clients send one kind after the other, each of them beginning with another one."""
        threads = [Thread(target=self._run, args=[number]) for number in range(_CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def wait_until_all(self, statuses: Collection[int], *, what: str) -> None:
        """Wait until every kind was answered so from now on; /health/live is always well."""
        began = len(self.answers)
        expected = self.kinds.keys() - {"health/live"}

        def all_seen() -> bool:
            seen = {answer.kind for answer in self.answers[began:] if answer.status in statuses}
            return expected <= seen

        until(all_seen, seconds=60, what=what)

    def _run(self, first: int) -> None:
        kinds = list(self.kinds.values())
        for send in cycle([*kinds[first:], *kinds[:first]]):
            if self._over.is_set():
                return
            self.answers.append(send())

    def _about(self, method: str, path: str) -> Callable[[], Answer]:
        headers = {"X-Signature": sign(self._service.shared_key, self._job.encode())}
        target = f"{API}/{path.format(job=self._job)}"
        return lambda: self._send(path, method, target, headers)

    def _list(self, path: str) -> Callable[[], Answer]:
        target = f"{API}/{path}"
        headers = {"X-Signature": sign(self._service.shared_key, target.encode())}
        return lambda: self._send(path, "GET", target, headers)

    def _open(self, path: str) -> Callable[[], Answer]:
        return lambda: self._send(path, "GET", f"/{path}", {})

    def _sync(self) -> Answer:
        return self._generate("sync", 1)

    def _order(self) -> Answer:
        return self._generate("order", 2)

    def _generate(self, kind: str, count: int) -> Answer:
        lots = [lot(f"lot-{number}", self._photo) for number in range(count)]
        body = {"version": "1.0.0", "languages": ["en", "ru"], "lots": lots}
        return self._post(kind, "generate-descriptions", body, "lots")

    def _photos(self) -> Answer:
        return self._post("photos", "test-image-validation", {"urls": [self._photo]}, "urls")

    def _post(self, kind: str, path: str, body: dict[str, Any], signed: str) -> Answer:
        signature = sign(self._service.shared_key, canonical(body[signed]))
        data = json.dumps({**body, "signature": signature}).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": uuid4().hex}
        return self._send(kind, "POST", f"{API}/{path}", headers, data)

    def _send(
        self, kind: str, method: str, target: str, headers: Mapping[str, str], data: bytes = b""
    ) -> Answer:
        request = urllib.request.Request(
            self._service.base_url + target, data or None, dict(headers), method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return Answer(kind, response.status, dict(response.headers), json.load(response))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(kind, error.code, dict(error.headers), json.load(error))
