"""Whose the batches at OpenAI are, told by what they carry, and what follows for our rows.

A batch is ours when a row names it, when its metadata names this deployment, or (for servers that
keep no metadata) when it was made from an input file of ours. All others belong to strangers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from generation_service.core.openai_batch import METADATA_BATCH, METADATA_DEPLOYMENT, BatchState
from generation_service.core.status import OpenAIBatchStatus

ADOPTING: Final = (OpenAIBatchStatus.BUILDING, OpenAIBatchStatus.UPLOADED)
"""States in which a row waits to learn what its batch is called at OpenAI."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OurBatch:
    """What our row knows of a batch at OpenAI; `id` is the row's, as metadata spell it."""

    id: str
    status: OpenAIBatchStatus
    openai_id: str | None
    input_file_id: str | None


Pair = tuple[OurBatch, BatchState]


@dataclass(slots=True)
class Comparison:
    """Batches at OpenAI by what they are to us, in the order they were listed."""

    known: list[Pair] = field(default_factory=list)
    adoptable: list[Pair] = field(default_factory=list)
    """Of a row that waits for it."""
    unrecorded: list[Pair] = field(default_factory=list)
    """Of a row that was settled without having heard of it."""
    duplicates: list[Pair] = field(default_factory=list)
    """A second one for a row: its lines may be paid for twice."""
    rowless: list[BatchState] = field(default_factory=list)
    """Of this deployment, whose row is gone."""
    strangers: list[BatchState] = field(default_factory=list)
    unlisted: list[OurBatch] = field(default_factory=list)
    """Rows that name a batch which OpenAI does not list."""


def compare(listed: Iterable[BatchState], ours: Sequence[OurBatch], deployment: str) -> Comparison:
    """Sort out what OpenAI lists; one row adopts one batch at most."""
    rows = _Rows(ours, deployment)
    seen = Comparison()
    waiting: dict[str, list[BatchState]] = {}
    for state in listed:
        row = rows.of(state)
        if row is None:
            (seen.rowless if rows.is_ours(state) else seen.strangers).append(state)
        elif row.openai_id is None:
            waiting.setdefault(row.id, []).append(state)
        else:
            (seen.known if row.openai_id == state.id else seen.duplicates).append((row, state))
    for row_id, states in waiting.items():
        _wait_for(rows.by_id[row_id], states, seen)
    names = {state.id for _, state in seen.known}
    seen.unlisted = [row for name, row in rows.by_name.items() if name not in names]
    return seen


class _Rows:
    def __init__(self, ours: Sequence[OurBatch], deployment: str) -> None:
        self._deployment = deployment
        self.by_id = {row.id: row for row in ours}
        self.by_name = {row.openai_id: row for row in ours if row.openai_id}
        self._by_file = {row.input_file_id: row for row in ours if row.input_file_id}

    def is_ours(self, state: BatchState) -> bool:
        return state.metadata.get(METADATA_DEPLOYMENT) == self._deployment

    def of(self, state: BatchState) -> OurBatch | None:
        if state.id in self.by_name:
            return self.by_name[state.id]
        if METADATA_DEPLOYMENT in state.metadata:
            named = self.by_id.get(state.metadata.get(METADATA_BATCH, ""))
            return named if self.is_ours(state) else None
        return self._by_file.get(state.input_file_id or "")


def _wait_for(row: OurBatch, states: Sequence[BatchState], seen: Comparison) -> None:
    """The one made from the row's present file, or else the newest; others are duplicates."""
    chosen = next((s for s in states if s.input_file_id == row.input_file_id), states[0])
    target = seen.adoptable if row.status in ADOPTING else seen.unrecorded
    target.append((row, chosen))
    seen.duplicates += [(row, state) for state in states if state is not chosen]
