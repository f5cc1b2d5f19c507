"""Each run's end is told once; deliveries of a run before have nothing more to tell."""

import json
from threading import Event, Thread

import pytest

from generation_service.db import deliveries
from generation_service.pipeline.retry import retry
from tests.integration.outbox import outbox
from tests.servers import Reply


@pytest.fixture
def box(engine):
    with outbox(engine) as running:
        yield running


FAIL_A_LOT = (
    "UPDATE batch_lots SET status = 'failed', error_code = 'x' WHERE job_id = :id AND position = 0",
    """
    UPDATE batch_jobs SET lots_failed = 1, lots_probed = lots_total, vision_failed = 1,
           vision_completed = lots_total - 1 WHERE id = :id
    """,
    """
    DELETE FROM descriptions d USING batch_lots l
    WHERE l.id = d.lot AND l.job_id = :id AND l.position = 0
    """,
)


def failed(box):
    """A job of two lots, one of which failed."""
    return box.job(box.url(), box.url(), before=FAIL_A_LOT)


def end_again(box, job_id):
    """The second run ends as the first one did."""
    box.rows(
        "UPDATE batch_lots SET status = 'failed', error_code = 'x', missing_images = '{}'"
        " WHERE job_id = :id AND status = 'pending'",
        id=job_id,
    )
    box.rows(
        "UPDATE batch_jobs SET status = 'completed', completed_at = now(), lots_failed = 1,"
        " lots_settled = 2 WHERE id = :id",
        id=job_id,
    )
    with box.resources.engine.begin() as connection:
        deliveries.enqueue(connection, [job_id])


def by_run(box, job_id):
    found = box.rows(
        "SELECT run, status, attempt_count, error_message FROM webhook_deliveries"
        " WHERE batch_job_id = :id ORDER BY run",
        id=job_id,
    )
    return [tuple(row.values()) for row in found]


def runs_sent(box):
    return [json.loads(request.body)["run"] for request in box.received()]


SUPERSEDED = "superseded: A new run of the job has begun, and its end is announced instead."


def test_what_was_not_told_of_a_run_is_told_no_more_once_the_next_has_begun(box):
    job_id = failed(box)
    retry(box.resources, "default", job_id)
    box.deliver()
    assert runs_sent(box) == []
    assert by_run(box, job_id) == [(1, "failed", 1, SUPERSEDED)]


def test_the_next_run_s_end_is_told_anew(box):
    job_id = failed(box)
    box.deliver()
    retry(box.resources, "default", job_id)
    end_again(box, job_id)
    box.deliver()
    assert runs_sent(box) == [1, 2]
    assert by_run(box, job_id) == [(1, "delivered", 1, None), (2, "delivered", 1, None)]
    first, second = box.received()
    assert first.headers["webhook-id"] != second.headers["webhook-id"]


def test_sending_an_old_run_s_webhook_again_fails_and_disturbs_nothing(box):
    job_id = failed(box)
    box.deliver()
    (old,) = box.rows("SELECT * FROM webhook_deliveries")
    retry(box.resources, "default", job_id)
    end_again(box, job_id)
    assert box.redeliver(old).status_code == 202
    box.deliver()
    assert runs_sent(box) == [1, 2]
    assert by_run(box, job_id)[0] == (1, "failed", 2, SUPERSEDED)


@pytest.mark.parametrize(("status", "outcome"), [(200, "delivered"), (500, "failed")])
def test_an_attempt_under_way_may_still_succeed(box, status, outcome):
    gate = Event()
    box.receiver.replies["/hook"] = Reply(status=status, held=gate)
    job_id = failed(box)
    delivering = Thread(target=box.deliver)
    delivering.start()
    box.receiver.wait_for_hits(1)
    retry(box.resources, "default", job_id)
    gate.set()
    delivering.join()
    box.deliver()
    assert runs_sent(box) == [1]
    assert by_run(box, job_id)[0][1] == outcome
