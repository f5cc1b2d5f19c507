"""What is recorded of a request that came back: a text, the end of it, or another attempt."""

from dataclasses import dataclass, field

from generation_service.core.charges import Charge


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedText:
    id: int
    damages: str
    model: str
    generated_by: str
    charge: Charge


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedText:
    """A request without a text; `charge` is what the useless answer was billed."""

    id: int
    code: str
    message: str
    charge: Charge = field(default_factory=Charge)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requeued(FailedText):
    """Another attempt, in `delay` seconds (None: held until the lot's photos are probed again)."""

    delay: float | None = 0.0
    larger: bool = False
    free: bool = False
    direct: bool = False
