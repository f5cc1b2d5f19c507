"""Everything that clients can ask and most of what the stages can meet, on one database."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import Any

from flask import Response, request
from sqlalchemy import Engine, text

from generation_service.core.signatures import canonical_json, request_message, sign
from generation_service.worker import STAGES
from tests import events
from tests.integration.api_service import GENERATE, KEY, Service, serving
from tests.integration.operator_client import PASSWORD, operator
from tests.integration.stages import Stages, go_on, stages
from tests.servers import Reply
from tests.waiting import until

HOOK, GONE = "/hook", "/gone"


@dataclass
class Journey:
    """`quiet` goes to the same database past whoever watches the statements of the service."""

    service: Service
    batches: Stages
    direct: Stages
    """Without a Batch API."""
    quiet: Engine
    asked: set[str] = field(default_factory=set)
    """The rules of the routes that answered well."""
    numbers: Iterator[int] = field(default_factory=count)

    def go(self) -> None:
        self.one_lot()
        job_id = self.a_job_with_faults()
        self.read(job_id)
        self.webhooks(job_id)
        self.ask("/batch-jobs/{job_id}/retry", job_id, "POST")
        self.finish(job_id)
        self.rejected_batches()
        self.cancelled_and_deleted()
        self.late_and_direct()
        self.all_else()
        self.operators(job_id)

    def one_lot(self) -> None:
        lot = self.service.lot(1)
        for key in ("once", "once", None, None):
            assert self.service.generate(lot, key=key, languages=["en", "ru"]).status_code == 200

    def a_job_with_faults(self) -> str:
        for nth, do in enumerate(("missing", "refuse", "length", "image_error"), 1):
            more = {"url": "/2.png"} if do == "image_error" else {}
            self.misbehave("line", do, match={"nth": nth}, **more)
        job_id = self.order(HOOK, GONE, lots=8)
        self.tick()
        self.ask("/batch-results/{job_id}?partial=true", job_id)
        self.finish(job_id)
        return job_id

    def read(self, job_id: str) -> None:
        self.ask("/batch-status/{job_id}", job_id)
        for query in ("", "?lot_id=0-1", "?status=failed", "?status=completed&offset=1&limit=1"):
            self.ask("/batch-results/{job_id}" + query, job_id)
        self.ask("/batch-results/{job_id}/download", job_id)
        for query in ("", "?status=completed", "?status=processing", "?limit=100&offset=5"):
            self.target(f"/batch-jobs{query}")

    def webhooks(self, job_id: str) -> None:
        self.tick()
        (delivery, *_) = self.ask("/batch-jobs/{job_id}/deliveries", job_id).json["deliveries"]
        redeliver = f"/batch-jobs/{{job_id}}/deliveries/{delivery['delivery_id']}/redeliver"
        self.ask(redeliver, job_id, "POST")
        for endpoint in self.target("/webhook-endpoints").json["endpoints"]:
            path = f"/webhook-endpoints/{endpoint['endpoint_id']}"
            self.target(f"{path}/resume", "POST")
            self.target(f"{path}/test", "POST")
        self.tick()

    def rejected_batches(self) -> None:
        for fault in ({"do": "token_limit"}, {"do": "fail"}, {"do": "expire", "fraction": 0.5}):
            self.misbehave("batch", **fault)
            self.finish(self.order())

    def cancelled_and_deleted(self) -> None:
        job_id = self.order(HOOK)
        for _ in range(3):
            self.tick()
        self.ask("/batch-jobs/{job_id}/cancel", job_id, "POST")
        self.tick()
        self.ask("/batch-jobs/{job_id}", job_id, "DELETE")
        self.run_until(f"SELECT WHERE NOT EXISTS (SELECT FROM batch_jobs WHERE id = '{job_id}')")

    def late_and_direct(self) -> None:
        late = self.order()
        long_ago = "run_started_at = now() - interval '23 hours'"
        self.execute(f"UPDATE batch_jobs SET {long_ago} WHERE id = '{late}'")
        self.finish(late)
        self.finish(self.order(), self.direct)

    def all_else(self) -> None:
        body = events.encoded(events.event("batch_past_7"))
        headers = events.signed(body)
        answer = self.service.client.post("/openai/events", data=body, headers=headers)
        assert answer.status_code == 204
        body = json.dumps({"version": "1.0.0", "languages": ["en"], "lots": self.lots(2)}).encode()
        assert self.stamped(GENERATE, body).status_code == 201
        assert self.stamped("/api/v1/estimate", body).status_code == 200
        urls = [self.service.outside.url("/photo.png")]
        body = json.dumps({"urls": urls, "signature": sign(KEY, canonical_json(urls))}).encode()
        path = "/api/v1/test-image-validation"
        assert self.service.client.post(path, data=body).status_code == 200
        assert self.service.client.post(path, data=b"{}").status_code == 403
        self.tick()

    def operators(self, job_id: str) -> None:
        """Every page that an operator can look at, each filter by itself, and every button.

        A 400 is a button that was too late: the job, say, has nothing left to retry.
        """
        pages = operator(self.service)
        for path in (
            "jobs", "jobs?status=failed", "jobs?client=default&status=completed", "jobs?q=0-1",
            f"jobs?q={job_id[:6]}", f"jobs?older=2030-01-01T00:00:00+00:00_{job_id}",
            f"jobs/{job_id}", f"jobs/{job_id}?status=failed", f"jobs/{job_id}?lot=0-1",
            f"jobs/{job_id}?language=ru&after=3", f"jobs/{job_id}/results", "overview",
            "overview?span=week", "try", "deliveries", "deliveries?status=failed",
            "deliveries?client=nobody", f"deliveries?client=default&job={job_id}",
            "deliveries/endpoints",
        ):  # fmt: skip
            assert pages.get(f"/admin/{path}").status_code == 200, path
        delivery = self.one(
            f"SELECT id FROM webhook_deliveries WHERE batch_job_id = '{job_id}' LIMIT 1"
        )
        endpoint = self.one("SELECT id FROM webhook_endpoints LIMIT 1")
        other = self.order()
        assert pages.get(f"/admin/deliveries/{delivery}").status_code == 200
        assert pages.get(f"/admin/jobs/{other}/cancel").status_code == 200
        for path in (
            f"deliveries/{delivery}/redeliver", f"deliveries/endpoints/{endpoint}/pause",
            f"deliveries/endpoints/{endpoint}/resume", f"deliveries/endpoints/{endpoint}/sample",
            f"jobs/{job_id}/retry", f"jobs/{other}/cancel", "logout",
        ):  # fmt: skip
            assert pages.post(f"/admin/{path}").status_code in {302, 303, 400}, path

    def one(self, statement: str) -> Any:
        with self.quiet.connect() as connection:
            return connection.execute(text(statement)).scalar_one()

    def stamped(self, target: str, body: bytes) -> Any:
        then = int(time.time())
        signature = sign(KEY, request_message(then, "POST", target.encode(), body))
        headers = {"X-Signature": f"t={then},v2={signature}"}
        return self.service.client.post(target, data=body, headers=headers)

    def order(self, *hooks: str, lots: int = 3) -> str:
        """A new job, whose lots name these paths of the receiver in turn; its id."""
        answer = self.service.generate(*self.lots(lots, *hooks), languages=["en", "ru"])
        assert answer.status_code == 201, answer.text
        job_id: str = answer.json["job_id"]
        return job_id

    def lots(self, number: int, *hooks: str) -> list[dict[str, Any]]:
        turn = next(self.numbers)
        photos = self.batches.photos
        images = [{"url": photos.url(path)} for path in ("/1.jpg", "/2.png", "/3.webp", "/4.jpg")]
        named = cycle([{"webhook": self.service.outside.url(path)} for path in hooks] or [{}])
        return [
            {"lot_id": f"{turn}-{n}", "images": images, **hook}
            for n, hook in zip(range(number), named, strict=False)
        ]

    def ask(self, path: str, job_id: str, method: str = "GET") -> Any:
        answer = self.service.ask(path, job_id, method=method)
        assert answer.status_code < 300, answer.text
        return answer

    def target(self, path: str, method: str = "GET") -> Any:
        target = "/api/v1" + path
        headers = {"X-Signature": sign(KEY, target.encode())}
        answer = self.service.client.open(target, method=method, headers=headers)
        assert answer.status_code < 300, answer.text
        return answer

    def misbehave(self, on: str, do: str, **more: object) -> None:
        self.batches.simulator.rules.add({"on": on, "do": do, "times": 1, **more})

    def finish(self, job_id: str, world: Stages | None = None) -> None:
        ended = f"SELECT FROM batch_jobs WHERE id = '{job_id}' AND completed_at IS NOT NULL"
        self.run_until(ended, world)

    def run_until(self, found: str, world: Stages | None = None) -> None:
        """Tick all stages until this statement finds a row."""

        def is_found() -> bool:
            self.tick(world)
            # Waits set for the real world would only make the test slow.
            self.execute("UPDATE openai_batches SET next_try_at = now() WHERE tries > 0")
            self.execute("UPDATE model_limits SET paused_until = now()")
            self.execute(
                "UPDATE descriptions SET available_at = now()"
                " WHERE available_at > now() AND available_at <> 'infinity'"
            )
            with self.quiet.connect() as connection:
                return bool(connection.execute(text(found)).all())

        until(is_found, what=found, seconds=60)

    def tick(self, world: Stages | None = None) -> None:
        for stage in STAGES.values():
            stage((world or self.batches).resources, go_on)

    def execute(self, statement: str) -> None:
        with self.quiet.begin() as connection:
            connection.execute(text(statement))


@contextmanager
def journey(engine: Engine, quiet: Engine) -> Iterator[Journey]:
    with (
        serving(engine, openai_webhook_secret=events.SECRET, admin_password=PASSWORD) as service,
        stages(engine, hosts=[service.outside.port], DEADLINE_FALLBACK="true") as batches,
        stages(
            engine,
            hosts=[service.outside.port, batches.photos.port],
            batch_api=False,
            OPENAI_BATCH_API="off",
        ) as direct,
    ):
        service.outside.replies |= {HOOK: Reply(), GONE: Reply(status=410)}
        found = Journey(service, batches, direct, quiet)

        def note(response: Response) -> Response:
            if request.url_rule is not None and response.status_code < 300:
                found.asked.add(f"{request.method} {request.url_rule.rule}")
            return response

        service.app.after_request(note)
        yield found
