"""GET /metrics: who may read it, and what it says while the database is away."""

from uuid import uuid4

import pytest
from sqlalchemy import make_url, text

from generation_service.db.engine import make_engine
from tests import exposition
from tests.integration.api_service import serving

TOKEN = "a token of Prometheus"
HERE, ELSEWHERE = "127.0.0.1", "192.0.2.1"
OPEN, CLOSED, WRONG = (200, None), (403, "metrics_not_open"), (401, "invalid_metrics_token")
RULES = [
    # token set, peer, headers, answer
    (None, HERE, {}, OPEN),
    (None, "127.8.9.1", {}, OPEN),
    (None, "::1", {"Host": "[::1]:5000"}, OPEN),
    (None, "::ffff:127.0.0.1", {"Host": "localhost:5000"}, OPEN),
    (None, HERE, {"Authorization": "Bearer of nothing"}, OPEN),
    (None, ELSEWHERE, {}, CLOSED),
    (None, "::ffff:192.0.2.1", {}, CLOSED),
    (None, "", {}, CLOSED),  # a socket in the file system: there is a proxy behind it
    (None, HERE, {"X-Forwarded-For": ELSEWHERE}, CLOSED),
    (None, HERE, {"X-Forwarded-For": HERE}, CLOSED),
    (None, HERE, {"X-Forwarded-For": ""}, CLOSED),
    (None, HERE, {"Forwarded": "for=192.0.2.1"}, CLOSED),
    (None, HERE, {"X-Real-IP": ELSEWHERE}, CLOSED),
    (None, HERE, {"Via": "1.1 proxy"}, CLOSED),
    (None, HERE, {"Host": "descriptions.example.com"}, CLOSED),
    (None, HERE, {"Host": "localhost.example.com"}, CLOSED),
    (TOKEN, HERE, {}, WRONG),
    (TOKEN, HERE, {"Authorization": "Bearer"}, WRONG),
    (TOKEN, HERE, {"Authorization": f"Basic {TOKEN}"}, WRONG),
    (TOKEN, HERE, {"Authorization": f"Bearer {TOKEN}!"}, WRONG),
    (TOKEN, HERE, {"Authorization": TOKEN}, WRONG),
    (TOKEN, HERE, {"Authorization": "Bearer ключ".encode().decode("latin-1")}, WRONG),
    (TOKEN, HERE, {"Authorization": f"Bearer {TOKEN}"}, OPEN),
    (TOKEN, ELSEWHERE, {"Authorization": f"bearer {TOKEN}"}, OPEN),
    (TOKEN, ELSEWHERE, {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": HERE}, OPEN),
]


def ask(service, peer=HERE, **headers):
    return service.client.get("/metrics", headers=headers, environ_base={"REMOTE_ADDR": peer})


@pytest.mark.parametrize(("token", "peer", "headers", "expected"), RULES)
def test_who_may_read_the_metrics(engine, token, peer, headers, expected):
    with serving(engine, metrics_token=token) as service:
        answer = ask(service, peer, **headers)
    assert (answer.status_code, (answer.json or {}).get("error")) == expected, answer.text


def test_a_proxy_that_only_its_old_protocol_gives_away_is_kept_out(engine):
    with serving(engine) as service:
        nginx = {"REMOTE_ADDR": HERE, "SERVER_PROTOCOL": "HTTP/1.0"}
        answer = service.client.get("/metrics", environ_overrides=nginx)
    assert (answer.status_code, answer.json["error"]) == CLOSED


def test_a_wrong_token_names_its_scheme_and_counts_against_its_address(engine):
    with serving(engine, metrics_token=TOKEN, rate_limit_bad_signatures=2) as service:
        answers = [ask(service) for _ in range(3)]
        good = ask(service, Authorization=f"Bearer {TOKEN}")
    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert answers[0].headers["WWW-Authenticate"] == "Bearer"
    assert good.status_code == 200


def test_who_is_refused_for_the_lack_of_a_token_is_told_of_it(engine):
    with serving(engine) as service:
        assert "METRICS_TOKEN" in ask(service, ELSEWHERE).json["message"]


def test_what_waits_is_told(engine):
    with serving(engine) as service:
        service.job(3)
        found = exposition.read(ask(service).text)
    assert found.value("database_up") == 1
    assert found.value("queue_depth", queue="images") == 3
    assert found.value("queue_oldest_seconds", queue="images") >= 0
    assert found.value("batch_jobs_under_way", status="pending") == 1
    assert found.value("openai_batches_open", api="vision", status="submitted") == 0


def test_while_the_database_is_away_the_processes_still_tell(engine, database_url):
    url = make_url(database_url).set(database=f"gone_{uuid4().hex}")
    gone = make_engine(url.render_as_string(hide_password=False))
    with serving(engine) as service:
        service.client.get("/health/live")
    with serving(gone) as service:
        answer = ask(service)
    assert answer.status_code == 200
    found = exposition.read(answer.text)
    assert found.value("database_up") == 0
    assert "queue_depth" not in found.families
    assert found.total("http_requests_total", route="/health/live") > 0
    assert exposition.faults(answer.text) == []


def test_a_database_that_hangs_is_not_waited_for(engine):
    with engine.begin() as connection, serving(engine) as service:
        connection.execute(text("LOCK TABLE batch_jobs IN ACCESS EXCLUSIVE MODE"))
        found = exposition.read(ask(service).text)
    assert found.value("database_up") == 0


def test_the_text_is_prometheus_own_and_kept_nowhere(engine):
    with serving(engine) as service:
        answer = ask(service)
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"


def test_paths_and_methods_of_strangers_make_no_series_of_their_own(engine):
    with serving(engine) as service:
        for number in range(3):
            service.client.open(f"/nothing/{number}", method=f"METHOD{number}")
        found = exposition.read(ask(service).text)
    series = [labels for name, labels in found.values if name == "http_requests_total"]
    assert not [labels for labels in series if "METHOD" in str(labels) or "nothing" in str(labels)]
    assert found.value("http_requests_total", method="other", route="unknown", status="404") >= 3
