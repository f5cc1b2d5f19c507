"""How much a process has taken on, and so how much more it can take."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from generation_service.core.limits import (
    WEBHOOK_BODIES_BYTES,
    WEBHOOK_NOT_PROMPT_SHARE,
    WEBHOOK_PART_BYTES,
    WEBHOOK_SLOTS,
)
from generation_service.db.delivery_claims import Room


@dataclass(slots=True)
class _Held:
    """Deliveries, and the bytes of their bodies, out of a share of all that may be held."""

    share: float
    deliveries: int = 0
    size: int = 0

    def change(self, deliveries: int, size: int) -> None:
        self.deliveries += deliveries
        self.size += size

    def left(self) -> int:
        """How many more deliveries fit, if their bodies are as large as they may be."""
        slots = int(self.share * WEBHOOK_SLOTS) - self.deliveries
        bodies = (int(self.share * WEBHOOK_BODIES_BYTES) - self.size) // WEBHOOK_PART_BYTES
        return max(0, min(slots, bodies))


@dataclass(slots=True)
class Load:
    """What is held for all hosts, and what of it for those that are not prompt."""

    _all: _Held = field(default_factory=lambda: _Held(1))
    _others: _Held = field(default_factory=lambda: _Held(WEBHOOK_NOT_PROMPT_SHARE))

    def add(self, size: int, *, prompt: bool) -> None:
        for held in (self._all,) if prompt else (self._all, self._others):
            held.change(1, size)

    def remove(self, size: int, *, prompt: bool) -> None:
        for held in (self._all,) if prompt else (self._all, self._others):
            held.change(-1, -size)

    def fits(self, size: int) -> bool:
        """Whether one more body may be held; a single one always may."""
        return not self._all.size or self._all.size + size <= WEBHOOK_BODIES_BYTES

    def room(self, prompt: Sequence[str], first_delay: float) -> Room:
        """What may be claimed now, when these hosts are prompt."""
        return Room(
            limit=self._all.left(),
            others=self._others.left(),
            prompt=prompt,
            first_delay=first_delay,
        )
