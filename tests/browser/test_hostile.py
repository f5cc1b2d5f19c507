"""Whatever strangers and models have written: nothing of it runs in an operator's browser."""

from uuid import UUID

import pytest
from playwright.sync_api import expect

NASTY = """
<p>Dent.</p><script>window.ran = "script"</script><img src=x onerror="window.ran = 'img'">
<meta http-equiv="refresh" content="0;url=/admin/stolen"><base href="https://evil.invalid/">
<form action="https://evil.invalid/" id="nasty"><input name="p"><button>Log in</button></form>
<svg onload="window.ran = 'svg'"></svg><a href="javascript:window.ran='link'">here</a>
<iframe src="javascript:parent.ran='frame'"></iframe><style>body { display: none }</style>
<div hx-get="/admin/jobs" hx-trigger="load" hx-on:click="window.ran = 'htmx'">more</div>
"""
FORBIDDEN = "script:not([src]), form#nasty, base, [onerror], [hx-on\\:click], iframe, svg, style"


def ran(page):
    """What has run; asked for once the page had time for anything that it holds."""
    page.wait_for_load_state("networkidle")
    return page.evaluate("window.ran")


@pytest.fixture
def job_id(world):
    return world.finished_job(2, ("en", "ru"))


def test_a_text_that_slipped_past_the_sanitiser_is_cleaned_again(world, operator, job_id):
    world.run(
        "UPDATE descriptions SET damages = :nasty WHERE job_id = :id", nasty=NASTY, id=UUID(job_id)
    )
    operator.open(f"/admin/jobs/{job_id}")
    page = operator.page
    expect(page.locator(".text").first).to_contain_text("Dent.")
    assert page.locator(FORBIDDEN).count() == 0
    assert ran(page) is None
    assert page.url.endswith(job_id)


REFRESH = NASTY.splitlines()[2]
"""A text's own way of leading elsewhere, which no policy forbids: it must be cleaned away."""


def test_the_browser_refuses_what_nobody_has_cleaned(operator, job_id):
    def unclean(route):
        answer = route.fetch()
        nasty = NASTY.replace(REFRESH, "")
        body = answer.text().replace("photos received", f"photos received{nasty}")
        route.fulfill(response=answer, body=body)

    page = operator.page
    page.route(f"**/admin/jobs/{job_id}", unclean)
    operator.open(f"/admin/jobs/{job_id}")
    assert page.locator("[onerror]").count() > 0, "it is there, and does nothing"
    page.evaluate("document.querySelectorAll('.text a, #nasty button').forEach(it => it.click())")
    assert ran(page) is None
    assert "Content Security Policy" in "".join(operator.complaints)
    assert "evil.invalid" not in operator.hosts
    operator.complaints.clear()


HOSTILE = """<script>window.ran="word"</script>"><img src=x onerror=window.ran=1>'{{ 7*7 }}"""


def test_ids_words_and_addresses_of_clients_are_only_text(world, operator, job_id):
    world.run(
        """
        UPDATE batch_lots SET lot_id = :nasty, additional_info = :nasty, error_message = :nasty,
               image_urls = ARRAY['javascript:window.ran=1', 'data:text/html,' || :nasty,
                                  'https://evil.invalid/' || :nasty],
               missing_images = ARRAY['https://evil.invalid/' || :nasty]
        WHERE job_id = :id
        """,
        nasty=HOSTILE,
        id=UUID(job_id),
    )
    world.run(
        "UPDATE batch_jobs SET client = :nasty, error_message = :nasty WHERE id = :id",
        nasty=HOSTILE,
        id=UUID(job_id),
    )
    page = operator.page
    for path in (f"/admin/jobs/{job_id}", f"/admin/jobs/{job_id}/cancel", "/admin/jobs"):
        operator.open(path)
        expect(page.get_by_text("7*7").first).to_be_attached()
        assert (
            page.locator("[href^=javascript], [src^=javascript], [href^=data], [onerror]").count()
            == 0
        )
        assert ran(page) is None


def test_what_is_searched_for_is_only_text(operator):
    operator.open(
        "/admin/jobs?q=%22%3E%3Cscript%3Ewindow.ran%3D1%3C/script%3E&status=%22x&client=%3Cb%3E"
    )
    assert ran(operator.page) is None
    expect(operator.page.get_by_label("Job id")).to_have_value('"><script>window.ran=1</script>')
