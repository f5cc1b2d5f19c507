"""The service while its PostgreSQL is away, and after it has come back.

A server of the test's own is stopped and started, or killed where it is the service's own. While it
is away every request is a 503 to be sent again; afterwards the same processes go on by themselves,
and the books balance.
"""

import os
import signal
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPConnection, IncompleteRead
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from generation_service.db.embedded import acquire
from generation_service.db.engine import driver_url
from tests import running
from tests.acceptance.client import Client, lot, sign
from tests.acceptance.traffic import Traffic
from tests.faults import accounts, invariants, snapshot
from tests.faults.processes import workers
from tests.integration import books
from tests.waiting import until

ANSWERED = range(200, 500)
HEALTH = {"health", "health/ready", "health/live"}


@dataclass(frozen=True)
class World:
    """A service and its PostgreSQL in `data`, of which the tests are users, too."""

    service: running.RunningService
    simulator: running.RunningSimulator
    photo: str
    data: Path

    @property
    def client(self):
        return Client(self.service)

    @cached_property
    def engine(self):
        return create_engine(driver_url(acquire(self.data)), poolclass=NullPool)

    @property
    def pid_file(self):
        return self.data / "postgres" / "postmaster.pid"

    def postmaster(self):
        """Its process id, 0 while the file is being written."""
        words = self.pid_file.read_text().split()
        return int(words[0]) if words else 0

    def stop_database(self):
        """In good order, which cuts all connections at once."""
        os.kill(self.postmaster(), signal.SIGINT)
        until(lambda: not self.pid_file.exists(), what="PostgreSQL has stopped")

    def start_database(self):
        acquire(self.data)

    def ended_job(self):
        job = self.client.job([lot("lot-0", self.photo), lot("lot-1", self.photo)], ["en", "ru"])
        self.client.finished(job)
        return job

    def rows(self, statement):
        with self.engine.connect() as connection:
            return list(connection.execute(text(statement)))


@contextmanager
def a_world(folder, photos, data, **environ):
    with running.simulator(folder, "--batch-seconds", "0") as simulator:
        complete = {
            "OPENAI_BASE_URL": simulator.base_url,
            "ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{photos.port}",
            "WEB_CONCURRENCY": "1",
            **environ,
        }
        with running.service(folder, complete) as service:
            yield World(service, simulator, photos.url("/1.jpg"), data)


@pytest.fixture(scope="module")
def world(folder, photos, tmp_path_factory):
    """To the service the server is somebody else's: it never starts it again."""
    data = tmp_path_factory.mktemp("database")
    with a_world(folder, photos, data, DATABASE_URL=acquire(data)) as started:
        yield started


def check_books(world, traffic):
    """All that was ordered is done, nothing was paid twice, and every failure was a clean 503."""
    until(lambda: not world.rows(books.UNFINISHED), seconds=60, what="every job has ended")
    seen = snapshot.take(world.engine)
    ledger = world.simulator.ledger()
    calls = sum(entry["kind"] != "batch" for entry in ledger)
    orders = Counter(answer.kind for answer in traffic.answers)["sync"]
    assert [
        *invariants.at_each_look(seen),
        *invariants.all_described(seen),
        *accounts.paid_twice(ledger),
        *accounts.wasted(seen, [entry for entry in ledger if entry["kind"] == "batch"]),
    ] == []
    assert calls <= 2 * orders
    accepted = {answer.document["job_id"] for answer in traffic.answers if answer.status == 201}
    assert accepted <= {str(job["id"]) for job in seen.jobs}


def check_answers(traffic):
    for answer in traffic.answers:
        assert answer.status in {*ANSWERED, 503}, answer
        if answer.status == 503 and answer.kind not in HEALTH:
            assert answer.document["error"] == "database_unavailable"
            assert int(answer.headers["Retry-After"]) > 0
    live = [answer.status for answer in traffic.answers if answer.kind == "health/live"]
    assert set(live) == {200}


