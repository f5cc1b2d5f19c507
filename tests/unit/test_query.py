"""Query strings: what they may hold, and every fault named at once."""

import pytest

from generation_service.api import query
from generation_service.api.query import Page, ResultsFilter
from generation_service.core.errors import ServiceError
from generation_service.core.status import JobStatus, LotStatus


def paths(read, **arguments):
    with pytest.raises(ServiceError) as caught:
        read(arguments)
    return [path for path, _ in caught.value.details]


def test_a_page_is_10_from_the_start_unless_asked_otherwise():
    assert query.page({}) == Page(limit=10, offset=0)
    assert query.page({"limit": "100", "offset": "7"}) == Page(limit=100, offset=7)


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "", "ten", "\u0661", " 1", "9" * 20])
def test_a_limit_is_1_to_100(limit):
    assert paths(query.page, limit=limit) == ["limit"]


@pytest.mark.parametrize("offset", ["-1", "1000000001", "x"])
def test_an_offset_is_no_less_than_0(offset):
    assert paths(query.page, offset=offset) == ["offset"]


def test_every_fault_is_named():
    assert paths(query.jobs_page, status="x", limit="x", offset="x") == [
        "status",
        "limit",
        "offset",
    ]


@pytest.mark.parametrize("status", JobStatus)
def test_jobs_may_be_asked_for_by_status(status):
    assert query.jobs_page({"status": status.value})[0] is status


@pytest.mark.parametrize("status", ["", "done", "COMPLETED"])
def test_another_status_is_refused(status):
    assert paths(query.jobs_page, status=status) == ["status"]


def test_results_may_be_narrowed():
    arguments = {"partial": "true", "lot_id": "7", "status": "failed", "limit": "500"}
    assert query.results_filter(arguments) == ResultsFilter(
        partial=True, lot_id="7", status=LotStatus.FAILED, limit=500, offset=0
    )
    assert query.results_filter({}) == ResultsFilter()


def test_what_narrows_results_is_checked():
    faulty = {"partial": "x", "lot_id": "a\x00b", "status": "x", "limit": "0", "offset": "x"}
    assert paths(query.results_filter, **faulty) == list(faulty)
