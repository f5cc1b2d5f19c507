"""`openai reconcile`: OpenAI's batches and files compared with ours."""

from collections.abc import Iterable, Sequence

import click

from generation_service.cli.output import as_json, count, print_json, print_table, say
from generation_service.core.reconciliation import Pair
from generation_service.pipeline.reconcile import Report, reconcile
from generation_service.pipeline.resources import Resources

_BATCH = "OpenAI batch"


def commands(resources: Resources) -> list[click.Command]:
    return [_reconcile(resources)]


def _reconcile(resources: Resources) -> click.Command:
    @click.command("reconcile")
    @click.option("--dry-run", is_flag=True, help="Only tell what would be done.")
    @click.option("--cancel-duplicates", is_flag=True, help="Cancel second batches of one row.")
    @click.option("--verbose", is_flag=True, help="List strangers' batches and loose files too.")
    @as_json
    def command(*, dry_run: bool, cancel_duplicates: bool, verbose: bool, machine: bool) -> None:
        """Compare OpenAI's batches and files with ours, and mend what is safe to mend.

        Batches that a row of ours waits for are adopted, input files of settled batches deleted.
        What belongs to strangers is never touched.
        """
        report = reconcile(resources, dry_run=dry_run, cancel_duplicates=cancel_duplicates)
        if machine:
            print_json(_document(report, dry_run=dry_run))
        else:
            _print(report, dry_run=dry_run, verbose=verbose)

    return command


def _print(report: Report, *, dry_run: bool, verbose: bool) -> None:
    seen, done = report.seen, report.done
    would = "would be " if dry_run else ""
    _say_duplicates(report, would)
    say(f"{count(len(seen.known), _BATCH)} known to our rows.")
    _say_pairs(done.adopted, f"{would}adopted")
    _say_pairs(
        seen.unrecorded,
        "of rows that were settled without having heard of them; `jobs reingest` reads them",
    )
    _say_ids((state.id for state in seen.rowless), "of this deployment whose row is gone")
    _say_ids((row.openai_id or "" for row in report.unknown), "of ours that OpenAI doesn't know")
    say(f"{count(len(seen.strangers), _BATCH)} of strangers, left alone.")
    say(f"{count(len(report.loose), 'file')} called like ours that no row names, left alone.")
    say(f"{count(len(done.deleted), 'input file')} of settled batches {would}deleted.")
    for what, why in done.left:
        say(f"Left {what}: {why}.")
    if verbose:
        _print_others(report)


def _say_duplicates(report: Report, would: str) -> None:
    """On stderr too, where it is red: it may cost money at this moment."""
    for row, state in report.seen.duplicates:
        known = f" beside {row.openai_id}" if row.openai_id else ""
        words = f"DUPLICATE: {state.id} ({state.status}) is a second OpenAI batch{known} of our "
        click.secho(f"{words}row {row.id}: its lines may be paid for twice.", fg="red", err=True)
    if not report.seen.duplicates:
        return
    say(f"{count(len(report.seen.duplicates), _BATCH)} that are duplicates, named on stderr.")
    if report.done.cancelled:
        _say_pairs(report.done.cancelled, f"{would}cancelled")
    else:
        say("None of them was cancelled; --cancel-duplicates does that.")


def _say_pairs(pairs: Sequence[Pair], words: str) -> None:
    _say_ids((f"{state.id} (row {row.id})" for row, state in pairs), words)


def _say_ids(ids: Iterable[str], words: str) -> None:
    found = list(ids)
    if found:
        say(f"{count(len(found), _BATCH)} {words}:")
        for each in found:
            say(f"  {each}")


def _print_others(report: Report) -> None:
    for headings, rows in (
        (
            ("STRANGER'S BATCH", "STATUS", "INPUT FILE"),
            [(each.id, each.status, each.input_file_id) for each in report.seen.strangers],
        ),
        (
            ("LOOSE FILE", "NAME", "BYTES"),
            [(each.id, each.filename, each.bytes) for each in report.loose],
        ),
    ):
        if rows:
            say("")
            print_table(headings, rows)


def _document(report: Report, *, dry_run: bool) -> dict[str, object]:
    seen, done = report.seen, report.done
    return {
        "dry_run": dry_run,
        "known": len(seen.known),
        "adopted": _pairs(done.adopted),
        "duplicates": _pairs(seen.duplicates),
        "cancelled": _pairs(done.cancelled),
        "unrecorded": _pairs(seen.unrecorded),
        "rowless": [state.id for state in seen.rowless],
        "unknown_to_openai": [row.openai_id for row in report.unknown],
        "strangers": [state.id for state in seen.strangers],
        "loose_files": [file.id for file in report.loose],
        "deleted_files": done.deleted,
        "left": [{"id": what, "reason": why} for what, why in done.left],
    }


def _pairs(pairs: Iterable[Pair]) -> list[dict[str, str | None]]:
    return [
        {"openai_batch": state.id, "status": state.status, "row": row.id, "row_has": row.openai_id}
        for row, state in pairs
    ]
