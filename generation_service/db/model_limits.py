"""The limits of enqueued tokens that OpenAI taught us by refusing a batch."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from generation_service.core.limits import MAX_ENQUEUED_LIMIT
from generation_service.db.statements import rows, run

_MOST_DOUBLINGS: Final = 30


@dataclass(frozen=True, slots=True)
class ModelLimit:
    """`enqueued_tokens` is None where OpenAI has named no limit; `paused`: it said to wait."""

    enqueued_tokens: int | None
    paused: bool


def of_models(connection: Connection, models: Collection[str]) -> dict[str, ModelLimit]:
    """What is known of these models.

    For a day a learned limit is taken as it was named. Then it doubles day by day, until OpenAI
    names one again: accounts grow, and nobody tells us.
    """
    found = rows(
        connection,
        """
        SELECT model, paused_until > now() AS paused, enqueued_tokens,
               floor(extract(epoch FROM now() - coalesce(learned_at, paused_until)) / 86400) AS days
        FROM model_limits WHERE model = ANY(CAST(:models AS text[]))
        """,
        models=sorted(models),
    )
    return {
        row.model: ModelLimit(
            row.enqueued_tokens and _grown(row.enqueued_tokens, int(row.days)),
            row.paused,
        )
        for row in found
    }


def _grown(tokens: int, days: int) -> int:
    return min(tokens << max(0, min(days, _MOST_DOUBLINGS)), MAX_ENQUEUED_LIMIT)


def learn(
    connection: Connection,
    model: str,
    *,
    limit: int | None,
    pause_seconds: float,
    longest_pause_seconds: float,
) -> None:
    """Remember the limit OpenAI named (None: it named none) and pack nothing for a while.

    Of several batches that are refused at once the first sets the pause. It doubles when what
    went after it was refused too: somebody else may be using the account up.
    """
    run(
        connection,
        """
        INSERT INTO model_limits AS l (model, enqueued_tokens, paused_until, learned_at)
        VALUES (:model, CAST(:limit AS bigint), now() + make_interval(secs => :pause), now())
        ON CONFLICT (model) DO UPDATE SET
            enqueued_tokens = coalesce(excluded.enqueued_tokens, l.enqueued_tokens),
            learned_at = CASE WHEN l.paused_until > now() THEN l.learned_at ELSE now() END,
            paused_until = CASE
                WHEN l.paused_until > now() THEN l.paused_until
                WHEN now() < l.paused_until + interval '1 hour' AND l.learned_at IS NOT NULL
                THEN now() + least(2 * (l.paused_until - l.learned_at),
                                   make_interval(secs => :longest))
                ELSE excluded.paused_until
            END
        """,
        model=model,
        limit=limit,
        pause=pause_seconds,
        longest=longest_pause_seconds,
    )
