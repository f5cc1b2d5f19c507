"""What must hold however often and wherever the service is killed.

Each check is given what was seen and returns what is wrong with it, in words; nothing is fine.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from tests.faults.snapshot import Row, Snapshot

_TERMINAL = frozenset({"completed", "failed", "cancelled", "delivered"})
_UNDER_WAY = frozenset({"queued", "submitted"})


def _by(rows: Iterable[Row], *names: str) -> dict[object, list[Row]]:
    groups: dict[object, list[Row]] = defaultdict(list)
    for row in rows:
        key = tuple(row[name] for name in names)
        groups[key[0] if len(names) == 1 else key].append(row)
    return groups


def _count(rows: Iterable[Row], **wanted: object) -> int:
    return sum(all(row[name] == value for name, value in wanted.items()) for row in rows)


def counters(seen: Snapshot) -> Iterator[str]:
    """The counters of every job are what its rows add up to."""
    lots, descriptions = _by(seen.lots, "job_id"), _by(seen.descriptions, "job_id")
    for job in seen.jobs:
        counted = _counted(job, lots[job["id"]], descriptions[job["id"]])
        for name, value in counted.items():
            if job[name] != value:
                yield f"job {job['id']}: {name} is {job[name]}, its rows say {value}"


def _counted(job: Row, lots: Sequence[Row], descriptions: Sequence[Row]) -> dict[str, int]:
    english = {row["lot"] for row in descriptions if _is_done(row) and row["kind"] == "vision"}
    texts = {
        row["lot"] for row in descriptions if _is_done(row) and row["language"] in _wanted(job)
    }
    hopeless = sum(lot["status"] == "failed" and lot["id"] not in english for lot in lots)
    settled = [lot for lot in lots if lot["status"] in _TERMINAL]
    probed = [lot for lot in lots if lot["missing"] is not None]
    missing = sum(lot["missing"] for lot in probed)
    return {
        "lots_total": len(lots),
        "lots_probed": len(probed),
        "lots_settled": len(settled),
        "lots_failed": _count(lots, status="failed"),
        "lots_described": sum(lot["id"] in texts and _is_over(lot) for lot in lots),
        "images_total": sum(lot["images"] for lot in lots),
        "images_failed": missing,
        "images_completed": sum(lot["images"] for lot in probed) - missing,
        "vision_completed": len(english),
        "vision_failed": hopeless,
        "translation_completed": _count(descriptions, kind="translation", status="completed"),
        "translation_failed": _count(descriptions, kind="translation", status="failed")
        + hopeless * len(job["translations"]),
    }


def _is_done(row: Row) -> bool:
    return bool(row["status"] == "completed")


def _is_over(lot: Row) -> bool:
    return lot["status"] in {"completed", "failed"}


def _wanted(job: Row) -> set[str]:
    """The languages as `descriptions` has them: the source is always `en` there."""
    sources = set(job["languages"]) - set(job["translations"])
    return {*job["translations"], *(["en"] if sources else [])}


def submitted_is_done_failed_or_pending(seen: Snapshot) -> Iterator[str]:
    """Each job's share of each OpenAI batch adds up; a settled one has nothing pending."""
    pending = _by(
        (row for row in seen.descriptions if row["status"] in {"submitted", "cancelled"}),
        "job_id",
        "openai_batch",
    )
    for share in seen.shares:
        waiting = len(pending[share["job_id"], share["openai_batch"]])
        if share["requests"] != share["completed"] + share["failed"] + waiting:
            yield f"share {dict(share)} has {waiting} requests pending"
    settled = {batch["id"] for batch in seen.openai_batches if batch["status"] == "settled"}
    for row in seen.descriptions:
        if row["status"] == "submitted" and row["openai_batch"] in settled:
            yield f"description {row['id']} waits for a settled OpenAI batch"


def translations_come_with_the_english(seen: Snapshot) -> Iterator[str]:
    """A lot has all its translations from the moment it has its English, and none before."""
    jobs = {job["id"]: job for job in seen.jobs}
    for lot, rows in _by(seen.descriptions, "lot").items():
        english = any(_is_done(row) for row in rows if row["kind"] == "vision")
        languages = sorted(row["language"] for row in rows if row["kind"] == "translation")
        expected = sorted(jobs[rows[0]["job_id"]]["translations"]) if english else []
        if languages != expected:
            yield f"lot {lot} has translations {languages}, not {expected}"


