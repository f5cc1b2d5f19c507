"""The table of all metrics, drawn from the code into docs/operations/metrics.md.

Write it anew with: python -m tests.structure.metric_table
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from generation_service.api.metrics import Reading, families
from generation_service.core.charges import Account, Charge, Tally
from generation_service.core.lanes import Lane
from generation_service.core.status import Kind
from generation_service.db.queues import Queue
from generation_service.telemetry import metrics
from generation_service.telemetry.exposition import exposition
from tests.exposition import read

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "operations" / "metrics.md"
BEGIN: Final = "<!-- table of metrics: python -m tests.structure.metric_table -->\n"
END: Final = "<!-- end of the table -->\n"
_READING: Final = Reading(
    queues=[Queue("images", 1, 1.0)],
    jobs={"pending": 1},
    openai_batches=[("vision", "submitted", 1)],
    heartbeats={"probe": 1.0},
)
_HISTOGRAM: Final = ("_bucket", "_count", "_sum")


@dataclass(frozen=True)
class Family:
    """`name` as in the exposition, a histogram's without its suffix."""

    name: str
    kind: str
    what: str
    labels: tuple[str, ...]


@cache
def described() -> Mapping[str, Family]:
    """Every metric that the service can expose, by its name."""
    return {family.name: family for family in _described()}


@cache
def exposed() -> str:
    """An exposition that has at least one series of everything."""
    metrics.http_answered("GET", "/health", 200, 0.1)
    metrics.stages_known(["probe"])
    account = Account("default", Kind.VISION, Lane.BATCH, "model", simulated=True)
    metrics.billed(account, Tally(0, 0, Charge()))
    return exposition("1.0.0", families(_READING)).decode()


def _described() -> Iterator[Family]:
    for name, family in read(exposed()).families.items():
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        shown = f"{name}_total" if family.type == "counter" else name
        yield Family(shown, family.type, family.documentation, tuple(sorted(labels)))


def series() -> Mapping[str, frozenset[str]]:
    """The names that a query may use, each with its labels."""
    found: dict[str, frozenset[str]] = {}
    for family in described().values():
        labels = frozenset(family.labels)
        if family.kind != "histogram":
            found[family.name] = labels
            continue
        for suffix in _HISTOGRAM:
            found[family.name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return found


def table() -> str:
    rows = "".join(
        f"| `{family.name}` | {family.kind} | {_labels(family)} | {family.what} |\n"
        for _, family in sorted(described().items())
    )
    return f"| metric | type | labels | what it tells |\n|---|---|---|---|\n{rows}"


def _labels(family: Family) -> str:
    return ", ".join(f"`{label}`" for label in family.labels)


def with_table(document: str) -> str:
    before, rest = document.split(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
