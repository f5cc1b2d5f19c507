"""Cancelling a job: finished lots stay, the rest is settled, and late answers change nothing."""

from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.errors import ServiceError
from generation_service.db import deliveries, job_shares, jobs, settling
from generation_service.db.jobs import Job
from generation_service.pipeline import job_reports, known_jobs
from generation_service.pipeline.resources import Resources
from generation_service.pipeline.transactions import request_transaction


def cancel(resources: Resources, client: str | None, job_id: UUID) -> Job:
    """Cancel and return the client's job (None: any client's).

    ServiceError `not_found` or `job_not_cancellable`.
    """

    def work(connection: Connection) -> Job:
        job = known_jobs.locked(connection, client, job_id)
        if not jobs.cancel(connection, job_id):
            raise ServiceError(
                "job_not_cancellable",
                "Only pending, processing, or translating jobs can be cancelled. "
                f"Current status: {job.status}",
                extra={"status": job.status.value},
            )
        settling.cancel_work(connection, job_id)
        job_shares.request_cancel(connection, job_id)
        deliveries.enqueue(connection, [job_id])
        return jobs.find(connection, job_id, client) or job

    job = request_transaction(resources.engine, work)
    job_reports.cancelled(job)
    return job
