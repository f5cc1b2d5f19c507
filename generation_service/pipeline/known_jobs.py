"""The job that a client wants something done with."""

from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.errors import ServiceError
from generation_service.db import jobs
from generation_service.db.jobs import Job


def locked(connection: Connection, client: str | None, job_id: UUID) -> Job:
    """Lock and return the client's job (None: any client's); ServiceError `not_found`."""
    jobs.lock(connection, [job_id])
    job = jobs.find(connection, job_id, client)
    if job is None:
        raise ServiceError("not_found", "There is no job with this id.")
    return job
