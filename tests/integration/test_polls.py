"""What a poll costs the database."""

import pytest
from sqlalchemy import event

from tests.integration.api_service import serving


@pytest.fixture
def service(engine):
    with serving(engine) as service:
        yield service


@pytest.fixture
def exchanges(engine):
    """What is sent with each statement that is sent."""
    seen: list[str] = []

    def executed(_connection, cursor, _statement, *_more):
        seen.append("nothing" if cursor.connection.autocommit else "BEGIN and COMMIT")

    event.listen(engine, "before_cursor_execute", executed)
    yield seen
    event.remove(engine, "before_cursor_execute", executed)


@pytest.mark.parametrize("path", ["/batch-status/{job_id}", "/batch-results/{job_id}"])
def test_a_look_at_a_job_is_one_exchange_with_the_database(service, exchanges, path):
    job_id = service.job()
    service.ask(path, job_id)  # the connection is told the statement that it will keep
    exchanges.clear()
    assert service.ask(path, job_id).status_code in {200, 202}
    assert exchanges == ["nothing"]


def test_a_look_is_counted_whether_or_not_there_is_a_job(engine):
    with serving(engine, rate_limit_polling=3) as service:
        job_id = service.job()
        left = [
            service.ask("/batch-status/{job_id}", asked).headers["RateLimit-Remaining"]
            for asked in (job_id, "00000000-0000-4000-8000-000000000000", "no-id")
        ]
        assert left == ["2", "1", "0"]
        answer = service.ask("/batch-status/{job_id}", job_id)
        assert (answer.status_code, answer.json["error"]) == (429, "rate_limited")
