"""The pages of webhook deliveries: what was sent, what waits, what came back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from generation_service.admin import cursors
from generation_service.api.database import request_transaction
from generation_service.core.errors import ServiceError
from generation_service.core.limits import (
    ADMIN_IDLE_POLL_SECONDS,
    ADMIN_PAGE_ROWS,
    ADMIN_POLL_SECONDS,
)
from generation_service.core.status import DeliveryStatus
from generation_service.core.text import storable
from generation_service.db import admin_deliveries, admin_endpoints, admin_jobs, delivery_log
from generation_service.db import deliveries as outbox
from generation_service.db.admin_deliveries import DeliveriesPage, Filter, ListedDelivery
from generation_service.db.admin_jobs import Place
from generation_service.pipeline.resources import Resources

SEE_OTHER: Final = 303
_FIELDS: Final = ("status", "client", "job")


@dataclass(frozen=True, slots=True)
class _Asked:
    """The filter as it stands in the form; `wanted` is None where the job's id is none."""

    status: str
    client: str
    job: str
    wanted: Filter | None


@dataclass(frozen=True, slots=True)
class DeliveryList:
    """What the live part of the page shows."""

    asked: _Asked
    page: DeliveriesPage

    @property
    def poll_seconds(self) -> int:
        moving = any(each.status is DeliveryStatus.PENDING for each in self.page.deliveries)
        return ADMIN_POLL_SECONDS if moving else ADMIN_IDLE_POLL_SECONDS

    @property
    def newer(self) -> str | None:
        if not self.page.has_newer:
            return None
        found = self.page.deliveries
        return self._beside(newer=found[0]) if found else self.top

    @property
    def older(self) -> str | None:
        return self._beside(older=self.page.deliveries[-1]) if self.page.has_older else None

    @property
    def top(self) -> str:
        return self._url({})

    def _beside(self, **places: ListedDelivery) -> str:
        return self._url({name: cursors.cursor(placed) for name, placed in places.items()})

    def _url(self, more: Mapping[str, str]) -> str:
        asked = self.asked
        kept: dict[str, Any] = {
            "status": asked.status,
            "client": asked.client,
            "job": asked.job,
            **more,
        }
        return url_for("admin.deliveries", **{name: text for name, text in kept.items() if text})


def add(routes: Blueprint, resources: Resources) -> None:
    engine = resources.engine

    @routes.get("/deliveries")
    def deliveries() -> str:
        asked, place = _asked(request.args), cursors.place(request.args)
        with request_transaction(engine) as connection:
            shown = _list(connection, asked, place)
            if "HX-Request" in request.headers:
                return render_template("admin/parts/deliveries.html", list=shown)
            tally = admin_endpoints.tally(connection)
            clients = admin_jobs.clients(connection)
        known = sorted({*clients, *resources.settings.keys})
        return render_template(
            "admin/deliveries.html",
            list=shown,
            clients=known,
            statuses=list(DeliveryStatus),
            endpoints=tally,
        )

    @routes.get("/deliveries/<uuid:delivery_id>")
    def delivery(delivery_id: UUID) -> str:
        with request_transaction(engine) as connection:
            found = _found(connection, delivery_id)
            log = delivery_log.find(connection, found.job_id, delivery_id)
        live = "HX-Request" in request.headers
        return render_template(
            "admin/parts/delivery_page.html" if live else "admin/delivery.html",
            delivery=found,
            attempts=log.attempts if log else [],
            poll_seconds=ADMIN_POLL_SECONDS,
        )

    @routes.post("/deliveries/<uuid:delivery_id>/redeliver")
    def redeliver(delivery_id: UUID) -> Response:
        with request_transaction(engine) as connection:
            found = _found(connection, delivery_id)
            outbox.redeliver(connection, found.job_id, delivery_id)
        waits = " once its endpoint is resumed" if found.endpoint_paused_at else ""
        flash(f"It is sent again{waits}, with up to five attempts.")
        return redirect(url_for("admin.delivery", delivery_id=delivery_id), SEE_OTHER)


def _asked(query: Mapping[str, str]) -> _Asked:
    status, client, job = (storable(query.get(name, "")).strip() for name in _FIELDS)
    if status not in set(DeliveryStatus):
        status = ""
    try:
        wanted = Filter(
            status=DeliveryStatus(status) if status else None,
            client=client or None,
            job_id=UUID(job) if job else None,
        )
    except ValueError:
        wanted = None
    return _Asked(status, client, job, wanted)


def _list(connection: Connection, asked: _Asked, place: Place | None) -> DeliveryList:
    page = DeliveriesPage(deliveries=[], has_newer=False, has_older=False)
    if asked.wanted is not None:
        page = admin_deliveries.page(connection, asked.wanted, place, limit=ADMIN_PAGE_ROWS)
    return DeliveryList(asked, page)


def _found(connection: Connection, delivery_id: UUID) -> ListedDelivery:
    found = admin_deliveries.find(connection, delivery_id)
    if found is None:
        raise ServiceError("not_found", "There is no delivery with this id; its job was deleted.")
    return found
