"""The page of one job: its stages, OpenAI batches, time line, cost and lots; cancel and retry."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from flask import (
    Blueprint,
    Response,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from sqlalchemy import Connection
from werkzeug.wrappers import Response as AnyResponse

from generation_service.admin.headers import WITH_PHOTOS
from generation_service.admin.job_progress import Progress, progress
from generation_service.admin.job_stages import Stage, stages
from generation_service.admin.lots import LotList, lot_list, wanted_lots
from generation_service.api.database import request_transaction
from generation_service.api.documents import results_head
from generation_service.api.query import ResultsFilter
from generation_service.api.streams import results_body, streamed
from generation_service.core.errors import ServiceError
from generation_service.core.limits import ADMIN_POLL_SECONDS
from generation_service.core.status import JOB_ACTIVE, JobStatus, Kind
from generation_service.db import admin_jobs, delivery_log, operations
from generation_service.db.admin_jobs import BilledJob, JobBatch
from generation_service.db.jobs import Job
from generation_service.pipeline.cancel import cancel
from generation_service.pipeline.resources import Resources
from generation_service.pipeline.retry import retry

SEE_OTHER: Final = 303


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    billed: BilledJob
    progress: Progress
    stages: Sequence[Stage]
    batches: Sequence[JobBatch]
    events: Sequence[tuple[str, datetime]]
    faults: Sequence[str]
    """Of webhook deliveries, the newest of each run."""
    lots: LotList

    @property
    def is_active(self) -> bool:
        return self.billed.job.status in JOB_ACTIVE

    @property
    def may_retry(self) -> bool:
        job = self.billed.job
        return job.status in {JobStatus.COMPLETED, JobStatus.FAILED} and job.lots_failed > 0

    @property
    def poll_seconds(self) -> int | None:
        """Live to the end, and until its webhooks are delivered."""
        webhooks = self.stages[-1]
        moving = self.is_active or webhooks.settled < webhooks.total
        return ADMIN_POLL_SECONDS if moving else None


def add(routes: Blueprint, resources: Resources) -> None:
    engine = resources.engine

    @routes.get("/jobs/<uuid:job_id>")
    def job(job_id: UUID) -> AnyResponse:
        with request_transaction(engine) as connection:
            view = _view(connection, job_id)
        live = "HX-Request" in request.headers
        template = "admin/parts/job.html" if live else "admin/job.html"
        response = make_response(render_template(template, view=view, here=request.full_path))
        response.headers.update(WITH_PHOTOS)
        return response

    @routes.get("/jobs/<uuid:job_id>/results")
    def job_results(job_id: UUID) -> Response:
        with request_transaction(engine) as connection:
            job = _found(connection, job_id).job
        wanted = ResultsFilter(partial=True)
        headers = {"Content-Disposition": f'attachment; filename="batch_results_{job.id}.json"'}
        return streamed(results_body(engine, job, results_head(job), wanted), headers)

    _add_actions(routes, resources)


def _add_actions(routes: Blueprint, resources: Resources) -> None:
    @routes.get("/jobs/<uuid:job_id>/cancel")
    def ask_cancel(job_id: UUID) -> str:
        with request_transaction(resources.engine) as connection:
            billed = _found(connection, job_id)
        return render_template("admin/cancel.html", billed=billed)

    @routes.post("/jobs/<uuid:job_id>/cancel")
    def cancel_job(job_id: UUID) -> AnyResponse:
        try:
            cancel(resources, None, job_id)
            flash("The job is cancelled. What was finished stays readable.")
        except ServiceError as error:
            _tell(error)
        return redirect(url_for("admin.job", job_id=job_id), SEE_OTHER)

    @routes.post("/jobs/<uuid:job_id>/retry")
    def retry_job(job_id: UUID) -> AnyResponse:
        try:
            again = retry(resources, None, job_id)
            lots = again.lots_total - again.lots_settled
            plural = "lot" if lots == 1 else "lots"
            flash(f"Run {again.run} has begun with {lots:,} {plural} that had failed.")
        except ServiceError as error:
            _tell(error)
        return redirect(url_for("admin.job", job_id=job_id), SEE_OTHER)


def _tell(error: ServiceError) -> None:
    """Say what came in between, such as the job's end; what isn't of that kind has its own page."""
    if error.code not in {"job_not_cancellable", "job_not_retryable"}:
        raise error
    flash(error.message, "error")


def _found(connection: Connection, job_id: UUID) -> BilledJob:
    billed = admin_jobs.find(connection, job_id)
    if billed is None:
        raise ServiceError("not_found", "There is no job with this id.")
    return billed


def _view(connection: Connection, job_id: UUID) -> JobView:
    billed = _found(connection, job_id)
    batches = admin_jobs.batches(connection, job_id)
    tallies = delivery_log.tallies(connection, job_id)
    newest = [tally for tally in tallies if tally.run == billed.job.run]
    return JobView(
        billed=billed,
        progress=progress(billed.job, operations.now(connection)),
        stages=stages(billed.job, batches, newest),
        batches=batches,
        events=_events(billed, batches),
        faults=[tally.error_message for tally in newest if tally.error_message],
        lots=lot_list(connection, billed, wanted_lots(request.args, billed)),
    )


def _events(billed: BilledJob, batches: Sequence[JobBatch]) -> Sequence[tuple[str, datetime]]:
    """What happened when, oldest first."""
    job = billed.job
    events = [("Accepted", job.created_at)]
    if job.run > 1:
        events.append((f"Run {job.run} begun", job.run_started_at))
    for kind, name in ((Kind.VISION, "descriptions"), (Kind.TRANSLATION, "translations")):
        those = [batch for batch in batches if batch.kind is kind]
        if those:
            events.append((f"First {name} sent to OpenAI", those[-1].created_at))
        if last := _last_back(job, those):
            events.append((f"Last {name} back", last))
    if job.completed_at:
        events.append((job.status.value.capitalize(), job.completed_at))
    return sorted(events, key=lambda event: event[1])


def _last_back(job: Job, batches: Sequence[JobBatch]) -> datetime | None:
    """When all of these OpenAI batches had come back; None if they have not.

    A batch is tidied up a moment after its last line has ended the job. Of a cancelled job nothing
    came back but what was there by then.
    """
    ended = [batch.settled_at for batch in batches if batch.settled_at]
    if not ended or len(ended) < len(batches):
        return None
    if job.completed_at is None or max(ended) <= job.completed_at:
        return max(ended)
    return None if job.status is JobStatus.CANCELLED else job.completed_at