def test_while_the_database_is_away_all_is_503_and_afterwards_all_goes_on(world):
    processes = workers(world.service)
    traffic = Traffic(world.service, world.photo, world.ended_job())
    with traffic.running():
        traffic.wait_until_all(ANSWERED, what="all is well")
        world.stop_database()
        traffic.wait_until_all({503}, what="every kind of request is a 503")
        world.start_database()
        traffic.wait_until_all(ANSWERED, what="every kind is answered again")
    world.service.wait_until_healthy()
    check_answers(traffic)
    check_books(world, traffic)
    assert workers(world.service) == processes


def test_its_own_database_killed_is_started_again_by_the_service(tmp_path, photos):
    data = tmp_path / "data"
    with a_world(tmp_path, photos, data, DATABASE_URL="", DATA_DIR=str(data)) as world:
        processes = workers(world.service)
        traffic = Traffic(world.service, world.photo, world.ended_job())
        with traffic.running():
            traffic.wait_until_all(ANSWERED, what="all is well")
            killed = world.postmaster()
            os.kill(killed, signal.SIGKILL)
            until(
                lambda: world.pid_file.exists() and world.postmaster() not in {0, killed},
                what="another",
            )
            traffic.wait_until_all(ANSWERED, what="every kind is answered again")
        world.service.wait_until_healthy()
        check_answers(traffic)
        check_books(world, traffic)
        assert workers(world.service) == processes


def test_a_result_cut_short_can_be_told_from_a_whole_one(world):
    """The answer has begun as a 200: it ends without its last chunk and without its last bytes."""
    job = big_job(world)
    url = urlsplit(world.service.base_url)
    connection = HTTPConnection(url.hostname, url.port, timeout=60)
    headers = {"X-Signature": sign(world.service.shared_key, job.encode())}
    connection.request("GET", f"/api/v1/batch-results/{job}", headers=headers)
    answer = connection.getresponse()
    assert answer.status == 200
    begun = answer.read(1_000)
    world.stop_database()
    with pytest.raises(IncompleteRead) as cut:
        answer.read()
    connection.close()
    world.start_database()
    world.service.wait_until_healthy()
    assert begun.startswith(b'{"job_id"')
    assert not cut.value.partial.endswith(b"]}}")
    assert len(world.client.results(job)[1]["results"]["lots"]) == BIG


BIG = 20_000
_BIG_JOB = """
    WITH job AS (
        INSERT INTO batch_jobs (id, client, status, version, languages, translations, lots_total,
                                lots_probed, lots_settled, lots_described, vision_completed,
                                completed_at)
        SELECT gen_random_uuid(), 'default', 'completed', '1.0.0', '{en}', '{}', n, n, n, n, n,
               now()
        FROM CAST(:lots AS int) AS n RETURNING id
    ), lots AS (
        INSERT INTO batch_lots (job_id, position, lot_id, image_urls, missing_images, status)
        SELECT id, place - 1, 'lot-' || place, '{}', '{}', 'completed'
        FROM job, generate_series(1, :lots) AS place RETURNING job_id, id
    )
    INSERT INTO descriptions (job_id, lot, kind, language, status, estimated_tokens, damages)
    SELECT job_id, id, 'vision', 'en', 'completed', 1, repeat('a dent ', 300) FROM lots
    RETURNING job_id
"""


def big_job(world):
    """An ended job whose results, 40 MB, don't fit into the buffers between reader and service."""
    with world.engine.begin() as connection:
        found = connection.execute(text(_BIG_JOB), {"lots": BIG})
        return str(found.scalars().first())


def test_with_all_connections_taken_by_others_it_is_a_503_until_they_leave(world):
    job = world.ended_job()
    others: list[Connection] = []

    def is_crowded_out():
        leave(others)
        world.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'generation-service'"
        )
        with suppress(OperationalError):
            while True:
                others.append(world.engine.connect())
        return any(status_code(world, job) == 503 for _ in range(3))

    until(is_crowded_out, what="no connection is left for the service")
    assert running.get(f"{world.service.base_url}/health/live")[0] == 200
    leave(others)
    world.service.wait_until_healthy()
    assert world.client.status(job)["status"] == "completed"


def status_code(world, job):
    headers = {"X-Signature": sign(world.service.shared_key, job.encode())}
    status, body = running.get(f"{world.service.base_url}/api/v1/batch-status/{job}", headers)
    assert status == 200 or b'"database_unavailable"' in body
    return status


def leave(others):
    while others:
        others.pop().close()
