"""The table that `make bench` prints."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Row:
    """Seconds of this service and of the floor; `kept` tells whether the bar was met."""

    name: str
    service: float
    floor: float
    bar: str
    kept: bool


def print_table(rows: Sequence[Row]) -> None:
    print(f"{'':44}{'service':>10}{'floor':>10}{'ratio':>8}  bar")
    for row in rows:
        ratio = row.service / row.floor
        print(
            f"{row.name:44}{row.service * 1000:>7.0f} ms{row.floor * 1000:>7.0f} ms"
            f"{ratio:>8.2f}  {row.bar}: {'kept' if row.kept else 'MISSED'}"
        )
