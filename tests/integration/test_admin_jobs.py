"""The list of jobs as operators read it."""

import re
from uuid import UUID, uuid4

import pytest

from generation_service.core.limits import ADMIN_PAGE_ROWS
from tests.integration.api_service import serving
from tests.integration.operator_client import PASSWORD, operator

LIVE = {"HX-Request": "true"}
ROW = re.compile(r'<tr id="job-([0-9a-f-]{36})">')
OTHER_KEY = "f" * 32


@pytest.fixture
def service(engine):
    keys = {"acme": (OTHER_KEY,)}
    with serving(engine, admin_password=PASSWORD, client_keys=keys) as started:
        yield started


@pytest.fixture
def pages(service):
    return operator(service)


def listed(pages, query="", **headers):
    """The ids on the page, in their order."""
    answer = pages.get(f"/admin/jobs{query}", **headers)
    assert answer.status_code == 200
    return ROW.findall(answer.text)


def jobs(service, count):
    """Many jobs, of the newest ones first; each half a second older than the one before."""
    ids = [str(uuid4()) for _ in range(count)]
    service.run(
        """
        INSERT INTO batch_jobs (id, client, status, version, languages, translations, lots_total,
                                created_at)
        SELECT CAST(id AS uuid), CASE WHEN n % 2 = 0 THEN 'acme' ELSE 'default' END,
               CASE WHEN n % 3 = 0 THEN 'failed' ELSE 'completed' END, '1.0.0', '{en}', '{}', 2,
               now() - n * interval '0.5 s'
        FROM unnest(CAST(:ids AS text[])) WITH ORDINALITY AS t (id, n)
        """,
        ids=ids,
    )
    return ids


def test_without_jobs_it_tells_how_to_send_one(pages):
    page = pages.get("/admin/jobs").text
    assert "No jobs yet." in page
    assert 'GenerationServiceClient("http://localhost"' in page


def test_a_running_job_says_how_far_it_is(service, pages):
    job_id = service.job(4, languages=["en", "ru", "de"])
    service.settle(job_id, lots=2, failed=1)
    page = pages.get("/admin/jobs").text
    assert "2 of 4 lots" in page
    assert "1 failed" in page
    assert "en, ru, de" in page
    assert 'hx-trigger="every 2s"' in page
    (permille,) = re.findall(r'<progress class="translating" max="1000" value="(\d+)"', page)
    assert 0 < int(permille) < 1000


def test_a_job_that_has_ended_moves_no_more(service, pages):
    service.settle(service.job(2))
    page = pages.get("/admin/jobs").text
    assert '<progress class="completed" max="1000" value="1000"' in page
    assert 'hx-trigger="every 15s"' in page, "only new jobs are looked for"


@pytest.mark.parametrize("path", ["/admin/jobs", "/admin/jobs/{job}"])
def test_the_end_of_a_late_job_is_never_past(service, pages, path):
    job_id = service.job()
    service.run(
        "UPDATE batch_jobs SET created_at = now() - interval '30 hours',"
        " run_started_at = now() - interval '30 hours'"
    )
    page = re.sub(r"<[^>]+>", "", pages.get(path.format(job=job_id)).text)
    assert "≈ now" in page
    assert "0 s" not in page


def test_a_live_part_is_only_that_part(service, pages):
    job_id = service.job()
    assert listed(pages, **LIVE) == [job_id]
    part = pages.get("/admin/jobs", **LIVE).text
    assert part.startswith('<div id="jobs"')
    assert "<html" not in part


def test_filters_are_combined(service, pages):
    ids = jobs(service, 12)
    assert listed(pages) == ids
    assert listed(pages, "?status=failed") == ids[2::3]
    assert listed(pages, "?client=acme") == ids[1::2]
    assert listed(pages, "?client=acme&status=failed") == ids[5::6]
    assert listed(pages, f"?client=acme&q={ids[0][:13]}") == []
    assert listed(pages, f"?q={ids[3][:13]}") == [ids[3]]


def test_the_counts_are_those_of_the_client(service, pages):
    jobs(service, 12)
    counts = re.compile(r'id="tab-(\w+)"[^>]*>\w+ <span class="soft">(\d+)</span>')
    assert dict(counts.findall(pages.get("/admin/jobs").text))["failed"] == "4"
    of_acme = dict(counts.findall(pages.get("/admin/jobs?client=acme").text))
    assert (of_acme["all"], of_acme["failed"], of_acme["completed"]) == ("6", "2", "4")


