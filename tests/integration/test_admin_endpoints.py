"""The page of webhook endpoints: pausing, resuming and trying out a receiver by hand."""

import re
from uuid import uuid4

import pytest

from generation_service.api import slots
from tests.integration.admin_outbox import DELIVERIES, ENDPOINTS, desk
from tests.servers import Reply


@pytest.fixture
def office(engine):
    with desk(engine) as running:
        yield running


def urls(page):
    return re.findall(r'<span class="clip mono" title="([^"]+)">', page)


def test_no_endpoint_is_said_so(office):
    assert "No webhook was sent yet." in office.text(ENDPOINTS)


def test_paused_endpoints_come_first_then_failing_ones(office):
    box = office.box
    for path, status in (("/good", 200), ("/bad", 500), ("/gone", 410)):
        box.send(Reply(status=status), path=path)
    page = office.text(ENDPOINTS)
    assert urls(page) == [box.url("/gone"), box.url("/bad"), box.url("/good")]
    assert "answered 410" in page
    assert page.count(">Resume<") == 1
    assert page.count(">Pause<") == 2


def test_an_endpoint_that_an_operator_pauses_gets_nothing_until_it_is_resumed(office):
    box = office.box
    path = office.endpoint(box.send(Reply())["batch_job_id"])
    assert "Paused: its deliveries wait." in office.press(f"{path}/pause")
    waiting = box.send(Reply())
    assert (waiting["status"], waiting["attempt_count"]) == ("pending", 0)
    page = office.text(ENDPOINTS)
    assert "by an operator" in page
    assert '<td data-label="Waiting" class="number">1</td>' in page
    assert "It was paused already." in office.press(f"{path}/pause")
    assert "what waited is sent at once" in office.press(f"{path}/resume")
    box.deliver()
    assert box.delivery(waiting["batch_job_id"])["status"] == "delivered"


def test_its_owner_learns_why_it_is_paused(office):
    path = office.endpoint(office.box.send(Reply())["batch_job_id"])
    office.press(f"{path}/pause")
    (told,) = office.box.ask("/webhook-endpoints").json["endpoints"]
    assert (told["status"], told["paused_reason"]) == ("paused", "operator")


def test_a_sample_is_signed_and_its_outcome_told(office):
    path = office.endpoint(office.box.send(Reply(), client="acme")["batch_job_id"])
    office.box.receiver.replies["/hook"] = [Reply(), Reply(status=204)]
    page = office.press(f"{path}/sample")
    assert "answered the sample with 204 after" in page
    assert "which counts as failed" in page
    _, sample = office.box.received()
    assert sample.headers["webhook-signature"].startswith("v1,")


def test_a_sample_that_does_not_arrive_is_told_of(office):
    path = office.endpoint(office.box.send(Reply())["batch_job_id"])
    office.box.receiver.replies["/hook"] = Reply(reset=True)
    assert "The sample did not reach" in office.press(f"{path}/sample")


def test_a_sample_for_a_client_without_a_key_says_so(office):
    path = office.endpoint(office.box.send(Reply(), client="acme")["batch_job_id"])
    office.box.rows("UPDATE webhook_endpoints SET client = 'former'")
    assert "The client former has no key any more" in office.press(f"{path}/sample")


def test_samples_share_their_slots_with_the_api(office):
    path = office.endpoint(office.box.send(Reply())["batch_job_id"])
    with slots.of(office.app).sample():
        held = slots.of(office.app).samples
        taken = 0
        while held.acquire(blocking=False):
            taken += 1
        answer = office.pages.post(f"{path}/sample")
        held.release(taken)
    assert answer.status_code == 503
    assert "receivers are being tested already" in answer.text
    assert answer.headers["Retry-After"]


@pytest.mark.parametrize("action", ["pause", "resume", "sample"])
def test_an_endpoint_that_is_not_there_is_a_404(office, action):
    assert office.pages.post(f"{ENDPOINTS}/{uuid4()}/{action}").status_code == 404


def test_fifty_endpoints_make_a_page(office):
    office.box.rows(
        "INSERT INTO webhook_endpoints (client, url) SELECT 'default', 'https://example.com/' ||"
        " lpad(CAST(n AS text), 3, '0') FROM generate_series(1, 60) AS n"
    )
    first, second = office.text(ENDPOINTS), office.text(f"{ENDPOINTS}?page=2")
    assert (len(urls(first)), len(urls(second))) == (50, 10)
    assert "Page 1 of 2" in first
    assert urls(first) + urls(second) == sorted(urls(first) + urls(second))
    assert urls(office.text(f"{ENDPOINTS}?page=-1")) == urls(first)
    for beyond in ("99", "9" * 5_000):
        assert urls(office.text(f"{ENDPOINTS}?page={beyond}")) == urls(second)


@pytest.mark.parametrize("action", ["pause", "resume", "sample"])
def test_a_button_leads_back_to_the_page_that_it_was_on(office, action):
    office.box.rows(
        "INSERT INTO webhook_endpoints (client, url, paused_at) SELECT 'former', 'http://e/' || n,"
        " CASE WHEN n % 2 = 0 THEN now() END FROM generate_series(1, 160) AS n"
    )
    page = office.text(f"{ENDPOINTS}?page=2")
    button = re.search(rf'action="([^"]+/{action}[^"]*)"', page)
    assert button, page
    assert office.pages.post(button[1]).location == f"{ENDPOINTS}?page=2"


def test_paused_endpoints_are_marked_where_deliveries_are_listed(office):
    office.box.send(Reply(status=410))
    assert "1 paused" in office.text(DELIVERIES)
