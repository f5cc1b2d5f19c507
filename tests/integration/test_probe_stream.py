"""Probing goes on while lots are claimed and recorded, and whatever stops it, nothing is lost."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from threading import Event
from uuid import uuid4

import pytest
from sqlalchemy import event

from generation_service.clients.admission import Parking
from generation_service.clients.images import ImageProber
from generation_service.core.lots import Lot
from generation_service.db.engine import make_engine
from generation_service.pipeline import probe
from tests.integration.stages import go_on, stages
from tests.servers import LoopbackServer
from tests.waiting import until

PENDING = "SELECT lot_id, lease_token FROM batch_lots WHERE status = 'pending' ORDER BY position"
PROBED = "SELECT 1 FROM image_probes WHERE reachable"
TAKE_OVER = "lease_token = '{}', lease_expires_at = now() + interval '1 hour'"


@pytest.fixture
def world(engine):
    with stages(engine) as running:
        yield running


@pytest.fixture
def gate(world):
    """Opens the photos named /held."""
    opened = Event()
    world.photos.replies["/held"] = replace(world.photos.replies["/1.jpg"], held=opened)
    yield opened
    opened.set()


@contextmanager
def probing(world, beat=go_on):
    """A tick in a thread of its own; what it returned once the block has ended."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(probe.tick, world.resources, beat)


def lots(world, count, path="/1.jpg?{}"):
    return [world.lot(f"{path} {n}", path.format(n)) for n in range(count)]


def pending(world):
    return [row["lot_id"] for row in world.rows(PENDING)]


def let_leases_expire(world):
    for table in ("batch_lots", "image_probes"):
        world.execute(f"UPDATE {table} SET lease_expires_at = now() WHERE lease_token IS NOT NULL")


def expect_each_photo_once(world, count):
    paths = [request.path for request in world.photos.received]
    assert len(paths) == len(set(paths)) == count


def test_lots_are_recorded_while_the_photos_of_others_are_on_their_way(world, gate):
    world.accept([world.lot("slow", "/held"), *lots(world, 20)], ["en"])
    with probing(world) as ticked:
        until(lambda: pending(world) == ["slow"], what="all but one lot recorded")
        assert world.photos.open_requests == 1
        gate.set()
    assert ticked.result()
    assert pending(world) == []


def test_a_job_that_comes_meanwhile_is_probed_meanwhile(world, gate):
    world.accept([world.lot("slow", "/held"), world.lot("same", "/held")], ["en"])
    with probing(world) as ticked:
        world.photos.wait_for_hits(1)
        job_id = world.accept(lots(world, 2), ["en"])
        until(lambda: world.job(job_id).images.completed == 2, what="the second job probed")
        gate.set()
    assert ticked.result()


def test_a_killed_prober_loses_only_what_it_had_not_recorded(world, gate):
    world.accept([*lots(world, 30), *lots(world, 5, "/held?{}")], ["en"])
    url = world.resources.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "tests.integration.lone_prober", url, str(world.photos.port)]
    with subprocess.Popen(command) as lone:
        until(lambda: len(world.rows(PROBED)) == 30, what="the quick photos recorded")
        lone.kill()
    gate.set()
    let_leases_expire(world)
    probe.tick(world.resources, go_on)
    assert pending(world) == []
    assert [world.photos.hits(f"/1.jpg?{n}") for n in range(30)] == [1] * 30
    assert [world.photos.hits(f"/held?{n}") for n in range(5)] == [2] * 5


@contextmanager
def slow_database(world, seconds):
    """The same one, with a pause before every transaction."""
    engine = make_engine(world.resources.engine.url.render_as_string(hide_password=False))

    def pause(_connection):
        over = time.monotonic() + seconds
        until(lambda: time.monotonic() > over, what="the pause is over")

    event.listen(engine, "begin", pause)
    yield engine
    engine.dispose()


def test_however_slow_the_database_photos_that_can_be_had_are_reachable(world):
    """Each transaction takes longer than a photo may take to connect; several claims are due."""
    world.accept([world.lot(f"lot-{n}", "/1.jpg") for n in range(1_500)], ["en"])
    prober = ImageProber(allowed_private=world.photos.allowed, connect_seconds=0.55)
    with slow_database(world, 0.6) as engine:
        probe.tick(replace(world.resources, engine=engine, prober=prober), go_on)
    assert len(world.rows(PROBED)) == 1
    assert pending(world) == []


