"""Charts that are drawn from their tables, and go on while somebody looks."""

import pytest
from playwright.sync_api import expect

from tests.waiting import until

PICTURE = "document.querySelector('#texts canvas').toDataURL()"


@pytest.fixture
def page(world, operator):
    world.finished_job(3, ("en", "ru"))
    world.run("UPDATE usage_hours SET completed = 3 WHERE kind = 'vision'")
    operator.open("/admin/overview")
    return operator.page


def test_a_chart_is_drawn_and_tells_of_the_moment_under_the_pointer(page):
    chart = page.locator("#texts")
    expect(chart.locator("canvas")).to_be_visible()
    legend = chart.locator(".legend li").first
    expect(legend).to_have_text("Descriptions 3")
    width = chart.locator(".plot").bounding_box()["width"]
    chart.locator(".plot").hover(position={"x": width / 2, "y": 80})
    expect(legend).to_have_text("Descriptions 0")
    page.mouse.move(0, 0)
    expect(legend).to_have_text("Descriptions 3")


def test_numbers_change_by_themselves_and_what_is_open_stays_open(world, page):
    page.clock.install()
    page.reload()
    table = page.locator("#texts details")
    table.locator("summary").click()
    world.run("UPDATE usage_hours SET completed = completed + 100 WHERE kind = 'vision'")
    page.clock.fast_forward("00:31")
    expect(page.locator("#texts .legend li").first).to_have_text("Descriptions 103")
    expect(table.get_by_role("cell", name="103")).to_be_visible()
    expect(page.locator("#texts canvas")).to_be_visible()


def test_focus_place_and_selection_stay_while_numbers_change(world, page):
    page.clock.install()
    page.reload()
    page.set_viewport_size({"width": 1280, "height": 700})
    page.locator("#texts summary").click()
    numbers = page.locator("#texts-numbers")
    numbers.evaluate("it => { it.scrollTop = 100 }")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#figures dt'))")
    link = page.locator("#figures").get_by_role("link").first
    link.focus()
    world.run("UPDATE usage_hours SET completed = completed + 100 WHERE kind = 'vision'")
    page.clock.fast_forward("00:31")
    expect(page.locator("#texts .legend li").first).to_have_text("Descriptions 103")
    expect(link).to_be_focused()
    expect(numbers).to_have_js_property("scrollTop", 100)
    assert page.evaluate("String(getSelection())") == "Jobs under way"


def test_the_outline_of_a_choice_is_not_cut_off(page):
    page.get_by_role("link", name="Week").focus()
    offset = page.evaluate("getComputedStyle(document.activeElement).outlineOffset")
    assert offset == "-2px"


def test_charts_follow_the_theme_and_the_width(page):
    before = page.evaluate(PICTURE)
    page.emulate_media(color_scheme="dark")
    until(lambda: page.evaluate(PICTURE) != before, what="the chart has other colours")
    page.set_viewport_size({"width": 390, "height": 800})
    expect(page.locator("#texts canvas")).to_have_js_property(
        "clientWidth", page.locator("#texts .plot").evaluate("it => it.clientWidth")
    )
