"""Retrying a job: a new run that works on what failed, and on nothing else."""

from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.errors import ServiceError
from generation_service.core.status import JOB_ACTIVE, JobStatus
from generation_service.db import jobs, reruns
from generation_service.db.jobs import Job
from generation_service.pipeline import job_reports, known_jobs
from generation_service.pipeline.resources import Resources
from generation_service.pipeline.transactions import request_transaction


def retry(resources: Resources, client: str | None, job_id: UUID) -> Job:
    """Begin a new run of the client's job (None: any client's) and return it as it then is.

    What may have been paid for without an answer is asked for once more, too: this is the explicit
    wish that it waits for. ServiceError `not_found` or `job_not_retryable`.
    """

    def work(connection: Connection) -> Job:
        job = known_jobs.locked(connection, client, job_id)
        if not reruns.begin(connection, job_id):
            status = job.status.value
            raise ServiceError("job_not_retryable", _why_not(job), extra={"status": status})
        return jobs.get(connection, job_id)

    job = request_transaction(resources.engine, work)
    job_reports.retried(job)
    return job


def _why_not(job: Job) -> str:
    if job.status in JOB_ACTIVE:
        return f"The job is {job.status}; retry what failed of it once it has ended."
    if job.status is JobStatus.CANCELLED:
        return "The job was cancelled; order what you need of it as a new job."
    return "Nothing of the job failed."
