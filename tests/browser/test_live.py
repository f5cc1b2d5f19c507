"""Live parts change under people's hands without taking anything out of them."""

from uuid import UUID

from playwright.sync_api import expect

from tests.waiting import until

POLL = "00:31"
"""Longer than any part of a page waits for its next poll."""


def polls(visitor, part):
    """Wait for two more polls of a part of the page."""
    for _ in range(2):
        with visitor.page.expect_response(lambda answer: part in answer.url):
            pass


def all_delivered(world):
    pending = "SELECT count(*) FROM webhook_deliveries WHERE status = 'pending'"
    until(lambda: world.run(pending).scalar_one() == 0, what="webhooks are delivered")


def test_a_running_job_leaves_focus_and_opened_things_alone(world, operator):
    page = operator.page
    job_id = world.client.job(world.lots(3), ["en", "ru"])
    operator.open(f"/admin/jobs/{job_id}")
    words = page.locator("#words-0")
    words.locator("summary").click()
    page.get_by_label("Lot id").fill("24-1")
    page.get_by_label("Status").select_option("completed")
    page.get_by_label("Lot id").focus()
    expect(page.locator("#job .status.completed").first).to_be_visible(timeout=30_000)
    expect(words).to_have_attribute("open", "")
    expect(page.get_by_label("Lot id")).to_have_value("24-1")
    expect(page.get_by_label("Status")).to_have_value("completed")
    expect(page.get_by_label("Lot id")).to_be_focused()


def test_a_link_keeps_the_focus_while_the_list_is_polled(world, operator):
    page = operator.page
    world.client.job(world.lots(2), ["en", "ru"])
    operator.open("/admin/jobs")
    link = page.get_by_role("table").get_by_role("link").first
    link.focus()
    polls(operator, "/admin/jobs")
    expect(link).to_be_focused()


def test_a_new_job_shows_up_by_itself(world, operator):
    operator.open("/admin/jobs")
    operator.mark()
    job_id = world.client.job(world.lots(2), ["en"])
    shown = operator.page.locator(f"[id='job-{job_id}']")
    expect(shown).to_be_visible(timeout=20_000)
    assert operator.is_marked()


def test_polling_ends_with_the_job_and_its_webhooks(world, operator):
    job_id = world.finished_job(2, ("en",))
    all_delivered(world)
    operator.open(f"/admin/jobs/{job_id}")
    expect(operator.page.locator("#job")).not_to_have_attribute("hx-trigger", "every 2s")


def test_a_session_that_ended_elsewhere_leads_to_the_login(world, operator):
    world.client.job(world.lots(2), ["en", "ru"])
    operator.open("/admin/jobs")
    world.run("DELETE FROM admin_sessions")
    expect(operator.page.get_by_label("Password")).to_be_visible(timeout=20_000)
    operator.complaints.clear()  # of the poll that was refused


def test_a_form_goes_on_working_after_a_login_in_another_tab(world, operator):
    job_id = world.finished_job(2, ("en",))
    all_delivered(world)
    world.run(
        "UPDATE webhook_deliveries SET status = 'pending', next_attempt_at = now() + '1 hour'"
        " WHERE batch_job_id = :id",
        id=UUID(job_id),
    )
    (delivery, *_) = world.client.deliveries(job_id)
    operator.open(f"/admin/deliveries/{delivery['delivery_id']}")
    page = operator.page
    operator.page = page.context.new_page()
    operator.open("/admin/login")
    operator.log_in()
    expect(operator.page.get_by_role("heading", name="Jobs")).to_be_visible()
    operator.page.close()
    operator.page = page
    polls(operator, "/admin/deliveries/")
    page.get_by_role("button", name="Send again now").click()
    expect(page.get_by_text("It is sent again")).to_be_visible()


def test_what_gets_no_news_says_so_until_it_does(operator):
    page, news = operator.page, "**/admin/overview*"
    page.clock.install()
    operator.open("/admin/overview")
    note = page.locator("#stale")
    expect(note).to_be_hidden()
    page.route(news, lambda route: route.fulfill(status=503, body="busy"))
    page.clock.fast_forward(POLL)
    expect(note).to_contain_text("answers with 503")
    page.unroute(news)
    page.route(news, lambda route: route.abort())
    page.clock.fast_forward(POLL)
    expect(note).to_contain_text("does not answer")
    page.unroute(news)
    page.clock.fast_forward(POLL)
    expect(note).to_be_hidden()
    operator.complaints.clear()  # of the answers that failed


def test_a_job_that_is_deleted_meanwhile_is_not_asked_for_again(world, operator):
    page, asked = operator.page, []
    job_id = world.client.job(world.lots(2), ["en", "ru"])
    page.clock.install()
    operator.open(f"/admin/jobs/{job_id}")
    world.client.cancel(job_id)
    assert world.client.delete(job_id)[0] == 204
    page.clock.fast_forward(POLL)
    expect(page.locator("#stale")).to_contain_text("it was deleted")
    page.on("request", lambda request: asked.append(request.url))
    page.clock.fast_forward(POLL)
    operator.open("/admin/jobs")  # a request that is seen, behind any that was made before
    assert [url for url in asked if job_id in url] == []
    operator.complaints.clear()  # of the answer that said so
