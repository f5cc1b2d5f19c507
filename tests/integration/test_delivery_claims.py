"""Who may send what now: fairness between clients and hosts, over all processes."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import uuid4

import pytest
from sqlalchemy import text

from generation_service.core.limits import WEBHOOK_AHEAD, WEBHOOK_SLOTS_PER_CLIENT
from generation_service.core.status import DeliveryStatus
from generation_service.db import deliveries, delivery_claims
from generation_service.db.deliveries import Ended
from generation_service.db.delivery_claims import Room
from tests.integration.outbox import outbox
from tests.servers import LoopbackServer, Reply
from tests.waiting import until

OTHERS = WEBHOOK_SLOTS_PER_CLIENT * 3 // 4


@pytest.fixture
def box(engine):
    with outbox(engine) as running:
        yield running


def claim(box, *, token=None, limit=1_000, others=1_000, prompt=()):
    room = Room(limit=limit, others=others, prompt=prompt, first_delay=0)
    with box.resources.engine.begin() as connection:
        return delivery_claims.claim(connection, token or uuid4(), room)


def hosts(claimed):
    return Counter(delivery.host for delivery in claimed)


def urls(host, count):
    return [f"http://{host}/{number}" for number in range(count)]


def test_the_longest_due_come_first(box):
    ids = [box.delivery(box.job(f"http://h{number}.test/"))["id"] for number in range(4)]
    assert [delivery.id for delivery in claim(box, limit=3)] == ids[:3]


def test_a_host_that_may_hang_gets_four_at_once_and_a_prompt_one_more_ahead(box):
    box.job(*urls("slow.test", 40), *urls("quick.test", 40))
    claimed = claim(box, prompt=["quick.test:80"])
    assert hosts(claimed) == {"slow.test:80": 4, "quick.test:80": WEBHOOK_AHEAD}


def test_what_is_held_already_takes_its_places(box):
    box.job(*urls("slow.test", 10))
    token = uuid4()
    assert len(claim(box, token=token, limit=3)) == 3
    assert len(claim(box, token=token)) == 1
    assert claim(box, token=token) == []


def test_who_overslept_its_leases_gets_nothing_that_it_holds_already(box):
    """It may be sending it still; another process sends it as the same attempt."""
    box.delivery(box.job("http://h.test/"))
    token = uuid4()
    [held] = claim(box, token=token)
    with box.resources.engine.begin() as connection:
        overslept = "UPDATE webhook_deliveries SET lease_expires_at = now() - interval '1 s'"
        connection.execute(text(overslept))
    assert claim(box, token=token) == []
    [taken] = claim(box)
    assert (taken.id, taken.attempt) == (held.id, held.attempt)


def test_a_host_is_served_by_one_process_at_a_time(box):
    box.job(*urls("slow.test", 10))
    box.job("http://free.test/")
    assert len(claim(box, limit=1)) == 1
    assert hosts(claim(box)) == {"free.test:80": 1}
    box.expire_leases()
    assert hosts(claim(box)) == {"slow.test:80": 4, "free.test:80": 1}


def test_a_client_gets_a_quarter_of_the_slots(box):
    names = [f"h{number}.test" for number in range(200)]
    box.job(*(f"http://{name}/" for name in names), client="acme")
    box.job("http://beta.test/")
    claimed = claim(box, prompt=[f"{name}:80" for name in names])
    assert Counter(delivery.client for delivery in claimed) == {
        "acme": WEBHOOK_SLOTS_PER_CLIENT,
        "default": 1,
    }


def test_hosts_that_may_hang_leave_a_part_of_the_clients_slots_to_prompt_ones(box):
    box.job(*(f"http://h{number}.test/" for number in range(200)))
    box.job(*urls("quick.test", 10))
    token = uuid4()
    assert len(claim(box, token=token)) == OTHERS
    assert claim(box, token=token) == []
    assert hosts(claim(box, token=token, prompt=["quick.test:80"])) == {"quick.test:80": 10}


@pytest.mark.parametrize("others", [0, 2])
def test_what_a_process_has_left_for_hosts_that_may_hang_is_kept_to(box, others):
    box.job(*(f"http://h{number}.test/" for number in range(5)), *urls("quick.test", 3))
    claimed = claim(box, others=others, prompt=["quick.test:80"])
    assert len(claimed) == others + 3
    assert hosts(claimed)["quick.test:80"] == 3


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://Example.com/hook", "example.com:80"),
        ("HTTPS://example.com?x=1", "example.com:443"),
        ("https://example.com.:8443/a:b", "example.com:8443"),
        ("http://example.com:080/", "example.com:80"),
        ("http://[2001:db8::1]/", "[2001:db8::1]:80"),
        ("http://[2001:db8::1]:81/", "[2001:db8::1]:81"),
        ("not a url", ""),
    ],
)
def test_a_host_and_port_are_one_receiver_however_they_are_written(box, url, host):
    assert box.delivery(box.job(url))["host"] == host


def test_a_slow_receiver_delays_no_other(box):
    gate = Event()
    box.receiver.replies["/slow"] = Reply(held=gate)
    with LoopbackServer({"/quick": Reply()}) as quick, ThreadPoolExecutor(1) as pool:
        allowed = box.receiver.allowed | quick.allowed
        both = box.elsewhere(allowed_private_hosts=allowed)
        both.job(both.url("/slow"))
        running = pool.submit(both.deliver)
        box.receiver.wait_for_hits(1)
        job_id = both.job(quick.url("/quick"))
        until(lambda: both.delivery(job_id)["status"] == "delivered", what="the quick one arrives")
        assert not running.done()
        gate.set()


def test_two_processes_together_send_a_receiver_four_at_once(box):
    gate = Event()
    paths = [f"/hook/{number}" for number in range(12)]
    box.receiver.replies |= {path: Reply(held=gate) for path in paths}
    job_id = box.job(*map(box.url, paths))
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(process.deliver) for process in (box, box.elsewhere())]
        box.receiver.wait_for_hits(4)
        gate.set()
        worked = [future.result() for future in running]
    assert any(worked)
    statuses = box.rows("SELECT status FROM webhook_deliveries WHERE batch_job_id = :id", id=job_id)
    assert [row["status"] for row in statuses] == ["delivered"] * 12
    assert box.receiver.most_at_once == 4
    assert len(box.receiver.received) == 12


def test_what_a_killed_process_held_is_sent_by_another_under_the_same_number(box):
    job_id = box.job(box.url())
    assert len(claim(box)) == 1
    assert box.deliver() is False
    box.expire_leases()
    assert box.deliver()
    delivery = box.delivery(job_id)
    assert [attempt["attempt"] for attempt in box.attempts(delivery)] == [1]
    assert (delivery["status"], delivery["attempt_count"]) == ("delivered", 1)


def test_a_process_that_comes_back_too_late_records_nothing(box):
    job_id, token = box.job(box.url()), uuid4()
    (claimed,) = claim(box, token=token)
    box.expire_leases()
    box.deliver()
    late = Ended(
        delivery_id=claimed.id,
        attempt=1,
        status=DeliveryStatus.FAILED,
        retry_in=None,
        signature=None,
        seconds=1.0,
        status_code=500,
        error=None,
        response=None,
    )
    with box.resources.engine.begin() as connection:
        assert deliveries.record(connection, token, [late]) == set()
    assert box.delivery(job_id)["status"] == "delivered"


def test_a_claim_is_kept_for_as_long_as_it_is_renewed(box):
    box.job(box.url())
    token = uuid4()
    claim(box, token=token)
    box.rows("UPDATE webhook_deliveries SET lease_expires_at = now() + interval '1 s'")
    with box.resources.engine.begin() as connection:
        delivery_claims.renew(connection, token)
    (left,) = box.rows("SELECT lease_expires_at - now() AS lease FROM webhook_deliveries")
    assert left["lease"].total_seconds() > 15
