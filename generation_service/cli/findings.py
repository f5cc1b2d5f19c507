"""What `jobs reingest` tells."""

from collections.abc import Mapping
from typing import Final

from generation_service.cli.output import count, print_json, say
from generation_service.core.rescue import Fate
from generation_service.pipeline.reingest import Findings

_LEFT: Final[Mapping[Fate, str]] = {
    Fate.RECORDED: "recorded already",
    Fate.UNDER_WAY: "left: the request was queued or submitted again meanwhile",
    Fate.SUPERSEDED: "left: the request was given up in a later attempt",
    Fate.JOB_UNDER_WAY: "left: the request failed in a job that goes on; try again when it ended",
    Fate.CANCELLED: "left: the request was cancelled",
    Fate.GONE: "left: the request was deleted, or never was ours",
}


def print_findings(findings: Findings, *, dry_run: bool, machine: bool) -> None:
    if machine:
        print_json(_document(findings, dry_run=dry_run))
        return
    usable = count(findings.fates.total(), "usable answer")
    say(f"OpenAI batch {findings.openai_id} ended as {findings.openai_status} with {usable}.")
    for file_id in findings.lost_files:
        say(f"Its file {file_id} is gone.")
    if findings.useless:
        say(f"{count(findings.useless, 'request')} it answered with an error or without a text.")
    for fate, words in _LEFT.items():
        if findings.fates[fate]:
            say(f"{count(findings.fates[fate], 'answer')} {words}.")
    _say_rescued(findings, dry_run=dry_run)


def _say_rescued(findings: Findings, *, dry_run: bool) -> None:
    answers = count(findings.fates[Fate.RESCUED], "answer")
    if not findings.fates[Fate.RESCUED]:
        say("Nothing is to be brought in.")
    elif dry_run:
        say(f"{answers} would be brought in: the request failed for want of it.")
    else:
        say(f"{answers} will be recorded by the service, in {count(len(findings.runs), 'job')}:")
        for job_id, run in findings.runs.items():
            say(f"  {job_id}, run {run}")


def _document(findings: Findings, *, dry_run: bool) -> dict[str, object]:
    return {
        "openai_batch": findings.openai_id,
        "openai_status": findings.openai_status,
        "dry_run": dry_run,
        "answers": {fate.value: findings.fates[fate] for fate in Fate},
        "without_a_text": findings.useless,
        "lost_files": findings.lost_files,
        "runs": [{"job_id": str(job), "run": run} for job, run in findings.runs.items()],
    }
