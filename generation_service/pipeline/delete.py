"""Deleting a job: it is gone for its client at once, and the sweep erases what is left of it."""

from uuid import UUID

import structlog
from sqlalchemy import Connection

from generation_service.core.errors import ServiceError
from generation_service.db import deletion
from generation_service.pipeline import known_jobs
from generation_service.pipeline.resources import Resources
from generation_service.pipeline.transactions import request_transaction

_log = structlog.get_logger()


def delete(resources: Resources, client: str | None, job_id: UUID) -> None:
    """Delete the client's job (None: any client's); ServiceError `not_found` or `job_not_ended`."""

    def work(connection: Connection) -> None:
        job = known_jobs.locked(connection, client, job_id)
        if not deletion.delete(connection, job_id):
            raise ServiceError(
                "job_not_ended",
                f"The job is {job.status}; cancel it, or wait for its end.",
                extra={"status": job.status.value},
            )

    request_transaction(resources.engine, work)
    _log.info("job_deleted", job=str(job_id))
