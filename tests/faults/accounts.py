"""What others have seen of us: OpenAI's ledger of what it billed, and what receivers were sent."""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from tests.faults.snapshot import Snapshot
from tests.servers import Received

Entry = Mapping[str, Any]


def paid_twice(ledger: Iterable[Entry], lost: Collection[str] = ()) -> list[str]:
    """The descriptions billed more often than once; `lost` are custom_ids that OpenAI gave up."""
    bills = Counter(entry["custom_id"] for entry in ledger if entry["kind"] == "batch")
    descriptions: Counter[str] = Counter()
    for custom_id, times in bills.items():
        descriptions[_description(custom_id)] += times
    excused = Counter(_description(custom_id) for custom_id in lost if custom_id in bills)
    return [
        f"description {description} was billed {times} times"
        for description, times in descriptions.items()
        if times > 1 + excused[description]
    ]


def _description(custom_id: str) -> str:
    return custom_id.partition("-")[0]


def wasted(
    seen: Snapshot, ledger: Iterable[Entry], forgotten: Collection[object] = ()
) -> list[str]:
    """Texts that nobody was billed for, and bills whose text nobody got.

    Cancelled jobs and the `forgotten` ids of deleted ones aside.
    """
    billed = {int(_description(entry["custom_id"])) for entry in ledger if entry["custom_id"]}
    statuses = {row["id"]: row["status"] for row in seen.descriptions}
    completed = {row for row, status in statuses.items() if status == "completed"}
    excused = {row for row, status in statuses.items() if status in {"completed", "cancelled"}}
    excused |= {row for row in forgotten if isinstance(row, int)}
    return [
        *(f"description {row} has a text that was never billed" for row in completed - billed),
        *(f"description {row} was billed and is {statuses.get(row)}" for row in billed - excused),
    ]


def direct(seen: Snapshot, ledger: Iterable[Entry], asked_again: Mapping[int, int]) -> list[str]:
    """Requests of jobs billed more often than they were asked for, where each is a direct call.

    Each lot has a photo of its own; translations can only be told apart by their whole body.
    """
    entries = [entry for entry in ledger if entry["kind"] == "direct"]
    described = Counter(url for entry in entries for url in entry["image_urls"])
    translated = Counter(entry["body_hash"] for entry in entries if not entry["image_urls"])
    photos = {lot["id"]: lot["photo"] for lot in seen.lots}
    english = [row for row in seen.descriptions if row["kind"] == "vision"]
    most = max(asked_again.values(), default=0)
    return [
        *(
            f"description {row['id']} ({row['status']}) was billed {times} times"
            for row in english
            if (times := described[photos[row["lot"]]]) > 1 + asked_again.get(row["id"], 0)
            or (row["status"] == "completed" and not times)
        ),
        *(
            f"translation {body} was billed {times} times"
            for body, times in translated.items()
            if times > 1 + most
        ),
    ]


def strangers(seen: Snapshot, at_openai: int) -> list[str]:
    """Batches that OpenAI works for us and that we know nothing of."""
    ours = sum(batch["openai_id"] is not None for batch in seen.openai_batches)
    return [] if ours == at_openai else [f"OpenAI has {at_openai} batches, {ours} are ours"]


def webhooks(
    seen: Snapshot, received: Sequence[Received], forgotten: Collection[object] = ()
) -> list[str]:
    """Each delivery came at least once, always under its one id and with the same bytes.

    Of a job that was retried, what had not come by then may be left out.
    """
    runs = {job["id"]: job["run"] for job in seen.jobs}
    sent = _by_id(received)
    known = _ids(seen) | {str(delivery) for delivery in forgotten}
    faults = [f"webhook {unknown} is no delivery" for unknown in sent.keys() - known]
    for row in seen.deliveries:
        bodies = sent[str(row["id"])]
        if row["status"] == "failed" and row["run"] < runs[row["job_id"]]:
            continue
        if row["status"] != "delivered" or not bodies:
            faults.append(f"delivery {row['id']} is {row['status']}, received {len(bodies)} times")
        elif len(set(bodies)) > 1 or not _is_of(row, json.loads(bodies[0])):
            faults.append(f"delivery {row['id']} was sent with other contents: {set(bodies)}")
    return faults


def duplicates(received: Sequence[Received]) -> int:
    """Webhooks that came again under an id that had come before."""
    return len(received) - len(_by_id(received))


def _by_id(received: Iterable[Received]) -> dict[str, list[bytes]]:
    bodies: dict[str, list[bytes]] = defaultdict(list)
    for request in received:
        bodies[request.headers["webhook-id"]].append(request.body)
    return bodies


def _ids(seen: Snapshot) -> set[str]:
    return {str(row["id"]) for row in seen.deliveries}


def _is_of(delivery: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    named = (document["delivery_id"], document["job_id"], document["run"], document["part"])
    expected = (str(delivery["id"]), str(delivery["job_id"]), delivery["run"], delivery["part"])
    return named == expected
