"""Every route that asks for a signature, and requests to it that are signed by either scheme."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from flask import Flask

from generation_service.core.signatures import canonical_json, request_message, sign
from tests.integration.api_service import KEY, Service

BY_OPENAI = {"/openai/events"}
"""Guarded by OpenAI's signature: what clients sign with opens nothing there."""

OPEN = {"/health", "/health/live", "/health/ready", "/openapi.json", "/docs", "/metrics"}
"""/metrics from this machine, where it has no token (test_api_metrics.py)."""
WORK = {
    "/api/v1/generate-descriptions": "lots",
    "/api/v1/estimate": "lots",
    "/api/v1/test-image-validation": "urls",
}
"""The routes whose body orders work, and the field of it that scheme 1 signs."""


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    job_id: str
    body: bytes = b""

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and code when it is signed by nobody."""
        works = self.target.partition("?")[0] in WORK
        return (403, "invalid_body_signature") if works else (401, "invalid_signature")

    def send(self, service: Service, headers: Mapping[str, str]) -> Any:
        return service.client.open(self.target, method=self.method, data=self.body, headers=headers)

    def by_scheme_1(self, service: Service, key: str = KEY) -> Any:
        field = WORK.get(self.target)
        if field is not None:
            signature = sign(key, canonical_json([]))
            body = json.dumps({field: [], "signature": signature}).encode()
            return replace(self, body=body).send(service, {})
        message = self.job_id if self.job_id in self.target else self.target
        return self.send(service, {"X-Signature": "sha256=" + sign(key, message.encode())})

    def by_scheme_2(self, service: Service, key: str = KEY) -> Any:
        return self.send(service, self.signed(key))

    def signed(self, key: str = KEY, *, age: int = 0) -> dict[str, str]:
        """The header of scheme 2, of a request that was signed `age` seconds ago."""
        then = int(time.time()) - age
        message = request_message(then, self.method, self.target.encode(), self.body)
        return {"X-Signature": f"t={then},v2={sign(key, message)}"}

    def changed(self) -> Iterator["Request"]:
        """The same with another query, body, path or method."""
        yield replace(self, target=self.target + "?x=1")
        yield replace(self, body=self.body + b" ")
        yield replace(self, body=self.body.replace(b"[]", b"{}") or b"{}")
        if self.job_id in self.target:
            yield replace(self, target=self.target.replace(self.job_id, str(uuid4())))
        if self.method == "GET":
            yield replace(self, method="HEAD")


def signed_routes(app: Flask, job_id: str | None = None) -> list[Request]:
    """A request to each route that is not open; ids other than the job's are made up."""
    job = job_id or str(uuid4())
    return [
        Request(method, _filled(rule.rule, job), job, _body(rule.rule))
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        if rule.rule not in OPEN | BY_OPENAI and rule.endpoint != "static"
    ]


def _filled(path: str, job_id: str) -> str:
    parts = path.replace("<job_id>", job_id).split("/")
    return "/".join(str(uuid4()) if part.startswith("<") else part for part in parts)


def _body(path: str) -> bytes:
    return json.dumps({WORK[path]: []}).encode() if path in WORK else b""
