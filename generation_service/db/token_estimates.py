"""What requests were estimated at and what they were billed, by model and kind.

What the stand-in for OpenAI bills is kept apart, under names of its own: it says nothing of OpenAI.
"""

from typing import Final

from sqlalchemy import Connection

from generation_service.core.status import Kind
from generation_service.core.token_estimates import MEMORY_TOKENS, Usage
from generation_service.db.statements import rows, run

_SIMULATED: Final = "simulated "  # no model's name begins so


def every(connection: Connection, *, simulated: bool) -> dict[tuple[str, Kind], Usage]:
    """What was learned of OpenAI's models, or of what its stand-in made of them."""
    found = rows(
        connection,
        """
        SELECT model, kind, estimated_tokens, prompt_tokens FROM token_estimates
        WHERE starts_with(model, :prefix) = :simulated
        """,
        prefix=_SIMULATED,
        simulated=simulated,
    )
    return {
        (row.model.removeprefix(_SIMULATED), Kind(row.kind)): Usage(
            row.estimated_tokens, row.prompt_tokens
        )
        for row in found
    }


def learn(connection: Connection, model: str, kind: Kind, usage: Usage, *, simulated: bool) -> None:
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
        model=f"{_SIMULATED}{model}" if simulated else model,
        kind=kind.value,
        estimated=usage.estimated,
        prompt=usage.prompt,
        keep=MEMORY_TOKENS / (MEMORY_TOKENS + usage.estimated),
    )
