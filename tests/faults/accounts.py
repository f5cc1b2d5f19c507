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


def wasted(seen: Snapshot, ledger: Iterable[Entry]) -> list[str]:
    """Texts that nobody was billed for, and bills whose text nobody got, jobs cancelled aside."""
    billed = {int(_description(entry["custom_id"])) for entry in ledger if entry["custom_id"]}
    statuses = {row["id"]: row["status"] for row in seen.descriptions}
    completed = {row for row, status in statuses.items() if status == "completed"}
    excused = {row for row, status in statuses.items() if status in {"completed", "cancelled"}}
    return [
        *(f"description {row} has a text that was never billed" for row in completed - billed),
        *(f"description {row} was billed and is {statuses.get(row)}" for row in billed - excused),
    ]


def strangers(seen: Snapshot, at_openai: int) -> list[str]:
    """Batches that OpenAI works for us and that we know nothing of."""
    ours = sum(batch["openai_id"] is not None for batch in seen.openai_batches)
    return [] if ours == at_openai else [f"OpenAI has {at_openai} batches, {ours} are ours"]


def webhooks(seen: Snapshot, received: Sequence[Received]) -> list[str]:
    """Each delivery came at least once, always under its one id and with the same bytes."""
    sent = _by_id(received)
    faults = [f"webhook {unknown} is no delivery" for unknown in sent.keys() - _ids(seen)]
    for row in seen.deliveries:
        bodies = sent[str(row["id"])]
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
