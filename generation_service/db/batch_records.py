"""OpenAI batches as an operator looks for them: by either id, settled ones too."""

from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.reconciliation import OurBatch
from generation_service.core.status import OpenAIBatchStatus
from generation_service.db.statements import rows, run


def every(connection: Connection) -> list[OurBatch]:
    """Return what our rows know of batches at OpenAI, oldest first."""
    return _read(connection, "true")


def find(connection: Connection, batch_id: str) -> OurBatch | None:
    """Return the one with this id, OpenAI's or ours."""
    found = _read(connection, "openai_id = :id OR id::text = lower(:id)", id=batch_id)
    return found[0] if found else None


def _read(connection: Connection, condition: str, **values: object) -> list[OurBatch]:
    found = rows(
        connection,
        f"""
        SELECT id, status, openai_id, input_file_id FROM openai_batches WHERE {condition}
        ORDER BY created_at, id
        """,  # noqa: S608 - constant conditions
        **values,
    )
    return [
        OurBatch(
            id=str(row.id),
            status=OpenAIBatchStatus(row.status),
            openai_id=row.openai_id,
            input_file_id=row.input_file_id,
        )
        for row in found
    ]


def input_files(connection: Connection) -> list[tuple[UUID, str]]:
    """Return the batches that need their input file no more, and the files; oldest first."""
    found = rows(
        connection,
        """
        SELECT id, input_file_id FROM openai_batches
        WHERE status = 'settled' AND input_file_id IS NOT NULL AND input_file_deleted_at IS NULL
        ORDER BY settled_at, id
        """,
    )
    return [(row.id, row.input_file_id) for row in found]


def input_file_deleted(connection: Connection, batch_id: UUID) -> None:
    run(
        connection,
        "UPDATE openai_batches SET input_file_deleted_at = now() WHERE id = :id",
        id=batch_id,
    )
