"""What an operator does on a working day, in a real browser."""

import json
import re

from playwright.sync_api import expect

from tests.servers import Reply
from tests.waiting import until

ENDED_WITHIN = 30_000


def test_an_operator_works_through_a_day(world, visitor):
    failing = job_that_fails(world)
    log_in(visitor)
    filter_by_status(visitor, failing)
    moving = world.client.job(world.lots(3), ["en", "ru", "de"])
    watch_to_the_end(visitor, moving)
    read_two_languages(visitor, moving)
    cancel_another(visitor)
    retry_what_failed(visitor, failing)
    redeliver_a_webhook(visitor, failing)
    log_out(visitor)
    photos = f"127.0.0.1:{world.photos.port}"
    assert visitor.hosts == {world.service.base_url.removeprefix("http://"), photos}
    refused = [complaint for complaint in visitor.complaints if "/admin/login" in complaint]
    assert visitor.complaints == refused, "nothing but the wrong password"
    visitor.complaints.clear()


def job_that_fails(world):
    lots = world.lots(2)
    for lot in lots:
        lot["images"] = [{"url": world.photos.url("/later.jpg")}]
    job_id = world.client.job(lots)
    assert world.client.finished(job_id)["status"] == "failed"
    return job_id


def log_in(visitor):
    visitor.open("/admin/jobs")
    visitor.log_in("a wrong guess")
    expect(visitor.page.get_by_role("alert")).to_have_text("The password is wrong.")
    visitor.log_in()
    expect(visitor.page.get_by_role("heading", name="Jobs")).to_be_visible()


def filter_by_status(visitor, failing):
    page = visitor.page
    page.get_by_label("Status").get_by_role("link", name="Completed").click()
    expect(page.get_by_text("No job matches.")).to_be_visible()
    page.get_by_label("Status").get_by_role("link", name="Failed").click()
    expect(row(page, failing)).to_be_visible()
    page.get_by_label("Job id").fill(failing[:6])
    page.get_by_role("button", name="Search").click()
    expect(row(page, failing)).to_contain_text("2 failed")
    page.get_by_role("link", name="Clear").click()


def watch_to_the_end(visitor, moving):
    page = visitor.page
    visitor.open("/admin/jobs")
    visitor.mark()
    seen = []

    def has_ended():
        completed = row(page, moving).get_by_text("completed").count()
        value = int(row(page, moving).get_by_role("progressbar").get_attribute("value"))
        seen.extend([value] if value not in seen else [])
        return completed

    until(has_ended, seconds=30, what="the job's row says that it is completed")
    assert seen == sorted(seen)
    assert len(seen) > 1, "the bar has moved"
    assert seen[-1] == 1000
    assert visitor.is_marked(), "without loading the page anew"


def read_two_languages(visitor, job_id):
    page = visitor.page
    row(page, job_id).get_by_role("link").click()
    page.get_by_label("Beside English").select_option(label="German (de)")
    page.get_by_role("button", name="Show").click()
    lot = page.get_by_role("article").first
    expect(lot.locator("[lang=en]")).to_contain_text("photos received")
    expect(lot.locator("[lang=de]")).to_contain_text("[de]")
    photo = lot.get_by_role("img").first
    expect(photo).to_have_attribute("referrerpolicy", "no-referrer")
    assert until(lambda: photo.evaluate("image => image.naturalWidth"), what="the photo is there")


def cancel_another(visitor):
    page, world = visitor.page, visitor.world
    world.photos.replies["/slow.jpg"] = Reply(hang=True)
    lots = world.lots(2)
    lots[0]["images"] = [{"url": world.photos.url("/slow.jpg")}]
    job_id = world.client.job(lots)
    visitor.open(f"/admin/jobs/{job_id}")
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.get_by_text("The job is cancelled.")).to_be_visible()
    assert world.client.status(job_id)["status"] == "cancelled"


def retry_what_failed(visitor, failing):
    page, photos = visitor.page, visitor.world.photos
    photos.replies["/later.jpg"] = photos.replies["/red-sedan-rear.jpg"]
    visitor.open(f"/admin/jobs/{failing}")
    expect(page.get_by_text("its host answered 404").first).to_be_visible()
    page.get_by_role("button", name="Retry 2 failed lots").click()
    expect(page.get_by_text("Run 2 has begun with 2 lots")).to_be_visible()
    visitor.mark()
    expect(page.locator("#job .status.completed").first).to_be_visible(timeout=ENDED_WITHIN)
    expect(page.get_by_role("article").first.locator("[lang=en]")).to_contain_text("1 photo")
    assert visitor.is_marked(), "without loading the page anew"


def redeliver_a_webhook(visitor, job_id):
    page, receiver = visitor.page, visitor.world.receiver
    page.get_by_role("link", name="See them").click()
    page.get_by_role("table").get_by_role("link", name="/webhook").first.click()
    expect(page.get_by_text("Attempt 1")).to_be_visible()
    before = receiver.hits("/webhook")
    page.get_by_role("button", name="Redeliver").click()
    expect(page.get_by_text("Attempt 2")).to_be_visible(timeout=ENDED_WITHIN)
    assert receiver.hits("/webhook") == before + 1
    assert json.loads(receiver.received[-1].body)["job_id"] == job_id


def log_out(visitor):
    page = visitor.page
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(re.compile("/admin/login"))
    visitor.open("/admin/jobs")
    expect(page.get_by_label("Password")).to_be_visible()


def row(page, job_id):
    return page.locator(f"[id='job-{job_id}']")
