"""Every route is guarded or on a short list of open ones, and every route is documented."""

import re
from pathlib import Path

import pytest

from tests.events import SECRET
from tests.integration.api_service import OTHER_KEY, serving
from tests.integration.signed_routes import BY_OPENAI, OPEN, signed_routes

DOCUMENT = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.fixture
def service(engine):
    with serving(
        engine, rate_limit_bad_signatures=1_000_000, openai_webhook_secret=SECRET
    ) as service:
        yield service


def routes(service):
    """Path and method of every route of the API."""
    return {
        (rule.rule, method)
        for rule in service.app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static"
    }


def test_a_route_is_guarded_or_on_the_list_of_open_ones(service):
    guarded = signed_routes(service.app, service.job())
    assert len(guarded) + len(OPEN) + len(BY_OPENAI) == len(routes(service))
    for request in guarded:
        answers = [
            request.send(service, {}),
            request.send(service, {"X-Signature": "sha256=" + "0" * 64}),
            request.send(service, {"X-Signature": f"t=1,v2={'0' * 64}"}),
            request.by_scheme_1(service, OTHER_KEY),
            request.by_scheme_2(service, OTHER_KEY),
        ]
        found = {(answer.status_code, answer.json["error"]) for answer in answers}
        assert found == {request.refusal}, request


def test_what_is_open_tells_nothing_of_any_client(service):
    service.job(metadata={"order": "secret-order"})
    for path in OPEN:
        answer = service.client.get(path)
        assert (answer.status_code, "secret-order" in answer.text) == (200, False), path


def test_the_other_methods_of_guarded_routes_do_no_work(service):
    before = service.rows("batch_jobs")
    for request in signed_routes(service.app):
        options = service.client.open(request.target, method="OPTIONS")
        assert (options.status_code, options.data) == (200, b"")
        head = service.client.open(request.target, method="HEAD")
        assert head.status_code == (401 if request.method == "GET" else 405), request
        assert head.data == b""
    assert service.rows("batch_jobs") == before


def test_every_route_is_documented(service):
    documented = set(re.findall(r"(GET|POST|DELETE) (/[^`?]+)", DOCUMENT)) | {
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
        ("GET", "/api/v1/batch-results/{job_id}/download"),
    }
    served = {(method, re.sub("<(.*?)>", r"{\1}", path)) for path, method in routes(service)}
    assert served == documented
