"""The state diagrams of docs/reliability.md, drawn from the tables in core/status.py.

`python -m tests.structure.diagrams` draws them anew where they stand.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from generation_service.core import status

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
PLACE = re.compile(
    r"(<!-- diagram of (?P<name>[\w ]+): .*? -->\n)(?P<drawn>.*?)(<!-- end of diagram -->)",
    re.DOTALL,
)

Sources = Mapping[Any, frozenset[Any]]
Arrow = tuple[str, str]

TABLES: Mapping[str, tuple[type[StrEnum], Sources, Sources]] = {
    "jobs": (status.JobStatus, status.JOB_SOURCES, status.JOB_RETRY_SOURCES),
    "lots": (status.LotStatus, status.LOT_SOURCES, status.LOT_RETRY_SOURCES),
    "descriptions": (
        status.DescriptionStatus,
        status.DESCRIPTION_SOURCES,
        status.DESCRIPTION_RETRY_SOURCES,
    ),
    "OpenAI batches": (
        status.OpenAIBatchStatus,
        status.OPENAI_BATCH_SOURCES,
        status.OPENAI_BATCH_RETRY_SOURCES,
    ),
    "deliveries": (status.DeliveryStatus, status.DELIVERY_SOURCES, {}),
}
"""What each diagram shows: its states, its changes within a run, and those that begin a run."""


def arrows(states: type[StrEnum], table: Sources) -> list[Arrow]:
    """Every change that a table allows, from and to, in the order of the states."""
    return [
        (source.value, target.value)
        for source in states
        for target in states
        if source in table.get(target, ())
    ]


def diagram(name: str) -> str:
    """Mermaid's text: the first state is the one that rows begin in."""
    states, within, anew = TABLES[name]
    leaving = {source for source, _ in arrows(states, within)}
    lines = [
        "stateDiagram-v2",
        f"[*] --> {next(iter(states))}",
        *(f"{source} --> {target}" for source, target in arrows(states, within)),
        *(f"{state} --> [*]" for state in states if state not in leaving),
        *(f"{source} --> {target}: new run" for source, target in arrows(states, anew)),
    ]
    return "\n".join(["```mermaid", lines[0], *(f"    {line}" for line in lines[1:]), "```"])


def redrawn(document: str) -> str:
    return PLACE.sub(lambda found: f"{found[1]}{diagram(found['name'])}\n{found[4]}", document)


if __name__ == "__main__":
    DOCUMENT.write_text(redrawn(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
