"""An order's estimate, and how clients read it (docs/api.md §3)."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from generation_service.core.cost_estimates import Share
from generation_service.core.lanes import Lane
from generation_service.core.lots import GenerationRequest
from generation_service.core.prices import shown_nanos, usd
from generation_service.core.times import timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """`lane` is the one the order would take; one lot is asked for by direct calls."""

    request: GenerationRequest
    lane: Lane
    vision: Share
    translation: Share
    openai_batches: int
    takes: timedelta
    now: datetime
    unpriced: tuple[str, ...]
    limit_nanos: int | None
    """The lower one of the client's limit and the operator's, if there is one."""

    @property
    def cost_nanos(self) -> int | None:
        total = self.vision + self.translation
        return total.batch_nanos if self.lane is Lane.BATCH else total.direct_nanos

    @property
    def too_dear(self) -> bool | None:
        """None: there is no limit, or no price."""
        if self.limit_nanos is None or self.cost_nanos is None:
            return None
        return shown_nanos(self.cost_nanos) > self.limit_nanos

    def document(self) -> dict[str, object]:
        request, total = self.request, self.vision + self.translation
        document: dict[str, object] = {
            "lots": len(request.lots),
            "languages": list(request.languages),
            "images": request.lots.images,
            "descriptions": len(request.lots) * len(request.languages),
            "requests": {
                "vision": self.vision.requests,
                "translation": self.translation.requests,
            },
            "tokens": {"vision": _tokens(self.vision), "translation": _tokens(self.translation)},
            "cost_usd": {"batch": _usd(total.batch_nanos), "direct": _usd(total.direct_nanos)},
            "lane": self.lane.value,
            "estimated_cost_usd": _usd(self.cost_nanos),
            "max_cost_usd": _usd(self.limit_nanos),
            "exceeds_max_cost": self.too_dear,
            "openai_batches": self.openai_batches,
            "estimated_seconds": round(self.takes.total_seconds()),
            "estimated_completion": timestamp(self.now + self.takes),
        }
        if self.unpriced:
            document["note"] = unpriced_note(self.unpriced)
        return document


def unpriced_note(models: Collection[str]) -> str:
    names = " and ".join(models)
    return f"No price is known for {names}; the operator can set MODEL_PRICES."


def _tokens(share: Share) -> dict[str, int]:
    return {
        "prompt_tokens": share.prompt_tokens,
        "completion_tokens": share.completion_tokens,
    }


def _usd(nanodollars: int | None) -> float | None:
    return None if nanodollars is None else usd(nanodollars)
