"""One lot, described while an operator looks on."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text()
RUN = "() => axe.run().then(result => result.violations.map(rule => rule.id + rule.help))"


@pytest.fixture
def form(world, operator):
    operator.open("/admin/try")
    page = operator.page
    photos = [lot["images"][0]["url"] for lot in world.lots(3)]
    page.get_by_label("Photos").fill("\n".join([*photos, world.photos.url("/gone.jpg")]))
    return page


def test_a_lot_is_described_on_the_page_itself(operator, form):
    operator.mark()
    form.get_by_label("Translation 1").fill("ru")
    form.get_by_role("button", name="Describe").click()
    articles = form.get_by_role("article")
    expect(articles).to_have_count(2, timeout=30_000)
    expect(articles.nth(0)).to_contain_text("Simulated description.")
    expect(articles.nth(1)).to_contain_text("[ru]")
    expect(form.get_by_text("its host answered 404")).to_be_visible()
    expect(form.get_by_role("table")).to_contain_text("gpt-6.1-terra")
    expect(form.get_by_role("button", name="Describe")).to_be_enabled()
    assert operator.is_marked()
    form.evaluate("document.querySelectorAll('details').forEach(it => { it.open = true })")
    form.evaluate(AXE)
    assert form.evaluate(RUN) == []


def test_while_it_lasts_it_shows_that_it_works(world, form):
    world.simulator.add_rule(on="chat", do="slow", seconds=1.5, times=1)
    form.get_by_label("Seller’s words").fill("Slowly, please.")  # noqa: RUF001 - as on the page
    form.get_by_role("button", name="Describe").click()
    expect(form.get_by_role("progressbar")).to_be_visible()
    expect(form.get_by_role("button", name="Describe")).to_be_disabled()
    expect(form.locator("#seconds")).to_have_text("1 s")
    expect(form.get_by_role("article").first).to_be_visible(timeout=30_000)
    expect(form.get_by_role("progressbar")).to_be_hidden()


def test_a_screen_reader_hears_once_that_it_works_and_once_what_became_of_it(world, form):
    world.simulator.add_rule(on="chat", do="slow", seconds=1.5, times=1)
    form.evaluate(
        """() => {
            window.heard = [];
            const live = document.querySelectorAll("main [role=status], main [aria-live]");
            for (const each of live) {
                new MutationObserver(() => heard.push(each.textContent)).observe(
                    each, {childList: true, characterData: true, subtree: true});
            }
        }"""
    )
    form.locator("#words").fill("Read it out.")
    form.get_by_role("button", name="Describe").click()
    expect(form.get_by_role("article").first).to_be_visible(timeout=30_000)
    working, outcome = form.evaluate("heard")
    assert working.startswith("Looking at the photos")
    assert outcome == "Described."


def test_the_button_keeps_the_focus_and_orders_once(world, form):
    world.simulator.add_rule(on="chat", do="slow", seconds=1.5, times=1)
    orders = []
    form.on("request", lambda request: orders.append(request.method == "POST"))
    form.locator("#words").fill("Once, please.")
    button = form.get_by_role("button", name="Describe")
    button.focus()
    form.keyboard.press("Enter")
    expect(button).to_be_disabled()
    form.keyboard.press("Enter")
    expect(form.get_by_role("article").first).to_be_visible(timeout=30_000)
    expect(button).to_be_enabled()
    expect(button).to_be_focused()
    assert sum(orders) == 1


def test_what_is_wrong_is_said_and_can_be_mended(form):
    form.get_by_label("Translation 1").fill("qqq")
    form.get_by_role("button", name="Describe").click()
    expect(form.get_by_role("alert")).to_contain_text("'qqq' is not a known BCP 47 language tag.")
    form.get_by_label("Translation 1").fill("de")
    form.get_by_role("button", name="Describe").click()
    expect(form.get_by_role("article")).to_have_count(2, timeout=30_000)
    expect(form.get_by_role("alert")).to_have_count(0)


def test_a_recipe_is_copied(form):
    form.context.grant_permissions(["clipboard-read", "clipboard-write"])
    form.get_by_role("button", name="Describe").click()
    form.get_by_role("button", name="Copy").first.click(timeout=30_000)
    expect(form.get_by_role("button", name="Copied")).to_be_visible()
    copied = form.evaluate("navigator.clipboard.readText()")
    assert copied == form.locator("#recipe-1").text_content()
    assert copied.startswith("curl ")


def test_what_was_typed_outlasts_the_session_and_is_sent_after_a_login_elsewhere(
    world, operator, form
):
    form.locator("#words").fill("Typed with care.")
    world.run("DELETE FROM admin_sessions")
    form.get_by_role("button", name="Describe").click()
    expect(form.get_by_role("alert")).to_contain_text("Log in in another tab")
    expect(form.locator("#words")).to_have_value("Typed with care.")
    operator.page = form.context.new_page()
    operator.enter("/admin/jobs")
    form.get_by_role("button", name="Describe").click()
    expect(form.get_by_role("article").first).to_be_visible(timeout=30_000)
    expect(form.get_by_role("alert")).to_have_count(0)
    operator.complaints.clear()  # of the answers that refused it
