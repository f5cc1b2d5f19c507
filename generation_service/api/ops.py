"""GET /health, /health/live and /health/ready (docs/api.md §9)."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from flask import Blueprint, Response

from generation_service.api.health import Pulse
from generation_service.api.responses import json_response
from generation_service.core.times import timestamp

SERVICE: Final = "generation-service"
VERSION: Final = "1.0.0"


def blueprint(*, database_alive: Callable[[], bool], stages_tick: Callable[[], bool]) -> Blueprint:
    """`database_alive` asks the database; `stages_tick` this process's stages."""
    routes = Blueprint("ops", __name__)
    database = Pulse(database_alive)
    stages = Pulse(stages_tick)

    @routes.get("/health")
    def health() -> Response:
        stages.ask()  # both at once: together they must not wait longer than one
        connected, running = database.beats(), stages.beats()
        healthy = connected and running
        document = _state(healthy=healthy) | {
            "database": "connected" if connected else "disconnected",
            "background_worker": "running" if running else "stopped",
        }
        return json_response(document, 200 if healthy else 503)

    @routes.get("/health/live")
    def live() -> Response:
        return json_response(_state(healthy=True))

    @routes.get("/health/ready")
    def ready() -> Response:
        connected = database.beats()
        document = _state(healthy=connected) | {
            "database": "connected" if connected else "disconnected"
        }
        return json_response(document, 200 if connected else 503)

    return routes


def _state(*, healthy: bool) -> dict[str, object]:
    return {
        "status": "healthy" if healthy else "unhealthy",
        "service": SERVICE,
        "timestamp": timestamp(datetime.now(UTC)),
        "version": VERSION,
    }
