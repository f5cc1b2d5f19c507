"""Everything the service answers over HTTP, put onto a Flask app."""

from collections.abc import Callable

from flask import Flask

from generation_service.api import (
    docs_page,
    errors,
    events,
    generate,
    jobs,
    limits,
    metrics,
    openapi,
    ops,
    responses,
    results,
    slots,
    webhooks,
)
from generation_service.api.body import BodyReader
from generation_service.api.database import DatabaseClock
from generation_service.api.guards import Guards
from generation_service.api.limits import RateLimits
from generation_service.core.limits import MAX_IDLE_BODY_BYTES
from generation_service.pipeline.resources import Resources


def register(
    app: Flask,
    resources: Resources,
    bodies: BodyReader,
    *,
    database_alive: Callable[[], bool],
    stages_tick: Callable[[], bool],
) -> None:
    """Add the routes, the error shape and what every answer has."""
    # A path with doubled slashes is an unknown path: a redirect would not be signed.
    app.url_map.merge_slashes = False
    responses.install(app)
    errors.install(app)
    limits.install(app)
    rate_limits = RateLimits(resources.engine, resources.settings)
    guards = _guards(resources, rate_limits, bodies)
    shared_slots = slots.install(app, resources.settings.max_sync_per_process)
    app.register_blueprint(generate.blueprint(resources, guards, rate_limits, bodies, shared_slots))
    app.register_blueprint(jobs.blueprint(resources, guards, rate_limits))
    app.register_blueprint(results.blueprint(resources, guards, rate_limits))
    app.register_blueprint(webhooks.blueprint(resources, guards, shared_slots))
    if secret := resources.settings.openai_webhook_secret:
        app.register_blueprint(events.blueprint(resources, guards, bodies, secret))
    app.register_blueprint(openapi.blueprint())
    app.register_blueprint(docs_page.blueprint())
    app.register_blueprint(ops.blueprint(database_alive=database_alive, stages_tick=stages_tick))
    token = resources.settings.metrics_token
    app.register_blueprint(metrics.blueprint(resources.engine, guards, token, ops.VERSION))


def _guards(resources: Resources, rate_limits: RateLimits, bodies: BodyReader) -> Guards:
    settings = resources.settings
    return Guards(
        keys=settings.keys,
        accept_v1=settings.accept_v1_signatures,
        trusted_proxies=settings.trusted_proxies,
        poll=rate_limits.poll,
        count_bad=rate_limits.bad_signature,
        read_body=bodies.limited_to(MAX_IDLE_BODY_BYTES).as_sent,
        now=DatabaseClock(resources.engine).now,
    )
