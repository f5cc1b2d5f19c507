"""Requests while the database fails, at every statement of every request in turn.

Whatever fails, the client reads a 503 `database_unavailable` with Retry-After, and the same request
sent again is answered as if nothing had happened: nothing is half-written, held, or paid twice.
"""

import json
from functools import partial
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from generation_service.db.availability import is_writable
from generation_service.db.engine import ENGINE_OPTIONS
from generation_service.pipeline.transactions import transaction
from tests.integration.api_service import OTHER_KEY, serving
from tests.integration.saboteur import Fault, Saboteur
from tests.integration.signed_routes import signed_routes
from tests.servers import Reply

CHAT = "/v1/chat/completions"
PHOTO = "/photo.png"


@pytest.fixture
def service(engine):
    with serving(engine, image_threshold=0.5) as service:
        yield service


SOME = (Fault.CUT, Fault.UNTOLD, Fault.DISK_FULL)


@pytest.fixture(params=SOME, ids=lambda fault: fault.name.lower())
def saboteur(service, request):
    return Saboteur(service.engine, request.param)


def is_a_503(answer):
    document = json.loads(answer.data)
    assert (answer.status_code, document["error"]) == (503, "database_unavailable"), answer.text
    assert document.keys() == {"error", "message"}
    return int(answer.headers["Retry-After"]) > 0


def answers(saboteur, what, send, *, before=lambda: None):
    """Send until nothing fails: all answers, of which those to a failure are checked."""
    given = []
    while True:
        before()
        with saboteur.attempt(what):
            answer = send()
        given.append(answer)
        if not saboteur.struck:
            return given
        assert answer.status_code < 300 or is_a_503(answer), saboteur.struck


def statuses(given):
    return [answer.status_code for answer in given]


def count(service, statement):
    return service.run(statement).scalar_one()


@pytest.mark.parametrize("saboteur", Fault, ids=lambda fault: fault.name.lower(), indirect=True)
def test_every_route_says_503_and_comes_back(service, saboteur):
    """With a job of its own each, as one of them deletes it; a 404 or 409 is an answer as well."""
    routes = signed_routes(service.app)
    assert len(routes) > 10
    for number in range(len(routes)):
        route = signed_routes(service.app, service.job())[number]
        given = answers(saboteur, f"{route.method} {number}", partial(route.by_scheme_2, service))
        assert given[-1].status_code < 500, given[-1].text
        if saboteur.fault is not Fault.UNTOLD:
            assert set(statuses(given[:-1])) == {503}, route


# Strangers are counted in one statement: there is no commit that could go untold.
@pytest.mark.parametrize(
    "saboteur", [Fault.CUT, Fault.DISK_FULL], ids=lambda fault: fault.name.lower(), indirect=True
)
def test_a_stranger_reads_a_503_too(service, saboteur):
    [route] = [r for r in signed_routes(service.app) if r.target == "/api/v1/batch-jobs"]
    given = answers(saboteur, "stranger", partial(route.by_scheme_2, service, OTHER_KEY))
    assert (given[0].status_code, given[-1].status_code) == (503, 401)


def test_a_job_is_accepted_once(service, saboteur):
    """Also when its 201 is lost with the commit: the repetition finds the job by its contents."""
    order = partial(service.generate, service.lot(1), service.lot(2), languages=["en", "de"])
    given = answers(saboteur, "order", order)
    assert given[0].status_code == 503
    assert given[-1].status_code == 201
    assert (service.rows("batch_jobs"), service.rows("batch_lots")) == (1, 2)


def test_the_answer_of_a_job_whose_commit_was_not_told_is_replayed(service, engine):
    saboteur = Saboteur(engine, Fault.UNTOLD)
    order = partial(service.generate, service.lot(1), service.lot(2), key="order-7")
    given = answers(saboteur, "order", order)
    assert given[-1].headers["Idempotent-Replayed"] == "true"
    assert given[-1].json["job_id"] == str(count(service, "SELECT id FROM batch_jobs"))


def test_a_lot_is_described_and_paid_once(service, saboteur):
    """An answer that could not be kept at once is kept a moment later: it is paid for.

    Where the claim was committed and nobody told, the repetition waits for the end of its lease.
    """
    leases = "UPDATE idempotency_keys SET lease_expires_at = now() - interval '1 s'"
    order = partial(service.generate, service.lot(), languages=["en", "de"])
    given = answers(saboteur, "order", order, before=partial(service.run, leases))
    assert given[0].status_code == 503
    assert given[-1].status_code == 200
    assert service.outside.hits(CHAT) == 2
    assert count(service, "SELECT state FROM idempotency_keys") == "done"


def test_an_order_that_was_not_let_in_is_not_asked_of_openai(service, saboteur):
    """When the release fails after the refusal, the client reads the refusal; the lease ends."""
    service.outside.replies[PHOTO] = Reply(status=404)
    given: list[Any] = []
    while not given or saboteur.struck:
        service.run("DELETE FROM idempotency_keys")
        with saboteur.attempt("order"):
            given.append(service.generate(service.lot()))
    assert is_a_503(given[0])
    assert all(answer.status_code == 400 or is_a_503(answer) for answer in given)
    assert given[-1].json["error"] == "too_many_unreachable_images"
    assert service.outside.hits(CHAT) == 0


