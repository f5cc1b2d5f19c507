"""The page of webhook endpoints: which are paused, and what an operator can do about it."""

from typing import Final
from uuid import UUID

import structlog
from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from generation_service.admin.deliveries import SEE_OTHER
from generation_service.api import slots
from generation_service.api.database import DatabaseClock, request_transaction
from generation_service.core.errors import ServiceError
from generation_service.core.limits import ADMIN_PAGE_ROWS
from generation_service.core.webhooks import is_delivered
from generation_service.db import admin_endpoints
from generation_service.db.admin_endpoints import ListedEndpoint
from generation_service.pipeline.resources import Resources
from generation_service.pipeline.sample import send_sample
from generation_service.pipeline.signers import NoKeyError

_log = structlog.get_logger()
_MAX_DIGITS: Final = 9
_SHOWN_CHARS: Final = 200
_REASONS: Final = {
    "gone": "answered 410",
    "failing": "failed for 5 days",
    admin_endpoints.BY_OPERATOR: "by an operator",
}


def add(routes: Blueprint, resources: Resources) -> None:
    engine = resources.engine
    clock = DatabaseClock(engine)

    @routes.get("/deliveries/endpoints")
    def endpoints() -> str:
        with request_transaction(engine) as connection:
            tally = admin_endpoints.tally(connection)
            last = max(1, -(-tally.endpoints // ADMIN_PAGE_ROWS))
            number = min(_page_number(), last)
            offset = (number - 1) * ADMIN_PAGE_ROWS
            listed = admin_endpoints.page(connection, limit=ADMIN_PAGE_ROWS, offset=offset)
        return render_template(
            "admin/endpoints.html",
            endpoints=listed,
            tally=tally,
            reasons=_REASONS,
            number=number,
            last=last,
        )

    @routes.post("/deliveries/endpoints/<uuid:endpoint_id>/pause")
    def pause(endpoint_id: UUID) -> Response:
        with request_transaction(engine) as connection:
            _known(admin_endpoints.find(connection, endpoint_id))
            paused = admin_endpoints.pause(connection, endpoint_id)
        if paused:
            _log.warning("webhook_endpoint_paused", endpoint=str(endpoint_id), reason="operator")
        flash("Paused: its deliveries wait." if paused else "It was paused already.")
        return _back()

    @routes.post("/deliveries/endpoints/<uuid:endpoint_id>/resume")
    def resume(endpoint_id: UUID) -> Response:
        with request_transaction(engine) as connection:
            _known(admin_endpoints.resume(connection, endpoint_id))
        flash("Resumed: what waited is sent at once.")
        return _back()

    @routes.post("/deliveries/endpoints/<uuid:endpoint_id>/sample")
    def sample(endpoint_id: UUID) -> Response:
        with request_transaction(engine) as connection:
            endpoint = _known(admin_endpoints.find(connection, endpoint_id))
        with slots.of(current_app).sample():
            flash(_sent_sample(resources, endpoint, clock.now()))
        return _back()


def _page_number() -> int:
    """The page that the address names, from 1, however many there are."""
    text = request.args.get("page", "")
    return max(1, int(text[:_MAX_DIGITS])) if text.isascii() and text.isdecimal() else 1


def _sent_sample(resources: Resources, endpoint: ListedEndpoint, now: float) -> str:
    """What came of it, in words."""
    try:
        outcome = send_sample(resources, endpoint.client, endpoint.url, now=now)
    except NoKeyError as error:
        return str(error)
    url = endpoint.url[:_SHOWN_CHARS]  # it goes through a cookie
    if outcome.status_code is None:
        return f"The sample did not reach {url}: {outcome.error}."
    answer = f"{outcome.status_code} after {outcome.seconds:.1f} s"
    judged = "" if is_delivered(outcome.status_code) else ", which counts as failed"
    return f"{url} answered the sample with {answer}{judged}."


def _back() -> Response:
    """To the page of the list that the button was on."""
    number = _page_number()
    return redirect(url_for("admin.endpoints", page=number if number > 1 else None), SEE_OTHER)


def _known(endpoint: ListedEndpoint | None) -> ListedEndpoint:
    if endpoint is None:
        raise ServiceError("not_found", "There is no endpoint with this id.")
    return endpoint
