"""The page of a job as operators read it, and what they can do there."""

import json
import re
from uuid import UUID, uuid4

import pytest

from generation_service.core.limits import ADMIN_PAGE_LOTS, ADMIN_PHOTOS_A_LOT
from tests.integration.api_service import serving
from tests.integration.operator_client import PASSWORD, operator

LOT = re.compile(r'<article id="lot-(\d+)"')


@pytest.fixture
def service(engine):
    with serving(engine, admin_password=PASSWORD) as started:
        yield started


@pytest.fixture
def pages(service):
    return operator(service)


def shown(pages, job_id, query=""):
    """The positions of the lots on the page."""
    answer = pages.get(f"/admin/jobs/{job_id}{query}")
    assert answer.status_code == 200
    return [int(position) for position in LOT.findall(answer.text)]


def words(page):
    """The page's text, without its tags and with single spaces."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_the_stages_are_counted(service, pages):
    job_id = service.job(4, languages=["en", "ru", "de"])
    service.settle(job_id, lots=3, failed=1)
    page = words(pages.get(f"/admin/jobs/{job_id}").text)
    assert "Photos 3 of 4 checked" in page
    assert "Descriptions 2 of 4 written" in page
    assert "Translations 4 of 8 written" in page
    assert "Webhooks none yet" in page
    assert "3 of 4 lots · 1 failed · ends ≈" in page


def test_a_live_job_is_polled_until_it_has_ended(service, pages):
    job_id = service.job()
    assert "hx-get" in pages.get(f"/admin/jobs/{job_id}").text
    service.settle(job_id)
    page = pages.get(f"/admin/jobs/{job_id}", **{"HX-Request": "true"}).text
    assert page.startswith('<div id="job"')
    assert "hx-get" not in page


def test_english_stands_beside_the_language_that_is_chosen(service, pages):
    job_id = service.job(2, languages=["ru", "ar"])
    service.settle(job_id)
    first = pages.get(f"/admin/jobs/{job_id}").text
    assert 'lang="ru" dir="ltr" hx-disable><p>ru ж lot-0</p>' in first
    arabic = pages.get(f"/admin/jobs/{job_id}?language=ar").text
    assert 'lang="ar" dir="rtl" hx-disable><p>ar ж lot-0</p>' in arabic
    assert "Russian (ru)</option>" in arabic
    unknown = pages.get(f"/admin/jobs/{job_id}?language=%3Cscript%3E").text
    assert 'lang="ru"' in unknown


def test_a_language_that_failed_says_why_wherever_one_looks(service, pages):
    job_id = service.job(2, languages=["en", "ru", "de"])
    service.settle(job_id)
    service.run(
        """
        UPDATE descriptions SET status = 'failed', damages = NULL, error_code = 'openai_refused',
               error_message = 'The model declined.' WHERE language = 'de'
        """
    )
    assert "German (de) failed: The model declined." in words(
        pages.get(f"/admin/jobs/{job_id}?language=ru").text
    )
    assert "German (de) The model declined. openai_refused" in words(
        pages.get(f"/admin/jobs/{job_id}?language=de").text
    )


def test_only_photos_that_passed_are_shown_and_the_others_say_why(service, pages):
    job_id = service.job(2)
    good, gone, refused = (
        "https://a.example/1.jpg",
        "https://a.example/2.jpg",
        "http://10.0.0.1/3",
    )
    service.run(
        """
        UPDATE batch_lots SET image_urls = ARRAY[:good, :gone, :refused],
               missing_images = ARRAY[:gone, :refused] WHERE position = 0
        """,
        good=good,
        gone=gone,
        refused=refused,
    )
    service.run(
        """
        INSERT INTO image_probes (job_id, url_hash, reachable, reason)
        VALUES (:job, CAST(md5(:gone) AS uuid), false, 'http_status_410'),
               (:job, CAST(md5(:refused) AS uuid), false, 'address_refused')
        """,
        job=UUID(job_id),
        gone=gone,
        refused=refused,
    )
    page = pages.get(f"/admin/jobs/{job_id}").text
    assert re.findall(r'<img src="([^"]+)"', page) == [good]
    assert 'loading="lazy" decoding="async" referrerpolicy="no-referrer"' in page
    assert f"Photo 2 is missing: its host answered 410. {gone}" in words(page)
    assert f"Photo 3 is missing: its address is not a public one. {refused}" in words(page)
    assert "1 photo, not checked yet." in words(page), "the other lot"


def test_many_photos_are_shown_where_a_lot_is_alone(service, pages):
    job_id = service.job(2)
    service.run(
        """
        UPDATE batch_lots SET missing_images = '{}', image_urls = ARRAY(
            SELECT 'https://a.example/' || n FROM generate_series(1, 40) AS n)
        """
    )
    page = pages.get(f"/admin/jobs/{job_id}").text
    assert page.count("<img ") == 2 * ADMIN_PHOTOS_A_LOT
    assert f"{40 - ADMIN_PHOTOS_A_LOT} more photos" in page
    assert pages.get(f"/admin/jobs/{job_id}?lot=lot-1").text.count("<img ") == 40


def test_lots_come_in_pages(service, pages):
    count = 2 * ADMIN_PAGE_LOTS + 3
    job_id = service.job(count)
    first, last = ADMIN_PAGE_LOTS - 1, 2 * ADMIN_PAGE_LOTS - 1
    assert shown(pages, job_id) == list(range(ADMIN_PAGE_LOTS))
    assert shown(pages, job_id, f"?after={first}") == list(range(first + 1, last + 1))
    assert shown(pages, job_id, f"?after={last}") == list(range(last + 1, count))
    assert shown(pages, job_id, f"?before={last + 1}") == list(range(first + 1, last + 1))
    assert shown(pages, job_id, "?before=3") == list(range(ADMIN_PAGE_LOTS))


def test_lots_are_filtered_and_found(service, pages):
    job_id = service.job(12)
    service.settle(job_id, failed=3)
    assert shown(pages, job_id, "?status=failed") == [0, 1, 2]
    assert shown(pages, job_id, "?status=completed") == list(range(3, 12))
    assert shown(pages, job_id, "?lot=lot-1") == [1], "a whole id is that lot alone"
    service.run("DELETE FROM batch_lots WHERE lot_id = 'lot-1'")
    assert shown(pages, job_id, "?lot=lot-1") == [10, 11], "else the beginning of some"
    assert shown(pages, job_id, "?lot=nowhere") == []


def test_what_is_searched_for_has_its_status_and_its_pages(service, pages):
    job_id = service.job(ADMIN_PAGE_LOTS + 15)
    service.settle(job_id, failed=12)
    assert shown(pages, job_id, "?lot=lot-1&status=failed") == [1]
    assert shown(pages, job_id, "?lot=lot-2&status=completed") == list(range(20, 30))
    first = shown(pages, job_id, "?lot=lot-&status=completed")
    assert first == list(range(12, 12 + ADMIN_PAGE_LOTS))
    page = pages.get(f"/admin/jobs/{job_id}?lot=lot-&status=completed").text
    (after,) = re.findall(r'rel="next" href="([^"#]+)', page)
    rest = after.replace("&amp;", "&").removeprefix(f"/admin/jobs/{job_id}")
    assert shown(pages, job_id, rest) == list(range(12 + ADMIN_PAGE_LOTS, ADMIN_PAGE_LOTS + 15))


def test_metadata_is_not_taken_for_what_the_service_says(service, pages):
    job_id = service.job(metadata={"Cost so far": "$0.00"})
    page = words(pages.get(f"/admin/jobs/{job_id}").text)
    assert "Metadata Cost so far $0.00" in page


@pytest.mark.parametrize(
    "query",
    [
        "?after=-1",
        "?after=99999999999999",
        "?before=٣",
        "?lot=%00",
        "?status=%27",
        "?lot=%25",
        "?after=999999999",
    ],
)
def test_queries_that_make_no_sense_harm_nothing(service, pages, query):
    assert pages.get(f"/admin/jobs/{service.job()}{query}").status_code == 200


def test_no_id_is_there_twice(service, pages):
    page = pages.get(f"/admin/jobs/{service.job()}?lot=nowhere").text
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert "No lot matches." in page
    assert sorted(ids) == sorted(set(ids))


def test_cancelling_asks_first(service, pages):
    job_id = service.job(3)
    asked = pages.get(f"/admin/jobs/{job_id}/cancel")
    assert "0 of 3 lots are finished" in words(asked.text)
    answer = pages.post(f"/admin/jobs/{job_id}/cancel")
    assert (answer.status_code, answer.location) == (303, f"/admin/jobs/{job_id}")
    page = pages.get(f"/admin/jobs/{job_id}").text
    assert "The job is cancelled." in page
    assert "Cancel …" not in page
    assert "The job is cancelled." not in pages.get(f"/admin/jobs/{job_id}").text


def test_a_lot_that_was_cancelled_waits_for_nothing(service, pages):
    job_id = service.job()
    pages.post(f"/admin/jobs/{job_id}/cancel")
    page = words(pages.get(f"/admin/jobs/{job_id}").text)
    assert "1 photo, not checked. English Cancelled." in page


def test_the_stages_of_a_cancelled_job_wait_for_nothing(service, pages):
    job_id = service.job(3, languages=["en", "ru", "de"])
    service.settle(job_id, lots=1)
    pages.post(f"/admin/jobs/{job_id}/cancel")
    page = words(pages.get(f"/admin/jobs/{job_id}").text)
    assert "Descriptions 1 of 3 written 33 % 2 not done" in page
    assert "waiting" not in page
    assert "to go" not in page


def test_what_has_ended_meanwhile_is_not_cancelled(service, pages):
    job_id = service.job()
    service.settle(job_id)
    pages.post(f"/admin/jobs/{job_id}/cancel")
    page = pages.get(f"/admin/jobs/{job_id}").text
    assert "Current status: completed" in page
    assert "The job is cancelled." not in page


def test_what_failed_is_retried(service, pages):
    job_id = service.job(3)
    service.settle(job_id, failed=2)
    assert "Retry 2 failed lots" in pages.get(f"/admin/jobs/{job_id}").text
    assert pages.post(f"/admin/jobs/{job_id}/retry").status_code == 303
    page = words(pages.get(f"/admin/jobs/{job_id}").text)
    assert "Run 2 has begun with 2 lots that had failed." in page
    assert "Retry" not in page
    pages.post(f"/admin/jobs/{job_id}/retry")
    assert "retry what failed of it once it has ended" in pages.get(f"/admin/jobs/{job_id}").text


def test_a_job_without_failures_offers_no_retry(service, pages):
    job_id = service.job()
    service.settle(job_id)
    assert "Retry" not in words(pages.get(f"/admin/jobs/{job_id}").text)
    pages.post(f"/admin/jobs/{job_id}/retry")
    assert "Nothing of the job failed." in pages.get(f"/admin/jobs/{job_id}").text


def test_the_download_is_what_the_client_gets(service, pages):
    job_id = service.job(3, languages=["en", "ru"])
    service.settle(job_id, failed=1)
    answer = pages.get(f"/admin/jobs/{job_id}/results")
    name = f'attachment; filename="batch_results_{job_id}.json"'
    assert answer.headers["Content-Disposition"] == name
    assert answer.mimetype == "application/json"
    assert answer.json == service.ask("/batch-results/{job_id}", job_id).json


def test_a_job_under_way_is_downloaded_as_far_as_it_is(service, pages):
    job_id = service.job(3)
    service.settle(job_id, lots=1)
    document = json.loads(pages.get(f"/admin/jobs/{job_id}/results").text)
    assert document["results"]["complete"] is False
    assert [lot["lot_id"] for lot in document["results"]["lots"]] == ["lot-0"]


def test_a_job_that_is_not_there_is_a_page_that_says_so(pages):
    for path in ("", "/cancel", "/results"):
        answer = pages.get(f"/admin/jobs/{uuid4()}{path}")
        assert answer.status_code == 404
        assert "There is no job with this id." in answer.text
    assert pages.post(f"/admin/jobs/{uuid4()}/cancel").status_code == 404
    assert pages.post(f"/admin/jobs/{uuid4()}/retry").status_code == 404


EVENT = re.compile(r"<li><span>(.+?)</span> <time")


@pytest.mark.parametrize(
    ("status", "events"),
    [
        ("completed", ["Last descriptions back", "Completed"]),
        ("cancelled", ["Cancelled"]),
    ],
)
def test_a_batch_that_is_tidied_up_late_came_back_before_the_end_or_not_at_all(
    service, pages, status, events
):
    job_id, _ = openai_batch(service)
    service.run("UPDATE batch_jobs SET status = :status, completed_at = now()", status=status)
    service.run(
        "UPDATE openai_batches SET status = 'settled', settled_at = now() + interval '3 seconds'"
    )
    told = EVENT.findall(pages.get(f"/admin/jobs/{job_id}").text)
    assert told == ["Accepted", "First descriptions sent to OpenAI", *events]


def test_openai_batches_and_the_time_line_are_told(service, pages):
    job_id, _ = openai_batch(service)
    page = words(pages.get(f"/admin/jobs/{job_id}").text)
    assert "batch_7 vision gpt-6.1-terra in progress 2 1 0" in page
    assert "1 at OpenAI" in page
    assert "Time line UTC Accepted" in page
    assert "First descriptions sent to OpenAI" in page


def openai_batch(service):
    """A job of two lots and the OpenAI batch that it has a share of."""
    job_id, batch = service.job(2), uuid4()
    service.run(
        """
        INSERT INTO openai_batches (id, kind, model, status, openai_status, openai_id, requests)
        VALUES (:batch, 'vision', 'gpt-6.1-terra', 'submitted', 'in_progress', 'batch_7', 9)
        """,
        batch=batch,
    )
    service.run(
        """
        INSERT INTO job_openai_batches (job_id, openai_batch, requests, completed)
        VALUES (:job, :batch, 2, 1)
        """,
        job=UUID(job_id),
        batch=batch,
    )
    return job_id, batch
