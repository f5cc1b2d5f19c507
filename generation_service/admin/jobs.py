"""The list of jobs: who ordered what, how far it has come, when it will end, what it costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, redirect, render_template, request, url_for
from sqlalchemy import Connection
from werkzeug.wrappers import Response as AnyResponse

from generation_service.admin import cursors
from generation_service.admin.job_progress import Progress, progress
from generation_service.api.database import request_transaction
from generation_service.core.limits import (
    ADMIN_IDLE_POLL_SECONDS,
    ADMIN_PAGE_ROWS,
    ADMIN_POLL_SECONDS,
    MAX_LOT_ID_CHARS,
)
from generation_service.core.status import JOB_ACTIVE, JobStatus
from generation_service.core.text import storable
from generation_service.db import admin_jobs, operations
from generation_service.db.admin_jobs import BilledJob, Place, Wanted
from generation_service.pipeline.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedJob:
    billed: BilledJob
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class JobList:
    """What the live part of the page shows; `counts` are of all jobs of the wanted client."""

    wanted: Wanted
    jobs: list[ListedJob]
    counts: Mapping[JobStatus, int]
    newer: str | None
    older: str | None

    @property
    def poll_seconds(self) -> int:
        moving = any(each.billed.job.status in JOB_ACTIVE for each in self.jobs)
        return ADMIN_POLL_SECONDS if moving else ADMIN_IDLE_POLL_SECONDS

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def lot(self, job_id: UUID) -> str | None:
        """The lot id that was looked for, unless it was the beginning of this job's own."""
        beginning = (self.wanted.search or "").replace("-", "").lower()
        found_by_id = beginning and job_id.hex.startswith(beginning)
        return None if found_by_id else self.wanted.search

    def url(self, **changes: str | None) -> str:
        """The list with other filters, from its top; None leaves one out."""
        wanted = self.wanted
        kept: dict[str, Any] = {
            "status": wanted.status,
            "client": wanted.client,
            "q": wanted.search,
        }
        return url_for("admin.jobs", **{**kept, "q": wanted.search, **changes})


def add(routes: Blueprint, resources: Resources) -> None:
    engine = resources.engine

    @routes.get("/jobs")
    def jobs() -> AnyResponse | str:
        wanted, place = _wanted(request.args), cursors.place(request.args)
        if found := _whole_id(wanted.search):
            with request_transaction(engine) as connection:
                if admin_jobs.find(connection, found):
                    return redirect(url_for("admin.job", job_id=found))
        live = "HX-Request" in request.headers
        with request_transaction(engine) as connection:
            shown = _job_list(connection, wanted, place)
            clients = [] if live else admin_jobs.clients(connection)
        if live:
            return render_template("admin/parts/jobs.html", list=shown, here=request.full_path)
        known = sorted({*clients, *resources.settings.keys})
        return render_template("admin/jobs.html", list=shown, here=request.full_path, clients=known)


def _job_list(connection: Connection, wanted: Wanted, place: Place | None) -> JobList:
    page = admin_jobs.page(connection, wanted, place, limit=ADMIN_PAGE_ROWS)
    now = operations.now(connection)
    ends = (page.jobs[0].job, page.jobs[-1].job) if page.jobs else None
    return JobList(
        wanted=wanted,
        jobs=[ListedJob(billed=each, progress=progress(each.job, now)) for each in page.jobs],
        counts=admin_jobs.counts(connection, wanted.client),
        newer=cursors.cursor(ends[0]) if ends and page.has_newer else None,
        older=cursors.cursor(ends[1]) if ends and page.has_older else None,
    )


def _wanted(arguments: Mapping[str, str]) -> Wanted:
    """Read the filters; what makes no sense filters nothing."""
    status = arguments.get("status", "")
    search = storable(arguments.get("q", ""), MAX_LOT_ID_CHARS).strip()
    return Wanted(
        status=JobStatus(status) if status in set(JobStatus) else None,
        client=storable(arguments.get("client", "")) or None,
        search=search or None,
    )


def _whole_id(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
