"""Reading a job's results (docs/api.md §5)."""

from collections.abc import Mapping
from typing import Final

from flask import Blueprint, Response, request

from generation_service.api import query
from generation_service.api.documents import results_head, unfinished_document
from generation_service.api.guards import Guards, own_job
from generation_service.api.limits import RateLimits
from generation_service.api.query import ResultsFilter
from generation_service.api.responses import json_response
from generation_service.api.streams import results_body, streamed
from generation_service.core.status import JOB_ACTIVE
from generation_service.db.jobs import Job
from generation_service.pipeline.resources import Resources

POLL_SECONDS: Final = 30


def blueprint(resources: Resources, guards: Guards, limits: RateLimits) -> Blueprint:
    routes = Blueprint("results", __name__, url_prefix="/api/v1/batch-results")
    engine = resources.engine

    def answer(job: Job, wanted: ResultsFilter, headers: Mapping[str, str]) -> Response:
        if job.status in JOB_ACTIVE and not wanted.partial:
            retry = {"Retry-After": str(POLL_SECONDS)}
            return json_response(unfinished_document(job), 202, retry)
        return streamed(results_body(engine, job, results_head(job), wanted), headers)

    @routes.get("/<job_id>")
    def batch_results(job_id: str) -> Response:
        job, _ = limits.find_job(*guards.job_looker(request, job_id))
        return answer(own_job(job), query.results_filter(request.args), {})

    @routes.get("/<job_id>/download")
    def download(job_id: str) -> Response:
        job = own_job(limits.find_job(*guards.job_looker(request, job_id))[0])
        name = f'attachment; filename="batch_results_{job.id}.json"'
        return answer(job, ResultsFilter(), {"Content-Disposition": name})

    return routes