@pytest.fixture
def ended(service):
    """A cancelled job with a delivery, and the endpoint it is for."""
    webhook = service.outside.url(PHOTO)
    answer = service.generate(*(service.lot(n, webhook=webhook) for n in (1, 2)), key="ended")
    job = answer.json["job_id"]
    service.ask("/batch-jobs/{job_id}/cancel", job, method="POST")
    endpoint = count(
        service,
        "INSERT INTO webhook_endpoints (id, client, url)"
        " SELECT gen_random_uuid(), client, webhook_url FROM webhook_deliveries RETURNING id",
    )
    return job, count(service, "SELECT id FROM webhook_deliveries"), endpoint


def test_webhooks_are_sent_again_and_resumed_once_the_database_is_back(service, saboteur, ended):
    job, delivery, endpoint = ended
    path = f"/batch-jobs/{{job_id}}/deliveries/{delivery}/redeliver"
    again = answers(saboteur, "redeliver", partial(service.ask, path, job, method="POST"))
    assert (again[0].status_code, again[-1].status_code) == (503, 202)
    for action in ("resume", "test"):
        target = f"/api/v1/webhook-endpoints/{endpoint}/{action}"
        [route] = [
            r
            for r in signed_routes(service.app)
            if r.target.startswith("/api/v1/webhook-endpoints/") and r.target.endswith(action)
        ]
        send = partial(type(route)("POST", target, job).by_scheme_2, service)
        assert statuses(answers(saboteur, action, send))[-1] == 200


def test_photos_are_checked_once_the_database_is_back(service, saboteur):
    urls = [service.outside.url(PHOTO)]

    def send():
        return service.client.post(
            "/api/v1/test-image-validation",
            json={"urls": urls, "signature": service.signed(urls)["signature"]},
        )

    assert answers(saboteur, "photos", send)[-1].json["threshold_met"]


COPY_FAULTS = {
    "disk_full": "RAISE 'no space left' USING ERRCODE = '53100'",
    "too_slow": "RAISE 'canceled' USING ERRCODE = '57014'",
    "cut": "PERFORM pg_terminate_backend(pg_backend_pid())",
    "deadlock": "RAISE 'deadlock' USING ERRCODE = '40P01'",
}


@pytest.mark.parametrize("fault", COPY_FAULTS.values(), ids=COPY_FAULTS)
def test_lots_that_cannot_all_be_copied_leave_none(service, fault):
    """COPY goes past SQLAlchemy to the driver, whose errors are not SQLAlchemy's."""
    service.run(
        f"CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {fault};"
        " RETURN NEW; END $$"
    )
    service.run(
        "CREATE TRIGGER fail BEFORE INSERT ON batch_lots FOR EACH ROW"
        " WHEN (NEW.position = 700) EXECUTE FUNCTION fail()"
    )
    try:
        lots = [service.lot(number) for number in range(900)]
        assert is_a_503(service.generate(*lots))
        assert (service.rows("batch_jobs"), service.rows("idempotency_keys")) == (0, 0)
    finally:
        service.run("DROP TRIGGER fail ON batch_lots")
        service.run("DROP FUNCTION fail")
    assert service.engine.pool.checkedout() == 0
    assert service.generate(*lots).status_code == 201


def test_a_fault_of_ours_stays_a_500(service):
    """A table that is not there is no outage: nobody is told to try again."""
    service.run("ALTER TABLE batch_jobs RENAME TO elsewhere")
    try:
        answer = service.target("/batch-jobs")
    finally:
        service.run("ALTER TABLE elsewhere RENAME TO batch_jobs")
    assert (answer.status_code, answer.json["error"]) == (500, "internal_error")
    assert "Retry-After" not in answer.headers


@pytest.mark.usefixtures("engine")
def test_a_pool_used_up_is_a_503_and_no_hang(database_url):
    tight = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.1}
    small = create_engine(database_url, **{**ENGINE_OPTIONS, **tight})
    with serving(small) as service:
        job = service.job()
        routes = signed_routes(service.app, job)
        with small.connect():
            for route in routes:
                assert is_a_503(route.by_scheme_1(service))
            assert is_a_503(service.generate(service.lot(), service.lot(2)))
            assert is_a_503(service.generate(service.lot()))
        assert service.ask("/batch-status/{job_id}", job).status_code == 200
        assert service.outside.hits(CHAT) == 0
    small.dispose()


def test_a_read_only_server_is_no_healthy_one(engine):
    with engine.begin() as connection:
        connection.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
    assert [is_writable(engine), is_writable(engine)] == [False, True]


def test_stages_don_t_wait_for_ever_for_a_row_that_somebody_holds(engine):
    show = text("SHOW lock_timeout")
    waits = transaction(engine, lambda connection: connection.execute(show).scalar_one())
    assert waits == "1min"
    with engine.begin() as connection:
        assert connection.execute(show).scalar_one() == "0"


def test_a_read_only_server_is_left_for_the_new_primary(service, engine):
    """After a failover the old primary may still answer; its connections must not be kept."""
    with engine.begin() as connection:
        before = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        connection.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
    assert is_a_503(service.target("/batch-jobs"))
    assert service.target("/batch-jobs").status_code == 200
    with engine.begin() as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() != before
