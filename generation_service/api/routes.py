"""Everything the service answers over HTTP, put onto a Flask app."""

from collections.abc import Callable

from flask import Flask

from generation_service.api import errors, generate, jobs, ops, responses, results
from generation_service.pipeline.resources import Resources


def register(
    app: Flask,
    resources: Resources,
    *,
    database_alive: Callable[[], bool],
    stages_tick: Callable[[], bool],
) -> None:
    """Add the routes, the error shape and what every answer has."""
    # A path with doubled slashes is an unknown path: a redirect would not be signed.
    app.url_map.merge_slashes = False
    responses.install(app)
    errors.install(app)
    app.register_blueprint(generate.blueprint(resources))
    app.register_blueprint(jobs.blueprint(resources))
    app.register_blueprint(results.blueprint(resources))
    app.register_blueprint(ops.blueprint(database_alive=database_alive, stages_tick=stages_tick))
