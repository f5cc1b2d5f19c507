"""What request lines are written from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from generation_service.db.statements import rows, run
from generation_service.telemetry import metrics


@dataclass(frozen=True, slots=True)
class RequestRow:
    """What a request line is written from."""

    id: int
    attempt: int
    larger: bool
    estimated_tokens: int
    image_urls: Sequence[str]
    additional_info: str | None
    language: str
    english: str | None


_REQUESTS = """
    SELECT d.id, d.attempt, d.larger, d.estimated_tokens, d.language, l.additional_info,
           english.damages AS english, ARRAY(
               SELECT url FROM unnest(l.image_urls) WITH ORDINALITY AS image (url, n)
               WHERE url <> ALL(coalesce(l.missing_images, '{}')) ORDER BY n
           ) AS image_urls
    FROM descriptions d JOIN batch_lots l ON l.id = d.lot
    LEFT JOIN descriptions english ON d.kind = 'translation'
        AND english.lot = d.lot AND english.kind = 'vision'
"""


def request_rows(connection: Connection, batch_id: UUID) -> Iterator[RequestRow]:
    """Stream what the batch's request lines are written from, by id."""
    statement = text(
        f"{_REQUESTS} WHERE d.openai_batch = :id AND d.status = 'submitted' ORDER BY d.id"
    )
    streamed = {"stream_results": True, "max_row_buffer": 50}
    for row in connection.execute(statement, {"id": batch_id}, execution_options=streamed):
        yield _request(row)
    metrics.database_executed(statement.text)


def by_ids(connection: Connection, ids: Sequence[int]) -> list[RequestRow]:
    """Return what these requests are written from, by id."""
    wanted = "WHERE d.id = ANY(CAST(:ids AS bigint[])) ORDER BY d.id"
    return [_request(row) for row in rows(connection, f"{_REQUESTS} {wanted}", ids=list(ids))]


def _request(row: Row[Any]) -> RequestRow:
    return RequestRow(
        row.id,
        row.attempt,
        row.larger,
        row.estimated_tokens,
        row.image_urls,
        row.additional_info,
        row.language,
        row.english,
    )


def submitted_count(connection: Connection, batch_id: UUID) -> int:
    counted: int = run(
        connection,
        "SELECT count(*) FROM descriptions WHERE openai_batch = :id AND status = 'submitted'",
        id=batch_id,
    ).scalar_one()
    return counted
