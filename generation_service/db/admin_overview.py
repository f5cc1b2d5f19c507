"""What the overview tells at a glance that no other page asks for."""

from sqlalchemy import Connection

from generation_service.db.statements import run


def lots_waiting(connection: Connection) -> int:
    """How many lots of the jobs under way are not settled yet."""
    count: int = run(
        connection,
        """
        SELECT CAST(coalesce(sum(lots_total - lots_settled), 0) AS bigint) FROM batch_jobs
        WHERE status IN ('pending', 'processing', 'translating')
        """,
    ).scalar_one()
    return count
