"""No key, secret or password shows: not in logs, answers or webhooks, whatever goes wrong."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, make_url, text

from config import Config, ConfigError
from generation_service.core.signatures import canonical_json, sign
from generation_service.db.engine import driver_url
from tests import running
from tests.photos import photo_replies
from tests.running import RunningService, get, post
from tests.servers import LoopbackServer, Reply
from tests.waiting import until


def webhook_secret(name: str) -> str:
    return "whsec_" + base64.b64encode(f"marker-{name}-of-24-bytes-or-more".encode()).decode()


KEY = "marker-shared-key-of-32-characters-or-more"
ACME, ACME_OLD = (f"marker-acme-{age}-key-of-32-characters-or-more" for age in ("new", "old"))
OPENAI_KEY = "marker-openai-key"  # not every server's keys begin with sk-
PASSWORD = "marker-password"
SECRETS = {
    "SHARED_KEY": KEY,
    "CLIENT_KEYS": f"acme:{ACME}|{ACME_OLD}",
    "OPENAI_API_KEY": OPENAI_KEY,
    "WEBHOOK_SECRET": webhook_secret("webhook"),
    "WEBHOOK_SECRETS": f"acme:{webhook_secret('acme-webhook')}",
    "OPENAI_WEBHOOK_SECRET": webhook_secret("events"),
    "SESSION_SECRET": "marker-session-secret-of-32-characters-or-more",
    "METRICS_TOKEN": "marker-metrics-token",
}
PLAIN = [KEY, ACME, ACME_OLD, OPENAI_KEY, PASSWORD, SECRETS["SESSION_SECRET"]]
PLAIN += [SECRETS["METRICS_TOKEN"]]
HIDDEN = [
    "marker-",
    *(base64.b64encode(secret.encode()).decode()[:20] for secret in [*PLAIN, "marker-webhook-of"]),
    SECRETS["WEBHOOK_SECRET"],
    webhook_secret("acme-webhook"),
    SECRETS["OPENAI_WEBHOOK_SECRET"],
]


def found(output: str) -> list[str]:
    return [secret for secret in HIDDEN if secret in output]


def refusal(status: int) -> Reply:
    """An error that repeats the key, as some gateways have it."""
    message = f"Incorrect API key provided: {OPENAI_KEY} (Authorization: Bearer {OPENAI_KEY})"
    body = json.dumps({"error": {"message": message, "code": "invalid_api_key"}}).encode()
    return Reply(status=status, body=body, headers={"Content-Type": "application/json"})


@pytest.fixture(scope="module")
def outside() -> Iterator[LoopbackServer]:
    """Photos, an OpenAI that refuses everything, and a receiver that fails."""
    replies = {
        **photo_replies(),
        "/v1/chat/completions": refusal(401),
        "/v1/models": refusal(401),
        "/v1/files": refusal(400),
        "/hook": Reply(status=500, body=b"no"),
    }
    with LoopbackServer(replies) as server:
        yield server


@pytest.fixture(scope="module")
def service(tmp_path_factory, database_url, outside) -> Iterator[RunningService]:
    url = make_url(database_url)
    environ = {
        **SECRETS,
        "DATABASE_URL": url.set(password=url.password or PASSWORD).render_as_string(
            hide_password=False
        ),
        "OPENAI_BASE_URL": outside.url("/v1"),
        "ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{outside.port}",
        "WEBHOOK_RETRY_SECONDS": "0,0",
        "LOG_LEVEL": "DEBUG",
    }
    with running.service(tmp_path_factory.mktemp("service"), environ) as started:
        yield started


@dataclass(frozen=True)
class Asking:
    """A client that keeps every answer, with its status."""

    service: RunningService
    outside: LoopbackServer
    answers: list[str]

    def post(self, path: str, body: object, **headers: str) -> tuple[int, bytes]:
        answer = post(self.service.base_url + path, body, headers)
        self.answers.append(f"{answer[0]} {answer[1].decode()}")
        return answer

    def get(self, path: str, *, key: str = KEY, message: str | None = None) -> tuple[int, bytes]:
        headers = {"X-Signature": "sha256=" + sign(key, (message or path).encode())}
        answer = get(self.service.base_url + path, headers)
        self.answers.append(f"{answer[0]} {answer[1].decode()}")
        return answer

    def order(self, lots: int) -> tuple[int, bytes]:
        asked = [
            {
                "lot_id": f"lot-{number}",
                "images": [{"url": self.outside.url("/1.jpg")}],
                "webhook": self.outside.url("/hook"),
            }
            for number in range(lots)
        ]
        body = {"version": "1.0.0", "languages": ["en"], "lots": asked}
        signed = body | {"signature": sign(KEY, canonical_json(asked))}
        return self.post("/api/v1/generate-descriptions", signed)


def ask_badly(client: Asking) -> None:
    """Everything that a confused client may send, keys in the wrong places among it."""
    path = "/api/v1/generate-descriptions"
    client.post(path, b'{"lots": [')
    client.post(path, {"lots": [], "signature": KEY})
    client.post(path, {"lots": [], "signature": "sha256=" + sign(KEY, b"[]")})
    client.post(path, {"lots": []}, **{"X-Signature": f"t=1,v2={KEY}", "X-Client": ACME})
    client.get("/api/v1/batch-jobs", key="wrong")
    client.get("/api/v1/batch-jobs?limit=none")
    client.get("/nothing")
    client.get("/health")
    client.get("/metrics")
    client.get("/openapi.json")
    client.post("/openai/events", {"type": "batch.completed"}, **{"webhook-id": "wh_1"})


def follow_a_job(client: Asking) -> None:
    """A job that OpenAI refuses, until its webhook has failed for good."""
    job_id = json.loads(client.order(2)[1])["job_id"]

    def has_failed() -> bool:
        _, deliveries = client.get(f"/api/v1/batch-jobs/{job_id}/deliveries", message=job_id)
        return b'"failed"' in deliveries

    until(has_failed, seconds=60, what="the webhook has failed")
    client.get(f"/api/v1/batch-status/{job_id}", message=job_id)
    client.get(f"/api/v1/batch-results/{job_id}", message=job_id)


def lose_the_database(client: Asking, database_url: str) -> None:
    url = make_url(database_url)
    engine = create_engine(
        driver_url(url.set(database="postgres").render_as_string(hide_password=False)),
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
    )
    with engine.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false"))
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": url.database},
        )
    client.get("/api/v1/batch-jobs")
    until(lambda: client.get("/health")[0] == 503, what="health is 503")
    until(lambda: "stage_failed" in client.service.process.output(), what="a stage has failed")


@pytest.fixture(scope="module")
def heard(service, outside, database_url) -> Asking:
    """Every answer of a service that has met all kinds of failure."""
    client = Asking(service, outside, [])
    ask_badly(client)
    client.order(1)
    follow_a_job(client)
    lose_the_database(client, database_url)
    return client


def test_all_kinds_of_failure_were_met(heard):
    log = heard.service.process.output()
    events = ["request_failed", "openai_batch_failed", "webhook_attempt_failed"]
    events += ["openai_error", "webhook_failed"]
    events += ["openai_models_unknown", "database_unavailable", "stage_failed"]
    assert [event for event in events if event not in log] == []
    statuses = {answer[:3] for answer in heard.answers}
    assert {"200", "201", "400", "401", "403", "404", "500", "503"} <= statuses
    assert sum("Incorrect API key provided" in answer for answer in heard.answers) >= 2


def test_logs_hold_no_secret(heard):
    assert found(heard.service.process.output()) == []


def test_answers_hold_no_secret(heard):
    assert [found(answer) for answer in heard.answers if found(answer)] == []


def test_metrics_hold_no_secret(heard):
    headers = {"Authorization": f"Bearer {SECRETS['METRICS_TOKEN']}"}
    status, text = get(f"{heard.service.base_url}/metrics", headers)
    assert (status, b"openai_api_errors_total" in text) == (200, True)
    assert found(text.decode()) == []


def test_webhooks_hold_no_secret(heard):
    sent = [request for request in heard.outside.received if request.path == "/hook"]
    assert sent
    assert found(str(sent)) == []


WRONG = {
    "SHARED_KEY": "marker-short",
    "CLIENT_KEYS": "marker-key-without-a-client-of-32-characters",
    "WEBHOOK_SECRET": "marker-without-whsec",
    "WEBHOOK_SECRETS": "marker-without-a-client",
    "OPENAI_WEBHOOK_SECRET": "marker-without-whsec",
    "SESSION_SECRET": "marker-short",
    "OPENAI_API_KEY": "marker-ключ",
    "DATABASE_URL": "postgresql://user:marker-password@127.0.0.1:1,[::1/name",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_setting_that_is_wrong_is_named_and_not_shown(name):
    with pytest.raises(ConfigError) as refused:
        Config.from_env({**SECRETS, name: WRONG[name]})
    assert name in str(refused.value)
    assert found(str(refused.value)) == []


def test_a_config_keeps_its_secrets_to_itself():
    config = Config.from_env({**SECRETS, "DATABASE_URL": f"postgresql://u:{PASSWORD}@host/name"})
    assert found(repr(config) + str(config)) == []


def test_a_start_without_its_database_fails_and_shows_no_password():
    environ = {**SECRETS, "DATABASE_URL": f"postgresql://user:{PASSWORD}@127.0.0.1:1/name"}
    started = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **environ, "PORT": str(running.free_port())},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert started.returncode != 0
    assert "atabase" in started.stderr + started.stdout
    assert found(started.stderr + started.stdout) == []
