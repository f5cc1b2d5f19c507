"""Following, listing, cancelling, retrying and deleting jobs; their webhook deliveries.

docs/api.md §5 and §6.
"""

from flask import Blueprint, Response, request

from generation_service.api import documents, query
from generation_service.api.database import request_transaction
from generation_service.api.guards import Guards, own_job
from generation_service.api.limits import RateLimits
from generation_service.api.responses import json_response
from generation_service.db import delivery_log, jobs
from generation_service.pipeline.cancel import cancel
from generation_service.pipeline.delete import delete
from generation_service.pipeline.resources import Resources
from generation_service.pipeline.retry import retry


def blueprint(resources: Resources, guards: Guards, limits: RateLimits) -> Blueprint:
    routes = Blueprint("jobs", __name__, url_prefix="/api/v1")
    engine = resources.engine

    @routes.get("/batch-status/<job_id>")
    def batch_status(job_id: str) -> Response:
        job, batches = limits.find_job(*guards.job_looker(request, job_id))
        return json_response(documents.status_document(own_job(job), batches))

    @routes.get("/batch-jobs")
    def batch_jobs() -> Response:
        client = guards.target_client(request)
        status, page = query.jobs_page(request.args)
        with request_transaction(engine) as connection:
            found, total = jobs.page(
                connection, client=client, status=status, limit=page.limit, offset=page.offset
            )
        return json_response(documents.jobs_document(found, page.pagination(total)))

    @routes.post("/batch-jobs/<job_id>/cancel")
    def cancel_job(job_id: str) -> Response:
        client, wanted = guards.job_client(request, job_id)
        return json_response(documents.cancelled_document(cancel(resources, client, wanted)))

    @routes.post("/batch-jobs/<job_id>/retry")
    def retry_job(job_id: str) -> Response:
        client, wanted = guards.job_client(request, job_id)
        return json_response(documents.retried_document(retry(resources, client, wanted)), 202)

    @routes.delete("/batch-jobs/<job_id>")
    def delete_job(job_id: str) -> Response:
        client, wanted = guards.job_client(request, job_id)
        delete(resources, client, wanted)
        return Response(status=204)

    @routes.get("/batch-jobs/<job_id>/deliveries")
    def job_deliveries(job_id: str) -> Response:
        client, wanted = guards.job_client(request, job_id)
        page = query.page(request.args)
        with request_transaction(engine) as connection:
            job = own_job(jobs.find(connection, wanted, client))
            found, total = delivery_log.of_job(
                connection, job.id, limit=page.limit, offset=page.offset
            )
        return json_response(documents.deliveries_document(found, page.pagination(total)))

    return routes
