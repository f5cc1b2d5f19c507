"""The table that `make bench` prints."""

from collections.abc import Sequence
from dataclasses import dataclass

from generation_service.core.limits import MIB


@dataclass(frozen=True, kw_only=True)
class Row:
    """Seconds of this service and of the floor; `kept` tells whether the bar was met."""

    name: str
    service: float
    floor: float
    bar: str
    kept: bool
    memory: int | None = None
    """Bytes of the service's peak above what it held before."""


def print_table(rows: Sequence[Row]) -> None:
    print(f"{'':44}{'service':>10}{'floor':>10}{'ratio':>8}{'memory':>10}  bar")
    for row in rows:
        ratio = row.service / row.floor
        print(
            f"{row.name:44}{row.service * 1000:>7.0f} ms{row.floor * 1000:>7.0f} ms"
            f"{ratio:>8.2f}{_mib(row.memory):>10}  {row.bar}: {'kept' if row.kept else 'MISSED'}"
        )


def _mib(size: int | None) -> str:
    return "" if size is None else f"{size / MIB:.0f} MiB"
