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


def test_a_form_of_a_session_that_is_over_says_what_to_do(operator, form):
    operator.page.context.clear_cookies(name="generation_service_admin")
    second = operator.page.context.new_page()
    operator.page = second  # who logs in anew in another tab
    operator.enter("/admin/jobs")
    form.get_by_role("button", name="Describe").click()
    expect(form.get_by_role("alert")).to_contain_text("load the page again")
    operator.complaints.clear()  # of the answer that said so
