"""GET /health and its two smaller siblings."""

import re

import pytest

from tests.integration.api_service import serving

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.mark.parametrize(
    ("database", "stages", "status"),
    [(True, True, 200), (False, True, 503), (True, False, 503), (False, False, 503)],
)
def test_health_says_what_is_wrong(engine, database, stages, status):
    with serving(engine, database_alive=database, stages_tick=stages) as service:
        answer = service.client.get("/health")
    document = dict(answer.json)
    assert TIME.fullmatch(document.pop("timestamp"))
    assert answer.status_code == status
    assert document == {
        "status": "healthy" if status == 200 else "unhealthy",
        "service": "generation-service",
        "version": "1.0.0",
        "database": "connected" if database else "disconnected",
        "background_worker": "running" if stages else "stopped",
    }


def test_ready_is_the_database_alone(engine):
    with serving(engine, stages_tick=False) as service:
        assert service.client.get("/health/ready").status_code == 200
    with serving(engine, database_alive=False) as service:
        assert service.client.get("/health/ready").status_code == 503


def test_live_touches_nothing(engine):
    with serving(engine, database_alive=False, stages_tick=False) as service:
        assert service.client.get("/health/live").status_code == 200
