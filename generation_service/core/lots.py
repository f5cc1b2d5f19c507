"""What a client asks for, once it has been checked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """One vehicle: photo URLs as sent, in order, and the seller's words."""

    lot_id: str
    image_urls: tuple[str, ...]
    additional_info: str | None = None
    webhook_url: str | None = None


@dataclass(slots=True)
class LotGroup:
    """The lots of a request that have the same number of photos.

    `info_bytes` are the sellers' words of all of them, `url_chars` the URLs of all their photos.
    """

    lots: int = 0
    info_bytes: int = 0
    url_chars: int = 0


class Lots(Protocol):
    """The lots of a request, in order; they can be read again, and need not be in memory."""

    @property
    def images(self) -> int:
        """How many photos they name together."""

    @property
    def groups(self) -> Mapping[int, LotGroup]:
        """What they amount to, by number of photos: at most as many as a lot may have photos."""

    @property
    def first(self) -> Lot: ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Lot]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """`languages` are distinct, spelled and ordered as the client sent them."""

    version: str
    languages: tuple[str, ...]
    lots: Lots
    metadata: Mapping[str, str] | None = None
    max_cost_usd: float | None = None
    """The client's limit: an order that is estimated to cost more is refused."""
