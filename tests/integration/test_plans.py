"""No request and no stage reads more than its own work, however much the database holds."""

from collections.abc import Collection

import pytest
from sqlalchemy import text

from generation_service.db.engine import make_engine
from tests.integration import plans_past
from tests.integration.plans import Scan, explaining
from tests.integration.plans_journey import journey

SMALL = {
    "settings": "a handful of values",
    "model_limits": "a row a model",
    "token_estimates": "a row a model and kind",
    "webhook_endpoints": "a row a receiver, which the operators' list counts and sorts",
    "worker_heartbeats": "a row a stage of a living process",
}
"""Tables that may be read whole: they don't grow with what the service has done."""

OF_OPEN_WORK = {
    "batch_jobs_active": "jobs that have not ended",
    "batch_lots_pending": "lots whose photos are still to be probed",
    "descriptions_submitted": "requests that OpenAI works on",
    "descriptions_direct": "requests that wait for a direct call",
    "descriptions_calling": "direct calls under way",
    "openai_batches_open": "OpenAI batches that have not ended",
    "webhook_deliveries_due": "deliveries that wait",
    "webhook_deliveries_claimed": "attempts under way",
}
"""Indexes that may be read whole: what is done is no longer in them.

PostgreSQL looks for each plan how long an index is by now, and reads it whole only while short.
"""


OF_ALL_JOBS = {
    "batch_jobs_all_newest": "the first page of jobs, newest first, ends with the page",
    "batch_jobs_by_status": "the number of jobs in each status, from the index alone",
}
"""Indexes that the operators' list of jobs reads, one row a job."""


@pytest.fixture(scope="module")
def seen(database_url):
    quiet, engine = make_engine(database_url), make_engine(database_url)
    plans_past.fill(quiet)
    with journey(engine, quiet) as way, explaining(engine) as plans:
        way.go()
        yield plans, way
    engine.dispose()
    quiet.dispose()


def told(scans: Collection[Scan]) -> str:
    return "\n\n".join(f"{scan.table} {scan.index}: {scan.statement}" for scan in scans)


def test_no_statement_reads_a_whole_table(seen):
    plans, _ = seen
    whole = [scan for scan in plans.scans if scan.index is None and scan.table not in SMALL]
    assert not whole, told(whole)


def test_no_statement_reads_a_whole_index(seen):
    plans, _ = seen
    whole = [
        scan
        for scan in plans.scans
        if scan.index and scan.index not in OF_OPEN_WORK | OF_ALL_JOBS and scan.table not in SMALL
    ]
    assert not whole, told(whole)


def test_every_route_was_asked(seen):
    _, way = seen
    routes = {
        f"{method} {rule.rule}"
        for rule in way.service.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith(("/api/", "/openai/"))
    }
    assert routes == {route for route in way.asked if " /admin" not in route}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM batch_lots",
        "UPDATE descriptions SET damages = NULL WHERE model = 'gpt'",
        "SELECT id FROM batch_jobs ORDER BY id",
        "SELECT FROM descriptions WHERE language = 'en'",
    ],
)
def test_a_whole_scan_would_be_noticed(seen, statement):
    _, way = seen
    with explaining(way.quiet) as plans, way.quiet.connect() as connection:
        connection.execute(text(statement))
    assert [scan.statement for scan in plans.scans] == [statement]