def test_a_whole_lot_id_finds_its_jobs(service, pages):
    first, second, _ = (service.job(count) for count in (3, 4, 2))
    assert listed(pages, "?q=lot-2") == [second, first]
    assert listed(pages, "?q=lot-") == []
    assert f"/admin/jobs/{first}?lot=lot-2" in pages.get("/admin/jobs?q=lot-2").text


def test_a_whole_job_id_leads_to_the_job(service, pages):
    job_id = service.job()
    assert pages.get(f"/admin/jobs?q={job_id}").location == f"/admin/jobs/{job_id}"
    assert pages.get(f"/admin/jobs?q={job_id.upper()}").location == f"/admin/jobs/{job_id}"
    assert listed(pages, f"?q={uuid4()}") == []


@pytest.mark.parametrize("digits", [5, 8, 12, 31])
def test_the_beginning_of_a_job_id_needs_no_hyphens_and_is_no_lot_id(service, pages, digits):
    job_id = service.job()
    search = job_id.replace("-", "")[:digits].upper()
    page = pages.get(f"/admin/jobs?q={search}").text
    assert ROW.findall(page) == [job_id]
    assert f'href="/admin/jobs/{job_id}"' in page


def test_a_page_that_has_emptied_does_not_say_that_there_are_no_jobs(service, pages):
    service.job()
    page = pages.get(f"/admin/jobs?older=2000-01-01T00:00:00%2B00:00_{uuid4()}").text
    assert "No jobs yet." not in page
    assert 'href="/admin/jobs">Show all jobs</a>' in page


def test_pages_hold_every_job_once(service, pages):
    ids = jobs(service, 2 * ADMIN_PAGE_ROWS + 5)
    first = pages.get("/admin/jobs").text
    second = pages.get(beside(first, "next")).text
    third = pages.get(beside(second, "next")).text
    assert ROW.findall(first) + ROW.findall(second) + ROW.findall(third) == ids
    assert beside(third, "next") is None
    assert ROW.findall(pages.get(beside(third, "prev")).text) == ROW.findall(second)
    assert ROW.findall(pages.get(beside(second, "prev")).text) == ROW.findall(first)
    assert beside(first, "prev") is None


def test_pages_keep_their_filters(service, pages):
    ids = jobs(service, 4 * ADMIN_PAGE_ROWS)
    first = pages.get("/admin/jobs?client=acme&status=completed").text
    second = pages.get(beside(first, "next")).text
    wanted = [job for n, job in enumerate(ids, start=1) if n % 2 == 0 and n % 3]
    assert ROW.findall(second) == wanted[ADMIN_PAGE_ROWS:]


def test_near_the_top_the_newest_page_comes_whole(service, pages):
    jobs(service, ADMIN_PAGE_ROWS + 5)
    second = pages.get(beside(pages.get("/admin/jobs").text, "next")).text
    back = beside(second, "prev")
    jobs(service, 3)
    assert len(ROW.findall(pages.get(back).text)) == ADMIN_PAGE_ROWS


@pytest.mark.parametrize(
    "query",
    [
        "?status=deleted",
        "?status=%27",
        "?older=nothing",
        "?older=9999999999_x",
        f"?newer=2026-01-01T00:00:00%2B00:00_{UUID(int=1)}&older=%00",
        "?q=%00",
        "?q=" + "x" * 5000,
        "?q=%25",
        "?q=%F0%9F%9A%97",
        "?q=" + "-" * 36,
        "?client=%00",
        "?q=%ff%fe",
    ],
)
def test_queries_that_make_no_sense_harm_nothing(service, pages, query):
    service.job()
    assert pages.get(f"/admin/jobs{query}").status_code == 200


def test_deleted_jobs_are_not_there(service, pages):
    service.run("UPDATE batch_jobs SET status = 'deleted'")
    job_id = service.job()
    service.run("UPDATE batch_jobs SET status = 'deleted'")
    assert listed(pages) == []
    assert listed(pages, f"?q={job_id[:8]}") == []
    assert pages.get(f"/admin/jobs/{job_id}").status_code == 404


def test_money_and_what_is_simulated_stand_in_the_row(service, pages):
    service.job()
    service.run("UPDATE batch_jobs SET cost_nanos = 12345678901, texts_simulated = 0")
    page = pages.get("/admin/jobs").text
    assert "$12.35" in page
    assert "simulated" not in page
    service.run("UPDATE batch_jobs SET texts_simulated = 2")
    assert "simulated" in pages.get("/admin/jobs").text


def beside(page, rel):
    """Where a page leads to the next or the previous one."""
    found = re.search(rf'rel="{rel}" href="([^"]+)"', page)
    return found and found[1].replace("&amp;", "&")
