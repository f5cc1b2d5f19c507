"""What requests were estimated at and what they were billed, by model and kind."""

from sqlalchemy import Connection

from generation_service.core.status import Kind
from generation_service.core.token_estimates import MEMORY_TOKENS, Usage
from generation_service.db.statements import rows, run


def every(connection: Connection) -> dict[tuple[str, Kind], Usage]:
    found = rows(
        connection, "SELECT model, kind, estimated_tokens, prompt_tokens FROM token_estimates"
    )
    return {
        (row.model, Kind(row.kind)): Usage(row.estimated_tokens, row.prompt_tokens) for row in found
    }


def learn(connection: Connection, model: str, kind: Kind, usage: Usage) -> None:
    """Add the usage of an OpenAI batch; the more it is, the less what came before it weighs."""
    if not usage.estimated:
        return
    run(
        connection,
        """
        INSERT INTO token_estimates AS e (model, kind, estimated_tokens, prompt_tokens)
        VALUES (:model, :kind, :estimated, :prompt)
        ON CONFLICT (model, kind) DO UPDATE SET
            estimated_tokens = round(e.estimated_tokens * CAST(:keep AS float8)) + :estimated,
            prompt_tokens = round(e.prompt_tokens * CAST(:keep AS float8)) + :prompt
        """,
        model=model,
        kind=kind.value,
        estimated=usage.estimated,
        prompt=usage.prompt,
        keep=MEMORY_TOKENS / (MEMORY_TOKENS + usage.estimated),
    )
