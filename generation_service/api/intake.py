"""An order as it is received: read, checked and put aside lot by lot, never held as a whole.

One pass over the text finds out all that must be known before anything is stored: whether it is
JSON, what its signature and its identity are computed over, and what is wrong with its lots.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from marshmallow import ValidationError
from marshmallow.validate import Length

from generation_service.api.lot_rules import plain_lot
from generation_service.api.lot_spool import LotSpool
from generation_service.api.schemas import LotSchema, flatten
from generation_service.core.json_stream import read_object
from generation_service.core.json_text import TooManyValuesError
from generation_service.core.limits import (
    MAX_ERROR_DETAILS,
    MAX_LOTS,
    MAX_LOTS_READ,
    MAX_WEBHOOK_URLS,
)
from generation_service.core.signatures import canonical_json

LOTS: Final = "lots"

_MEMBERS: Final = frozenset({LOTS, "signature", "version", "languages", "metadata", "max_cost_usd"})
_MAX_EXPLAINED: Final = 1_000
_PIECE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`members` are the JSON object's known ones; where the lots were, an empty list is left."""

    members: Mapping[str, object]
    lots: "LotIntake"
    lots_hash: bytes
    """SHA-256 of the lots, or whatever was sent in their place, in canonical JSON."""


def receive(text: Iterable[bytes], spool: LotSpool, signed: Callable[[bytes], None]) -> Order:
    """Read an order, its lots into `spool`; raises InvalidJsonError.

    `signed` is given what scheme 1 signs: the lots in canonical JSON, piece by piece.
    """
    lots = LotIntake(spool)
    canonical = _CanonicalList(signed)

    def take(raw: object) -> None:
        canonical.add(raw)
        lots.add(raw)

    members = read_object(text, kept=_MEMBERS, streamed=LOTS, element=take)
    value = members.get(LOTS)
    if isinstance(value, list):
        canonical.end()
    else:
        canonical.put(canonical_json(value))
        lots.refuse(value, missing=LOTS not in members)
    return Order(members=members, lots=lots, lots_hash=canonical.hash)


class LotIntake:
    """Checks lots one by one; the good ones go on, and the first faults are kept."""

    def __init__(self, spool: LotSpool) -> None:
        self.spool = spool
        self.webhooks: dict[str, int] = {}
        """The first distinct ones, one more than allowed at most, and which lot names them."""
        self.count = 0
        self._faults: list[tuple[str, str]] = []
        self._more = 0
        self._explained = 0
        self._positions: dict[str, int] = {}
        self._no_list: str | None = None

    def add(self, raw: object) -> None:
        position, self.count = self.count, self.count + 1
        if self.count > MAX_LOTS_READ:
            raise TooManyValuesError(f"A request may have {MAX_LOTS:,} lots; send fewer at once.")
        if self.count > MAX_LOTS:
            return
        lot = plain_lot(raw)
        if lot is None:
            self._explain(position, raw)
            return
        before = self._positions.setdefault(lot.lot_id, position)
        if before != position:
            message = f"Repeats the lot_id of lots[{before}]; make them distinct."
            self._note([(f"lots[{position}].lot_id", message)])
        if lot.webhook_url is not None and len(self.webhooks) <= MAX_WEBHOOK_URLS:
            self.webhooks.setdefault(lot.webhook_url, position)
        self.spool.add(lot)

    def refuse(self, value: object, *, missing: bool) -> None:
        """There is no list of lots."""
        if missing:
            self._no_list = "Missing data for required field."
        else:
            self._no_list = "Field may not be null." if value is None else "Not a valid list."

    def faults(self) -> tuple[Sequence[tuple[str, str]], int]:
        """The first details, (path, message) each, and how many others there are at least."""
        if self._no_list:
            return [(LOTS, self._no_list)], 0
        try:
            Length(1, MAX_LOTS)(range(self.count))
        except ValidationError as error:
            return list(flatten(error.messages, LOTS)), 0
        return self._faults, self._more

    def _explain(self, position: int, raw: object) -> None:
        """Ask the schema what is wrong; of lots beyond a thousand only that something is."""
        self._explained += 1
        if self._explained > _MAX_EXPLAINED:  # the schema is slow, and nobody is known to ask
            self._more += 1
            return
        messages = LotSchema().validate(raw)  # type: ignore[arg-type]
        self._note(flatten(messages, f"lots[{position}]"))

    def _note(self, details: Iterable[tuple[str, str]]) -> None:
        for detail in details:
            if len(self._faults) < MAX_ERROR_DETAILS:
                self._faults.append(detail)
            else:
                self._more += 1


class _CanonicalList:
    """A list in canonical JSON, its elements given one by one: handed on and hashed."""

    def __init__(self, signed: Callable[[bytes], None]) -> None:
        self._signed = signed
        self._sha256 = sha256()
        self._pieces: list[bytes] = []
        self._size = 0
        self._before = b"["

    def add(self, element: object) -> None:
        piece = canonical_json(element)
        self._pieces += (self._before, piece)
        self._before = b","
        self._size += len(piece)
        if self._size > _PIECE_BYTES:
            self._flush()

    def end(self) -> None:
        self._pieces.append(b"]" if self._before == b"," else b"[]")
        self._flush()

    def put(self, piece: bytes) -> None:
        self._signed(piece)
        self._sha256.update(piece)

    @property
    def hash(self) -> bytes:
        return self._sha256.digest()

    def _flush(self) -> None:
        self.put(b"".join(self._pieces))
        self._pieces, self._size = [], 0
