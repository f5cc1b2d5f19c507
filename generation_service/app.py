"""create_app: the only place where the parts are put together."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine

from generation_service.admin import site
from generation_service.api import routes
from generation_service.api.body import BodyReader
from generation_service.cli import commands
from generation_service.clients.images import ImageProber
from generation_service.clients.openai_api import OpenAIClient
from generation_service.db import operations
from generation_service.db.availability import is_writable
from generation_service.db.embedded import acquire
from generation_service.db.engine import (
    ENGINE_OPTIONS,
    driver_url,
    keep_sound,
    make_engine,
    migrate,
)
from generation_service.db.models.base import Base
from generation_service.pipeline.resources import Resources
from generation_service.telemetry.logs import configure_logs
from generation_service.worker import Worker

if TYPE_CHECKING:
    from config import Config

_log = structlog.get_logger()
_ROOT = Path(__file__).parents[1]


class _Synchronous(Flask):
    """All its functions are: Flask asks it of five of them at each request, 3 % of a poll."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def create_app(config: "Config") -> Flask:
    """Build the app on a migrated database; its worker waits in `app.extensions["worker"]`.

    The worker is not started here: a thread does not survive a fork.
    """
    configure_logs(config.log_level, config.log_format)
    app = _Synchronous(
        "generation_service", template_folder=_ROOT / "templates", static_folder=_ROOT / "static"
    )
    engine = _database(app, config)
    resources = _resources(engine, config)
    worker = Worker(resources, revive=lambda: config.database_url or acquire(config.data_dir))
    app.extensions["worker"] = worker
    bodies = BodyReader(config.max_request_bytes)
    routes.register(
        app,
        resources,
        bodies,
        database_alive=lambda: is_writable(engine),
        stages_tick=worker.is_ticking,
    )
    site.register(app, resources, bodies)
    commands.register(
        app, resources, quiet=partial(configure_logs, "WARNING", config.log_format, sys.stderr)
    )
    return app


def prepare_database(config: "Config") -> str:
    """Start the embedded PostgreSQL if none is named, migrate, and return the database's URL."""
    url = driver_url(config.database_url or acquire(config.data_dir))
    engine = make_engine(url)
    try:
        migrate(engine)
    finally:
        engine.dispose()
    return url


def _database(app: Flask, config: "Config") -> Engine:
    """Let Flask-SQLAlchemy own the engine; the statements themselves are in `db`."""
    app.config["SQLALCHEMY_DATABASE_URI"] = prepare_database(config)
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = ENGINE_OPTIONS
    database = SQLAlchemy(app, model_class=Base)
    with app.app_context():
        engine: Engine = database.engine
    keep_sound(engine)
    return engine


def _resources(engine: Engine, config: "Config") -> Resources:
    with engine.begin() as connection:
        deployment = operations.setting(connection, "deployment_id", str(uuid4()))
    return Resources(
        engine=engine,
        # A compatible server may want no key, but the SDK insists on one.
        openai=OpenAIClient(
            api_key=config.openai_api_key or "none", base_url=config.openai_base_url
        ),
        prober=ImageProber(allowed_private=config.allowed_private_hosts),
        settings=config,
        deployment=deployment,
    )
