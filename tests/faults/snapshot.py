"""What the database says at one instant, read in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, text

Row = Mapping[str, Any]

_THERE = "job_id IN (SELECT id FROM batch_jobs WHERE status <> 'deleted')"
"""A deleted job is erased bit by bit, and nobody sees any of it."""
_QUERIES = {
    "jobs": "SELECT * FROM batch_jobs WHERE status <> 'deleted'",
    "lots": f"""
        SELECT id, job_id, lot_id, status, error_code, webhook_url, image_urls[1] AS photo,
               cardinality(image_urls) AS images, cardinality(missing_images) AS missing
        FROM batch_lots WHERE {_THERE}
    """,
    "descriptions": f"""
        SELECT id, job_id, lot, kind, language, status, attempt, openai_batch,
               md5(damages) AS damages, error_code
        FROM descriptions WHERE {_THERE}
    """,
    "openai_batches": "SELECT id, kind, status, openai_id, requests, errors FROM openai_batches",
    "shares": f"SELECT * FROM job_openai_batches WHERE {_THERE}",
    "deliveries": f"""
        SELECT id, batch_job_id AS job_id, run, webhook_url, part, parts, status, attempt_count,
               delivered_at
        FROM webhook_deliveries WHERE batch_{_THERE}
    """,
}


@dataclass(frozen=True)
class Snapshot:
    """Rows by table; `lots` and `descriptions` carry no more than what is checked."""

    jobs: Sequence[Row]
    lots: Sequence[Row]
    descriptions: Sequence[Row]
    openai_batches: Sequence[Row]
    shares: Sequence[Row]
    deliveries: Sequence[Row]

    @property
    def has_ended(self) -> bool:
        """Whether every job has, with all that follows from it."""
        return (
            all(job["completed_at"] for job in self.jobs)
            and all(delivery["status"] != "pending" for delivery in self.deliveries)
            and all(batch["status"] == "settled" for batch in self.openai_batches)
        )


def take(engine: Engine) -> Snapshot:
    with engine.connect() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        return Snapshot(
            **{
                name: [row._asdict() for row in connection.execute(text(query))]
                for name, query in _QUERIES.items()
            }
        )
