"""The pages of webhook deliveries: all that was sent, every attempt, and sending it again."""

import re
from html import unescape
from uuid import uuid4

import pytest

from tests.integration.admin_outbox import DELIVERIES, desk
from tests.servers import Reply


@pytest.fixture
def office(engine):
    with desk(engine) as running:
        yield running


def listed(page):
    """The ids of the deliveries on a page of the list, from above."""
    return re.findall(r'<tr id="d-([0-9a-f-]{36})">', page)


def link(page, rel):
    """Where the page's link of this kind leads; "" if there is none."""
    found = re.findall(rf'rel="{rel}" href="([^"]+)"', page)
    return unescape(found[0]) if found else ""


def many(office, count):
    """So many deliveries, some made in the same moment; their ids, newest first."""
    job_id = office.box.job(office.box.url())
    office.box.rows(
        "INSERT INTO webhook_deliveries (batch_job_id, client, run, webhook_url, host, part, parts,"
        " first_position, last_position, created_at) SELECT batch_job_id, client, run, webhook_url,"
        " host, n, parts, 0, 0, created_at - n / 7 * interval '1 minute'"
        " FROM webhook_deliveries, generate_series(2, :count) AS n",
        count=count,
    )
    order = "SELECT id FROM webhook_deliveries WHERE batch_job_id = :id ORDER BY created_at DESC"
    return [str(row["id"]) for row in office.box.rows(f"{order}, id DESC", id=job_id)]


def test_nothing_sent_is_said_so(office):
    assert "Nothing was sent yet." in office.text(DELIVERIES)


def test_the_list_tells_of_each_delivery_newest_first(office):
    sent = office.box.send(Reply(status=500, body=b"no"), path="/broken")
    later = office.box.send(Reply())
    page = office.text(DELIVERIES)
    assert listed(page) == [str(later["id"]), str(sent["id"])]
    for words in (office.box.url("/broken"), "the receiver answered 500", "in ", "pending"):
        assert words in page
    assert f"/admin/jobs/{later['batch_job_id']}" in page
    assert '<td data-label="Attempts" class="number">1</td>' in page


@pytest.mark.parametrize("wanted", ["status=failed", "client=acme", "job={job}"])
def test_the_list_can_be_narrowed(office, wanted):
    office.box.send(Reply())
    one = office.box.send(Reply(status=410), path="/gone", client="acme")
    query = wanted.format(job=one["batch_job_id"])
    assert listed(office.text(f"{DELIVERIES}?{query}")) == [str(one["id"])]


def test_a_filter_that_nothing_meets_and_one_that_makes_no_sense_are_told_apart(office):
    office.box.send(Reply())
    page = office.text(f"{DELIVERIES}?client=nobody&job={uuid4()}")
    assert "No delivery is like that." in page
    page = office.text(f"{DELIVERIES}?job=lot-1")
    assert "01234567-89ab-cdef-0123-456789abcdef" in page
    assert 'value="lot-1"' in page
    assert listed(page) == []


@pytest.mark.parametrize(
    "query", ["status=nonsense", "older=x", "newer=2026-01-01_x", "client=%00", "client=%ED%A0%80"]
)
def test_nonsense_in_the_address_is_no_fault(office, query):
    assert office.pages.get(f"{DELIVERIES}?{query}").status_code == 200


def test_pages_follow_each_other_without_a_gap_both_ways(office):
    ids = many(office, 120)
    pages = [office.text(DELIVERIES)]
    while older := link(pages[-1], "next"):
        pages.append(office.text(older))
    assert [number for page in pages for number in listed(page)] == ids
    assert [len(listed(page)) for page in pages] == [50, 50, 20]
    assert listed(office.text(link(pages[2], "prev"))) == ids[50:100]
    assert not link(pages[0], "prev")


def test_near_the_top_newer_leads_to_the_whole_first_page(office):
    ids = many(office, 60)
    second = office.text(link(office.text(DELIVERIES), "next"))
    page = office.text(link(second, "prev"))
    assert listed(page) == ids[:50]
    assert not link(page, "prev")


def test_a_page_that_has_emptied_leads_to_the_newest(office):
    delivery = office.box.send(Reply())
    page = office.text(f"{DELIVERIES}?older=2000-01-01T00:00:00%2B00:00_{uuid4()}")
    assert "There are no older ones." in page
    assert listed(office.text(link(page, "prev"))) == [str(delivery["id"])]


def test_filters_stay_from_page_to_page(office):
    many(office, 60)
    older = link(office.text(f"{DELIVERIES}?client=default&status=pending"), "next")
    assert "client=default" in older
    assert "status=pending" in older


def test_the_live_part_is_only_the_list(office):
    office.box.send(Reply())
    part = office.pages.get(DELIVERIES, **{"HX-Request": "true"}).text
    assert part.lstrip().startswith('<div id="deliveries"')
    assert "<html" not in part


def test_every_attempt_is_told_and_an_answer_is_only_text(office):
    hostile = b"<script>alert('pwned')</script>" + b"x" * 2_000
    replies = [Reply(reset=True), Reply(status=500, body=hostile), Reply(status=201)]
    delivery = office.box.send(replies, path="/moody")
    office.box.deliver()
    office.box.deliver()
    page = office.text(f"{DELIVERIES}/{delivery['id']}")
    assert re.findall(r"Attempt (\d)</strong>", page) == ["3", "2", "1"]
    assert re.findall(r'status (?:delivered|failed)">(\d{3}|no answer)<', page) == [
        "201",
        "500",
        "no answer",
    ]
    assert "network_error" in page
    assert "&lt;script&gt;alert(&#39;pwned&#39;)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    assert page.count("x" * 900) == 1
    assert "x" * 1_000 not in page
    assert re.search(r"<span>\d+ ms</span>", page)


def test_an_operator_sends_a_delivery_again(office):
    delivery = office.box.send(Reply(status=410), path="/back-soon")
    office.box.rows("UPDATE webhook_endpoints SET paused_at = NULL")
    office.box.receiver.replies["/back-soon"] = Reply()
    page = office.press(f"{DELIVERIES}/{delivery['id']}/redeliver")
    assert "It is sent again" in page
    office.box.deliver()
    first, again = office.box.received("/back-soon")
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert "delivered" in office.text(f"{DELIVERIES}/{delivery['id']}")


def test_what_waits_for_a_paused_endpoint_says_so(office):
    office.box.send(Reply(status=410))
    waiting = office.box.send(Reply())
    page = office.text(DELIVERIES)
    assert "endpoint paused" in page
    assert "when resumed" in page
    assert "1 paused" in page
    assert "Its endpoint is paused" in office.text(f"{DELIVERIES}/{waiting['id']}")
    assert "once its endpoint is resumed" in office.press(f"{DELIVERIES}/{waiting['id']}/redeliver")


def test_a_delivery_that_is_not_there_is_a_404(office):
    assert office.pages.get(f"{DELIVERIES}/{uuid4()}").status_code == 404
    assert office.pages.post(f"{DELIVERIES}/{uuid4()}/redeliver").status_code == 404
    assert office.pages.get(f"{DELIVERIES}/nonsense").status_code == 404
