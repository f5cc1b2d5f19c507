"""What is said of a job as it comes and goes, in the log and in /metrics, once it is committed."""

from collections.abc import Iterable, Sequence
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy import Connection

from generation_service.core.status import JobStatus
from generation_service.db.commits import after_commit
from generation_service.db.jobs import EndedJob, Job
from generation_service.db.lots import ClaimedLot, ProbedLot
from generation_service.telemetry import metrics

_log = structlog.get_logger()


def accepted(job_id: UUID, lots: int) -> None:
    metrics.job_became(JobStatus.PENDING)
    _log.info("job_accepted", job=str(job_id), lots=lots)


def begun(connection: Connection, jobs: int) -> None:
    for _ in range(jobs):
        after_commit(connection, partial(metrics.job_became, JobStatus.PROCESSING))


def probed(connection: Connection, recorded: Iterable[tuple[ClaimedLot, ProbedLot]]) -> None:
    """Tell how many lots lack photos, in one line a job: there may be very many of both."""
    missing: dict[UUID, list[ProbedLot]] = {}
    for lot, found in recorded:
        if found.missing_images:
            missing.setdefault(lot.job_id, []).append(found)
    for job_id, lots in missing.items():
        after_commit(connection, partial(_tell_missing, job_id, lots))


def ended(connection: Connection, job: EndedJob) -> None:
    after_commit(connection, partial(_ended, job))


def retried(job: Job) -> None:
    metrics.job_became(job.status)
    lots = job.lots_total - job.lots_settled
    _log.info("job_retried", job=str(job.id), run=job.run, lots=lots)


def cancelled(job: Job) -> None:
    metrics.job_became(JobStatus.CANCELLED)
    _log.info("job_cancelled", job=str(job.id), run=job.run, lots=job.lots_total)


def _tell_missing(job_id: UUID, lots: Sequence[ProbedLot]) -> None:
    _log.warning(
        "images_unreachable",
        job=str(job_id),
        lots=len(lots),
        images=sum(len(lot.missing_images) for lot in lots),
        failed_lots=sum(lot.error is not None for lot in lots),
    )


def _ended(job: EndedJob) -> None:
    metrics.job_became(job.status, job.seconds)
    write = _log.error if job.status is JobStatus.FAILED else _log.info
    write(
        f"job_{job.status}",
        job=str(job.id),
        client=job.client,
        run=job.run,
        lots=job.lots_total,
        failed_lots=job.lots_failed,
        seconds=round(job.seconds, 1),
    )
