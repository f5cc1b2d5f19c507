"""The lots of a request between their check and the database: many wait in a file."""

import marshal
from collections.abc import Iterator
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Final, Self

from generation_service.core.limits import MIB
from generation_service.core.lots import Lot, LotGroup

_CHUNK_CHARS: Final = MIB // 4
_SIZE_BYTES: Final = 8

_Fields = tuple[str, tuple[str, ...], str | None, str | None]


class LotSpool:
    """Lots that are added one by one, and then read as often as wanted, until it is closed."""

    def __init__(self) -> None:
        self.images = 0
        self.groups: dict[int, LotGroup] = {}
        self._count = 0
        self._first: Lot | None = None
        self._chunk: list[_Fields] = []
        self._chunk_chars = 0
        self._file: IO[bytes] | None = None
        """All chunks but the last, as soon as there is more than one."""

    def add(self, lot: Lot) -> None:
        if self._chunk_chars > _CHUNK_CHARS:
            self._put_aside()
        self._first = self._first or lot
        self._count += 1
        self.images += len(lot.image_urls)
        self._chunk.append((lot.lot_id, lot.image_urls, lot.additional_info, lot.webhook_url))
        self._chunk_chars += self._grouped(lot)

    def _grouped(self, lot: Lot) -> int:
        """Add the lot to its group; returns about how many characters it has."""
        photos = len(lot.image_urls)
        group = self.groups.get(photos)
        if group is None:
            group = self.groups[photos] = LotGroup()
        url_chars = sum(map(len, lot.image_urls))
        info_bytes = len(lot.additional_info.encode()) if lot.additional_info else 0
        group.lots += 1
        group.info_bytes += info_bytes
        group.url_chars += url_chars
        return url_chars + info_bytes + len(lot.lot_id) + len(lot.webhook_url or "")

    @property
    def first(self) -> Lot:
        if self._first is None:
            raise LookupError("There are no lots.")
        return self._first

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Lot]:
        for chunk in self._chunks():
            for lot_id, image_urls, additional_info, webhook_url in chunk:
                yield Lot(
                    lot_id=lot_id,
                    image_urls=image_urls,
                    additional_info=additional_info,
                    webhook_url=webhook_url,
                )

    def _chunks(self) -> Iterator[list[_Fields]]:
        if self._file:
            self._file.seek(0)
            while size := self._file.read(_SIZE_BYTES):
                yield marshal.loads(self._file.read(int.from_bytes(size)))  # noqa: S302 - our own
        yield self._chunk

    def _put_aside(self) -> None:
        if self._file is None:
            self._file = TemporaryFile(prefix="lots-")  # noqa: SIM115 - closed with the spool
        chunk = marshal.dumps(self._chunk)
        self._file.write(len(chunk).to_bytes(_SIZE_BYTES) + chunk)
        self._chunk, self._chunk_chars = [], 0

    def close(self) -> None:
        if self._file:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
