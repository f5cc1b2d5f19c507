"""Webhook deliveries on a real database, and an operator who looks at them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import Engine

from generation_service.admin import site
from generation_service.api.body import BodyReader
from generation_service.api.routes import register
from tests.integration.api_service import ROOT, Service
from tests.integration.operator_client import PASSWORD, Pages, operator
from tests.integration.outbox import Outbox, outbox

DELIVERIES = "/admin/deliveries"
ENDPOINTS = "/admin/deliveries/endpoints"


@dataclass(frozen=True)
class Desk:
    """`box` sends webhooks; `pages` are the operator's."""

    box: Outbox
    app: Flask
    pages: Pages

    def text(self, path: str) -> str:
        answer = self.pages.get(path)
        assert answer.status_code == 200, answer.text
        text: str = answer.text
        return text

    def press(self, path: str, **fields: str) -> str:
        """Send a form; what the page says on which it ends."""
        answer = self.pages.post(path, **fields)
        assert answer.status_code == 303, answer.text
        return self.text(answer.location)

    def endpoint(self, job_id: UUID) -> str:
        """The path of the endpoint that a job's delivery went to."""
        (found,) = self.box.rows(
            "SELECT e.id FROM webhook_endpoints e JOIN webhook_deliveries d"
            " ON d.client = e.client AND d.webhook_url = e.url WHERE d.batch_job_id = :id",
            id=job_id,
        )
        return f"{ENDPOINTS}/{found['id']}"


@contextmanager
def desk(engine: Engine, **settings: Any) -> Iterator[Desk]:
    with outbox(engine, admin_password=PASSWORD, **settings) as box:
        app = Flask(
            "generation_service", template_folder=ROOT / "templates", static_folder=ROOT / "static"
        )
        bodies = BodyReader(box.resources.settings.max_request_bytes)
        register(app, box.resources, bodies, database_alive=bool, stages_tick=bool)
        site.register(app, box.resources, bodies)
        yield Desk(box, app, operator(Service(app, engine, box.receiver)))
