"""Every route is guarded, and every route is documented."""

import re
from pathlib import Path
from uuid import uuid4

import pytest

from tests.integration.api_service import serving

DOCUMENT = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
OPEN = {"/health", "/health/live", "/health/ready"}


@pytest.fixture
def service(engine):
    with serving(engine) as service:
        yield service


def routes(service):
    """Path and method of every route of the API."""
    return {
        (rule.rule, method)
        for rule in service.app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static"
    }


def test_unsigned_requests_are_refused_everywhere_but_health(service):
    for path, method in routes(service):
        target = path.replace("<job_id>", str(uuid4()))
        status = service.client.open(target, method=method, json={}).status_code
        assert status == 200 if path in OPEN else status in (401, 403), path


def test_every_route_is_documented(service):
    documented = set(re.findall(r"(GET|POST) (/[^`?]+)", DOCUMENT)) | {
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
        ("GET", "/api/v1/batch-results/{job_id}/download"),
    }
    served = {(method, re.sub("<(.*?)>", r"{\1}", path)) for path, method in routes(service)}
    assert served == documented
