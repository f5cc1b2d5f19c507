"""What a client asks for, once it has been checked."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """One vehicle: photo URLs as sent, in order, and the seller's words."""

    lot_id: str
    image_urls: tuple[str, ...]
    additional_info: str | None = None
    webhook_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """`languages` are distinct, spelled and ordered as the client sent them."""

    version: str
    languages: tuple[str, ...]
    lots: tuple[Lot, ...]
    metadata: Mapping[str, str] | None = None
