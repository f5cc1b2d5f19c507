"""Jobs as operators look through them: any client's, newest first, a page at a time.

Pages are cut by keyset, so that the last of ten thousand jobs is as near as the first.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row

from generation_service.core.status import JOB_DELETED, JobStatus, Kind
from generation_service.db.jobs import COLUMNS, Job, job_of
from generation_service.db.statements import rows

_ID_PREFIX: Final = re.compile(r"[0-9a-f-]{1,36}", re.IGNORECASE)
_HEX_DIGITS: Final = 32
_COLUMNS: Final = f"""
    {COLUMNS}, translations AS translated, prompt_tokens, cached_tokens, completion_tokens,
    cost_nanos, estimated_cost_nanos, texts_simulated
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledJob:
    """A job and what was billed for it; costs are billionths of a US dollar."""

    job: Job
    translated: tuple[str, ...]
    """Its languages besides English, as descriptions name them."""
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost_nanos: int
    estimated_cost_nanos: int | None
    texts_simulated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which jobs are looked for; `search` is the beginning of a job's id, or a whole lot id."""

    status: JobStatus | None = None
    client: str | None = None
    search: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the list: next to this job, on its older or its `newer` side."""

    created_at: datetime
    id: UUID
    newer: bool


def ordered(place: Place | None, conditions: list[str], values: dict[str, Any]) -> str:
    """Add the condition that begins a list there; returns the order to read it in."""
    if place is None:
        return "DESC"
    order, side = ("ASC", ">") if place.newer else ("DESC", "<")
    conditions.append(f"(created_at, id) {side} (:created_at, :id)")
    values |= {"created_at": place.created_at, "id": place.id}
    return order


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsPage:
    """Newest first; whether there are more on either side."""

    jobs: list[BilledJob]
    has_newer: bool
    has_older: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobBatch:
    """A job's share of an OpenAI batch; `id` is OpenAI's, None until it is known."""

    id: str | None
    kind: Kind
    model: str
    status: str
    requests: int
    completed: int
    failed: int
    created_at: datetime
    settled_at: datetime | None

    @property
    def waiting(self) -> int:
        return max(0, self.requests - self.completed - self.failed) if not self.settled_at else 0


def page(connection: Connection, wanted: Wanted, place: Place | None, *, limit: int) -> JobsPage:
    """Up to `limit` jobs from the newest one, or from a place."""
    if place and place.newer:
        found = _found(connection, wanted, place, limit + 1)
        if len(found) > limit:
            return JobsPage(jobs=found[:limit][::-1], has_newer=True, has_older=True)
        place = None  # near the top, the first page shows it all and more
    found = _found(connection, wanted, place, limit + 1)
    return JobsPage(jobs=found[:limit], has_newer=place is not None, has_older=len(found) > limit)


def _found(
    connection: Connection, wanted: Wanted, place: Place | None, limit: int
) -> list[BilledJob]:
    conditions, values = _conditions(wanted)
    order = ordered(place, conditions, values)
    found = rows(
        connection,
        f"""
        SELECT {_COLUMNS} FROM batch_jobs WHERE {" AND ".join(conditions)}
        ORDER BY created_at {order}, id {order} LIMIT :limit
        """,  # noqa: S608 - constant columns and conditions
        limit=limit,
        **values,
    )
    return [_billed(row) for row in found]


def _conditions(wanted: Wanted) -> tuple[list[str], dict[str, Any]]:
    values: dict[str, Any] = {}
    conditions = [f"status <> '{JOB_DELETED}'"]
    if wanted.status:
        conditions.append("status = :status")
        values["status"] = wanted.status.value
    if wanted.client is not None:
        conditions.append("client = :client")
        values["client"] = wanted.client
    if wanted.search is not None:
        conditions.append(f"id IN ({_MATCHES})")
        values["lot_id"] = wanted.search
        values["lowest"], values["highest"] = _ids_beginning(wanted.search)
    return conditions, values


_MATCHES: Final = """
    SELECT id FROM batch_jobs WHERE id BETWEEN :lowest AND :highest
    UNION SELECT job_id FROM batch_lots WHERE lot_id = :lot_id
"""


def _ids_beginning(text: str) -> tuple[UUID | None, UUID | None]:
    """The lowest and the highest id that begin so; twice None where none can."""
    digits = text.replace("-", "")
    if not _ID_PREFIX.fullmatch(text) or not 0 < len(digits) <= _HEX_DIGITS:
        return None, None
    return UUID(digits.ljust(_HEX_DIGITS, "0")), UUID(digits.ljust(_HEX_DIGITS, "f"))


def counts(connection: Connection, client: str | None) -> Mapping[JobStatus, int]:
    """How many jobs, of one client or of all, are in each status; read off an index alone."""
    where = "" if client is None else "WHERE client = :client"
    found = rows(
        connection,
        f"SELECT status, count(*) AS jobs FROM batch_jobs {where} GROUP BY status",  # noqa: S608 - a constant condition
        client=client,
    )
    return {JobStatus(row.status): row.jobs for row in found if row.status != JOB_DELETED}


def clients(connection: Connection) -> list[str]:
    """All clients that have jobs, by name; as many index look-ups as there are clients."""
    found = rows(
        connection,
        """
        WITH RECURSIVE known (client) AS (
            SELECT min(client) FROM batch_jobs
            UNION ALL
            SELECT (SELECT min(client) FROM batch_jobs j WHERE j.client > k.client)
            FROM known k WHERE k.client IS NOT NULL
        )
        SELECT client FROM known WHERE client IS NOT NULL
        """,
    )
    return [row.client for row in found]


def find(connection: Connection, job_id: UUID) -> BilledJob | None:
    """The job with this id, whoever's it is; None also once it is deleted."""
    found = rows(
        connection,
        f"SELECT {_COLUMNS} FROM batch_jobs WHERE id = :id AND status <> '{JOB_DELETED}'",  # noqa: S608 - constant columns
        id=job_id,
    )
    return _billed(found[0]) if found else None


def batches(connection: Connection, job_id: UUID) -> list[JobBatch]:
    """A job's OpenAI batches, newest first, with this job's counts."""
    found = rows(
        connection,
        """
        SELECT b.openai_id AS id, b.kind, b.model, coalesce(b.openai_status, b.status) AS status,
               s.requests, s.completed, s.failed, b.created_at, b.settled_at
        FROM job_openai_batches s JOIN openai_batches b ON b.id = s.openai_batch
        WHERE s.job_id = :job_id AND s.requests > 0 ORDER BY b.created_at DESC, b.id
        """,
        job_id=job_id,
    )
    return [JobBatch(**{**row._asdict(), "kind": Kind(row.kind)}) for row in found]


def _billed(row: Row[Any]) -> BilledJob:
    return BilledJob(
        job=job_of(row),
        translated=tuple(row.translated),
        prompt_tokens=row.prompt_tokens,
        cached_tokens=row.cached_tokens,
        completion_tokens=row.completion_tokens,
        cost_nanos=row.cost_nanos,
        estimated_cost_nanos=row.estimated_cost_nanos,
        texts_simulated=row.texts_simulated,
    )