def ended_jobs_are_settled(seen: Snapshot) -> Iterator[str]:
    """A job ends in the transaction that settles its last lot."""
    ended = {job["id"] for job in seen.jobs if job["status"] in _TERMINAL}
    for lot in seen.lots:
        if lot["job_id"] in ended and lot["status"] not in _TERMINAL:
            yield f"lot {lot['id']} of an ended job is {lot['status']}"
    for row in seen.descriptions:
        if row["job_id"] in ended and row["status"] in _UNDER_WAY:
            yield f"description {row['id']} of an ended job is {row['status']}"


def ended_runs_have_deliveries(seen: Snapshot) -> Iterator[str]:
    """One delivery for each run, URL and part, from the moment the run ends."""
    urls = _by((lot for lot in seen.lots if lot["webhook_url"]), "job_id")
    deliveries = _by(seen.deliveries, "job_id")
    for job in seen.jobs:
        ended = job["run"] if job["status"] in _TERMINAL else job["run"] - 1
        hooks = {lot["webhook_url"] for lot in urls[job["id"]]}
        expected = {(run, url) for run in range(1, ended + 1) for url in hooks}
        rows = deliveries[job["id"]]
        found = Counter((row["run"], row["webhook_url"], row["part"]) for row in rows)
        if {(run, url) for run, url, _ in found} != expected or set(found.values()) - {1}:
            yield f"run {job['run']} of job {job['id']} ({job['status']}) has {dict(found)}"


AT_EACH_LOOK: Sequence[Callable[[Snapshot], Iterator[str]]] = (
    counters,
    submitted_is_done_failed_or_pending,
    translations_come_with_the_english,
    ended_jobs_are_settled,
    ended_runs_have_deliveries,
)


def at_each_look(seen: Snapshot) -> list[str]:
    return [fault for check in AT_EACH_LOOK for fault in check(seen)]


_LASTING = {
    "jobs": ("status", "run", "completed_at"),
    "lots": ("status", "error_code"),
    "descriptions": ("status", "damages", "error_code"),
    "openai_batches": ("status", "openai_id"),
    "deliveries": ("status", "attempt_count", "delivered_at"),
}


def between(before: Snapshot, after: Snapshot) -> list[str]:
    """What had ended stays as it was; of a job that was retried, what had come to a good end.

    Nothing is said of a job that is gone: whether anybody deleted it is not known here.
    """
    runs = {job["id"]: job["run"] for job in after.jobs}
    again = {job["id"] for job in before.jobs if runs.get(job["id"], 0) > job["run"]}
    return [
        fault
        for table, names in _LASTING.items()
        for fault in _changed(table, names, (before, after), (runs, again))
    ]


def _changed(
    table: str,
    names: Sequence[str],
    looks: tuple[Snapshot, Snapshot],
    jobs: tuple[Mapping[object, int], Collection[object]],
) -> Iterator[str]:
    before, after = looks
    there, again = jobs
    now = {row["id"]: row for row in getattr(after, table)}
    for row in getattr(before, table):
        job = row["id"] if table == "jobs" else row.get("job_id")
        lasts = {"completed", "delivered", "settled"} if job in again else {*_TERMINAL, "settled"}
        gone = table != "openai_batches" and job not in there
        if row["status"] not in lasts or gone or (table == "jobs" and job in again):
            continue
        was = {name: row[name] for name in names}
        found = now.get(row["id"], {})
        if was != {name: found.get(name) for name in names}:
            yield f"{table} {row['id']} changed from {was} to {dict(found)}"


def all_described(seen: Snapshot) -> list[str]:
    """Every job that nobody cancelled has one text for each lot and language."""
    texts = _by((row for row in seen.descriptions if row["damages"]), "lot", "language")
    jobs = {job["id"]: job for job in seen.jobs if job["status"] != "cancelled"}
    return [
        f"lot {lot['id']} has {len(texts[lot['id'], language])} texts in {language}"
        for lot in seen.lots
        if lot["job_id"] in jobs
        for language in _wanted(jobs[lot["job_id"]])
        if len(texts[lot["id"], language]) != 1
    ]
