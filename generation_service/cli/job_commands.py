"""`jobs list | show | retry | cancel | reingest`: any client's jobs, for the operator."""

from collections.abc import Iterable
from uuid import UUID

import click

from generation_service.cli.findings import print_findings
from generation_service.cli.job_documents import JobView, job_document, stages, view_document
from generation_service.cli.output import Row, as_json, count, print_json, print_table, say
from generation_service.core.charges import usage_document
from generation_service.core.errors import ServiceError
from generation_service.core.openai_batch import as_id
from generation_service.core.results import LotResult
from generation_service.core.status import JobStatus, LotStatus
from generation_service.core.text import storable
from generation_service.core.times import timestamp
from generation_service.db import delivery_log, job_shares, jobs, results
from generation_service.db.jobs import Job
from generation_service.pipeline.cancel import cancel
from generation_service.pipeline.reingest import reingest
from generation_service.pipeline.resources import Resources
from generation_service.pipeline.retry import retry

SHOWN_JOBS = 20
MAX_SHOWN_JOBS = 10_000
SHOWN_LOTS = 20
_STATUSES = click.Choice([status.value for status in JobStatus])


def commands(resources: Resources) -> list[click.Command]:
    return [
        _list(resources),
        _show(resources),
        _retry(resources),
        _cancel(resources),
        _reingest(resources),
    ]


def _storable(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> str | None:
    """What a terminal sends need not be text: the database would not take it."""
    if value is not None and storable(value) != value:
        raise click.BadParameter("that is no text.")
    return value


def _batch_id(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Of an empty id, or one of dots, the SDK would make the address of something else."""
    if as_id(value) != value or not value.strip(". "):
        raise click.BadParameter("no OpenAI batch has such an id.")
    return value


def _list(resources: Resources) -> click.Command:
    @click.command("list")
    @click.option("--client", callback=_storable, help="Only this client's.")
    @click.option("--status", type=_STATUSES, help="Only in this state.")
    @click.option(
        "--limit",
        type=click.IntRange(1, MAX_SHOWN_JOBS),
        default=SHOWN_JOBS,
        show_default=True,
        help="At most so many.",
    )
    @as_json
    def command(client: str | None, status: str | None, limit: int, *, machine: bool) -> None:
        """List jobs, newest first."""
        with resources.engine.connect() as connection:
            found, total = jobs.page(
                connection,
                client=client,
                status=JobStatus(status) if status else None,
                limit=limit,
                offset=0,
            )
        if machine:
            print_json({"jobs": [job_document(job) for job in found], "total": total})
            return
        print_table(_HEADINGS, map(_row, found))
        if total > len(found):
            click.echo(f"{len(found)} of {count(total, 'job')}; --limit shows more.", err=True)

    return command


_HEADINGS = ("JOB", "CLIENT", "STATUS", "RUN", "SETTLED", "FAILED", "LOTS", "CREATED")


def _row(job: Job) -> tuple[object, ...]:
    lots = (job.lots_settled, job.lots_failed, job.lots_total)
    return (job.id, job.client, job.status.value, job.run, *lots, timestamp(job.created_at))


def _show(resources: Resources) -> click.Command:
    @click.command("show")
    @click.argument("job_id", type=click.UUID)
    @as_json
    def command(job_id: UUID, *, machine: bool) -> None:
        """Show a job: counters, OpenAI batches, what failed and why, deliveries."""
        view = _view(resources, job_id)
        if machine:
            print_json(view_document(view))
        else:
            _print_view(view)

    return command


def _view(resources: Resources, job_id: UUID) -> JobView:
    with resources.engine.connect() as connection:
        job = jobs.find(connection, job_id, None)
        if job is None:
            raise ServiceError("not_found", "There is no job with this id.")
        return JobView(
            job,
            job_shares.of_job(connection, job_id),
            results.first_lots(connection, job, limit=SHOWN_LOTS, status=LotStatus.FAILED),
            delivery_log.tallies(connection, job_id),
        )


def _print_view(view: JobView) -> None:
    print_table(_HEADINGS, [_row(view.job)])
    if view.job.error_message:
        print_table(("ERROR",), [(view.job.error_message,)])
    counts = [(name, each.total, each.completed, each.failed) for name, each in stages(view.job)]
    _print_part(("STAGE", "TOTAL", "COMPLETED", "FAILED"), counts)
    used = usage_document(view.job.charge, view.job.estimated_cost_nanos)
    _print_part(
        ("PROMPT TOKENS", "CACHED", "COMPLETION TOKENS", "COST USD", "ESTIMATED"),
        [[*used.values()]],
    )
    _print_part(
        ("OPENAI BATCH", "KIND", "STATUS", "REQUESTS", "COMPLETED", "FAILED", "CREATED"),
        [
            (b.id, b.kind, b.status, b.requests, b.completed, b.failed, timestamp(b.created_at))
            for b in view.batches
        ],
    )
    _print_part(("FAILED LOT", "CODE", "LANGUAGES", "REASON"), map(_failed, view.failed_lots))
    if len(view.failed_lots) < view.job.lots_failed:
        say(f"… and {count(view.job.lots_failed - len(view.failed_lots), 'lot')} more.")
    _print_part(
        ("DELIVERIES", "RUN", "STATUS", "NEWEST FAULT"),
        [(t.deliveries, t.run, t.status.value, t.error_message) for t in view.deliveries],
    )


def _print_part(headings: tuple[str, ...], rows: Iterable[Row]) -> None:
    found = list(rows)
    if found:
        say("")
        print_table(headings, found)


def _failed(lot: LotResult) -> tuple[object, ...]:
    languages = ", ".join(each.language for each in lot.languages if each.error)
    error = lot.error
    return lot.lot_id, error and error.code, languages, error and error.message


def _retry(resources: Resources) -> click.Command:
    @click.command("retry")
    @click.argument("job_id", type=click.UUID)
    @as_json
    def command(job_id: UUID, *, machine: bool) -> None:
        """Begin a new run of a job with what failed."""
        job = retry(resources, None, job_id)
        if machine:
            print_json(job_document(job))
        else:
            lots = count(job.lots_total - job.lots_settled, "lot")
            say(f"Job {job.id} has begun its run {job.run} with {lots} that had failed.")

    return command


def _cancel(resources: Resources) -> click.Command:
    @click.command("cancel")
    @click.argument("job_id", type=click.UUID)
    @as_json
    def command(job_id: UUID, *, machine: bool) -> None:
        """Cancel a job; what is finished stays."""
        job = cancel(resources, None, job_id)
        if machine:
            print_json(job_document(job))
        else:
            say(f"Job {job.id} of client {job.client} is cancelled.")

    return command


def _reingest(resources: Resources) -> click.Command:
    @click.command("reingest")
    @click.argument("openai_batch_id", callback=_batch_id)
    @click.option("--dry-run", is_flag=True, help="Only tell what would be done.")
    @as_json
    def command(openai_batch_id: str, *, dry_run: bool, machine: bool) -> None:
        """Bring in answers of a settled OpenAI batch that were paid for and never recorded.

        OPENAI_BATCH_ID is OpenAI's id, or ours. Nothing is asked or paid again. The jobs begin a
        new run with these answers, so their webhooks go out anew.
        """
        print_findings(
            reingest(resources, openai_batch_id, dry_run=dry_run), dry_run=dry_run, machine=machine
        )

    return command
