"""Every page can be used with a keyboard, a screen reader, either theme and a phone."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.pages import LOGIN, LOOKS, PAGES, addresses
from tests.browser.visitor import visit

AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text()
RUN = """
    () => axe.run().then(result => result.violations.map(rule =>
        `${rule.impact} ${rule.id}: ${rule.help}: ` + rule.nodes.map(node => node.html).join(" ")))
"""


@pytest.fixture(scope="module")
def job_id(world):
    """A job with all there is to be seen: texts, photos, a missing one, a failed lot."""
    lots = world.lots(3)
    lots[1]["images"] += [{"url": world.photos.url("/gone.jpg")}]
    lots[2]["images"] = [{"url": world.photos.url("/gone.jpg")}]
    job_id = world.client.job(lots, ["en", "ar", "ru"])
    world.client.finished(job_id)
    return job_id


@pytest.mark.timeout(300)  # axe looks at each of the thousands of elements of /docs, four times
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_and_nothing_sticks_out(browser, world, job_id, name):
    visitor = visit(browser, world)
    page = visitor.page
    if PAGES[name] != LOGIN:
        visitor.enter("/admin/jobs")
    visitor.open(addresses(world, job_id)[name])
    page.evaluate("document.querySelectorAll('details').forEach(it => { it.open = true })")
    page.evaluate(AXE)
    found = {}
    for theme, width in LOOKS:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 900})
        found[theme, width] = page.evaluate(RUN)
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found[theme, width].append("something sticks out")
    page.context.close()
    assert not any(found.values()), found


def test_the_keyboard_leads_past_the_menu(operator):
    page = operator.page
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Job id")).to_be_focused()


def test_what_has_the_focus_can_be_seen(operator):
    page = operator.page
    page.get_by_label("Job id").focus()
    for _ in range(6):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
