"""Reading a job's results (docs/api.md §5)."""

from collections.abc import Mapping
from typing import Final

from flask import Blueprint, Response, request

from generation_service.api import query
from generation_service.api.database import request_transaction
from generation_service.api.documents import results_head, unfinished_document
from generation_service.api.guards import Guards, own_job
from generation_service.api.query import ResultsFilter
from generation_service.api.responses import json_response
from generation_service.api.streams import results_body, streamed
from generation_service.core.status import JOB_ACTIVE
from generation_service.db import jobs
from generation_service.db.jobs import Job
from generation_service.pipeline.resources import Resources

POLL_SECONDS: Final = 30


def blueprint(resources: Resources, guards: Guards) -> Blueprint:
    routes = Blueprint("results", __name__, url_prefix="/api/v1/batch-results")
    engine = resources.engine

    def answer(job: Job, wanted: ResultsFilter, headers: Mapping[str, str]) -> Response:
        if job.status in JOB_ACTIVE and not wanted.partial:
            retry = {"Retry-After": str(POLL_SECONDS)}
            return json_response(unfinished_document(job), 202, retry)
        return streamed(results_body(engine, job, results_head(job), wanted), headers)

    @routes.get("/<job_id>")
    def batch_results(job_id: str) -> Response:
        client, wanted_job = guards.job_client(request, job_id)
        wanted = query.results_filter(request.args)
        with request_transaction(engine) as connection:
            job = own_job(jobs.find(connection, wanted_job, client))
        return answer(job, wanted, {})

    @routes.get("/<job_id>/download")
    def download(job_id: str) -> Response:
        client, wanted_job = guards.job_client(request, job_id)
        with request_transaction(engine) as connection:
            job = own_job(jobs.find(connection, wanted_job, client))
        name = f'attachment; filename="batch_results_{job.id}.json"'
        return answer(job, ResultsFilter(), {"Content-Disposition": name})

    return routes
