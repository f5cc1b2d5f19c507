"""What answers of OpenAI were billed, and where that is booked.

Every answer counts that was billed, also one without a usable text. Its model is the one that was
asked: what a server calls itself in its answer may be anything.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Self

from generation_service.core.lanes import Lane
from generation_service.core.prices import Price, cost_nanos, price_of, usd
from generation_service.core.replies import Reply
from generation_service.core.status import Kind

_MOST_NANOS: Final = 10**12  # of one answer: none comes near it, and sums of such fit bigint


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """Tokens and their cost, of one answer or of many; what has no price adds nothing to it."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    cost_nanos: int = 0

    def __bool__(self) -> bool:
        return bool(self.prompt_tokens or self.completion_tokens)


def total(charges: Collection[Charge]) -> Charge:
    return Charge(
        prompt_tokens=sum(each.prompt_tokens for each in charges),
        cached_tokens=sum(each.cached_tokens for each in charges),
        completion_tokens=sum(each.completion_tokens for each in charges),
        cost_nanos=sum(each.cost_nanos for each in charges),
    )


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """Whose money it was and what for; `simulated`: no money at all."""

    client: str
    kind: Kind
    lane: Lane
    model: str
    simulated: bool


@dataclass(frozen=True, slots=True)
class Tally:
    """Requests that got their text, and answers that were billed and brought none."""

    completed: int
    failed: int
    charge: Charge

    def __bool__(self) -> bool:
        return bool(self.completed or self.charge)


@dataclass(frozen=True, slots=True)
class Tariff:
    """How the answers of one lane are charged: `models` are those that are asked, by kind."""

    lane: Lane
    models: Mapping[Kind, str]
    prices: Mapping[Kind, Price | None]

    @classmethod
    def of(cls, lane: Lane, models: Mapping[Kind, str], settings: Mapping[str, Price]) -> Self:
        """By the prices that the settings name, and those of the table."""
        prices = {kind: price_of(model, settings) for kind, model in models.items()}
        return cls(lane, models, prices)

    def charge(self, kind: Kind, reply: Reply) -> Charge:
        known = self.prices[kind]
        tokens = {
            "prompt_tokens": reply.prompt_tokens,
            "cached_tokens": reply.cached_tokens,
            "completion_tokens": reply.completion_tokens,
        }
        cost = 0 if known is None else cost_nanos(known, **tokens, batch=self.lane is Lane.BATCH)
        return Charge(**tokens, cost_nanos=min(cost, _MOST_NANOS))

    def account(self, client: str, kind: Kind, *, simulated: bool) -> Account:
        return Account(client, kind, self.lane, self.models[kind], simulated)


def tally(answers: Collection[tuple[Charge, bool]]) -> Tally:
    """Sum up answers of one account: what each was billed, and whether it was a usable text."""
    return Tally(
        completed=sum(done for _, done in answers),
        failed=sum(bool(charge) for charge, done in answers if not done),
        charge=total([charge for charge, _ in answers]),
    )


def merged(
    ones: Mapping[Account, Tally], others: Mapping[Account, Tally]
) -> Mapping[Account, Tally]:
    """Add up the tallies of each account."""
    sums = dict(ones)
    for account, other in others.items():
        one = sums.get(account, Tally(0, 0, Charge()))
        sums[account] = Tally(
            completed=one.completed + other.completed,
            failed=one.failed + other.failed,
            charge=total([one.charge, other.charge]),
        )
    return sums


def usage_document(charge: Charge, estimated_cost_nanos: int | None) -> dict[str, object]:
    """What a job used, as clients and operators read it (docs/api.md §5).

    Where it could not be estimated a model had no price; then its cost isn't known either.
    """
    unknown = estimated_cost_nanos is None
    return {
        "prompt_tokens": charge.prompt_tokens,
        "cached_tokens": charge.cached_tokens,
        "completion_tokens": charge.completion_tokens,
        "cost_usd": None if unknown else usd(charge.cost_nanos),
        "estimated_cost_usd": None if estimated_cost_nanos is None else usd(estimated_cost_nanos),
    }