def test_two_at_once_ask_for_each_photo_once(world):
    """Every lot shares a photo with its neighbour, and all share one."""
    photos = [("/1.jpg?all", f"/1.jpg?{n}", f"/1.jpg?{n + 1}") for n in range(300)]
    world.accept([world.lot(f"lot-{n}", *some) for n, some in enumerate(photos)], ["en"])
    prober = ImageProber(allowed_private=world.resources.settings.allowed_private_hosts)
    other = replace(world, resources=replace(world.resources, prober=prober))
    while pending(world):
        with probing(world), probing(other):
            pass
    expect_each_photo_once(world, 302)


def test_two_jobs_with_the_same_photos_are_both_told(world):
    jobs = [world.accept(lots(world, 5), ["en"]) for _ in range(2)]
    probe.tick(world.resources, go_on)
    assert [world.job(job_id).images.completed for job_id in jobs] == [5, 5]
    assert len(world.rows(PROBED)) == 10


def test_who_has_lost_its_lease_is_refused(world, gate):
    world.accept([world.lot("taken", "/held"), world.lot("kept", "/held?2")], ["en"])
    thief = TAKE_OVER.format(uuid4())
    with probing(world):
        world.photos.wait_for_hits(2)
        world.execute(f"UPDATE batch_lots SET {thief} WHERE lot_id = 'taken'")
        world.execute(
            f"UPDATE image_probes SET {thief} WHERE url_hash IN (SELECT"
            " CAST(md5(image_urls[1]) AS uuid) FROM batch_lots WHERE lot_id = 'taken')"
        )
        gate.set()
    assert pending(world) == ["taken"]
    assert len(world.rows(PROBED)) == 1
    (job,) = world.rows("SELECT lots_probed, images_completed FROM batch_jobs")
    assert (job["lots_probed"], job["images_completed"]) == (1, 1)


def test_told_to_stop_it_stops_at_once_and_keeps_what_it_knows(world, gate):
    world.accept([world.lot("both", "/1.jpg?a", "/held"), world.lot("quick", "/1.jpg?b")], ["en"])
    stopping = Event()
    with probing(world, lambda: not stopping.is_set()) as ticked:
        world.photos.wait_for_hits(3)
        until(lambda: pending(world) == ["both"], what="the quick lot recorded")
        stopping.set()
        assert ticked.result(timeout=10)
    assert world.photos.open_requests == 1
    gate.set()
    probe.tick(world.resources, go_on)
    assert pending(world) == []
    assert [world.photos.hits(path) for path in ("/1.jpg?a", "/1.jpg?b", "/held")] == [1, 1, 2]


class Patience:
    """A clock that stands still until it is set forward."""

    now = 1_000.0

    def __call__(self):
        return self.now


def test_a_dead_host_holds_up_neither_its_process_nor_the_lots_of_others(world):
    with LoopbackServer() as closed:
        pass
    clock = Patience()
    allowed = world.photos.allowed | closed.allowed
    prober = ImageProber(allowed_private=allowed, max_per_host=10, parking=Parking(clock))
    patient = replace(world, resources=replace(world.resources, prober=prober))
    dead = [Lot(lot_id=f"dead {n}", image_urls=(closed.url(f"/{n}"),)) for n in range(200)]
    world.accept([*dead, *lots(world, 20)], ["en"])
    probe.tick(patient.resources, go_on)  # it doesn't wait for the 60 s to be over
    parked = world.rows(PENDING)
    assert all(lot["lot_id"].startswith("dead") for lot in parked)
    assert 200 - 60 <= len(parked) <= 200 - 50
    assert {lot["lease_token"] for lot in parked} == {None}
    clock.now += 60
    world.execute("UPDATE batch_lots SET lease_expires_at = now() WHERE status = 'pending'")
    probe.tick(patient.resources, go_on)
    assert pending(world) == []
    reasons = [row["reason"] for row in world.rows("SELECT reason FROM image_probes")]
    assert reasons.count("host_parked") >= 200 - 120


def test_a_photo_that_another_process_probes_is_waited_for_in_its_row(world):
    world.accept([world.lot("shared", "/1.jpg?a", "/1.jpg?b"), *lots(world, 1)], ["en"])
    elsewhere = TAKE_OVER.format(uuid4())
    url = world.photos.url("/1.jpg?a")
    world.execute(
        "INSERT INTO image_probes (job_id, url_hash) SELECT id, "
        f"CAST(md5('{url}') AS uuid) FROM batch_jobs"
    )
    world.execute(f"UPDATE image_probes SET {elsewhere}")
    assert probe.tick(world.resources, go_on)
    assert pending(world) == ["shared"]
    world.execute(
        "UPDATE image_probes SET reachable = true, lease_token = NULL WHERE reachable IS NULL"
    )
    until(lambda: not probe.tick(world.resources, go_on) and not pending(world), what="the lot")
    assert world.photos.hits("/1.jpg?a") == 0
    assert world.photos.hits("/1.jpg?b") == 1
