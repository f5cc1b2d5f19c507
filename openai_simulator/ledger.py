"""What was billed: one entry for every request that was answered, directly or in a batch."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from openai_simulator.journal import Journal

Entry = dict[str, object]


class Ledger:
    """Entries are in `path` before the client gets its answer, so no kill loses one.

    An entry: time, kind ("direct" or "batch"), batch_id, line (from 0), custom_id, endpoint,
    model, body_hash, image_urls, input_tokens, output_tokens.
    """

    def __init__(self, path: Path) -> None:
        self._journal = Journal(path)
        self.path = path

    def direct(self, bill: Mapping[str, object], now: float) -> None:
        self._add("direct", {"batch_id": None, "line": None, "custom_id": None}, bill, now)

    def batch(self, line: tuple[str, int, str], bill: Mapping[str, object], now: float) -> None:
        """`line` is (batch id, line number, custom_id)."""
        names = ("batch_id", "line", "custom_id")
        self._add("batch", dict(zip(names, line, strict=True)), bill, now)

    def _add(
        self, kind: str, source: Mapping[str, object], bill: Mapping[str, object], now: float
    ) -> None:
        self._journal.append({"time": now, "kind": kind, **source, **bill})

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._journal)

    def billed_lines(self, batch_id: str) -> set[object]:
        return {entry["line"] for entry in self if entry["batch_id"] == batch_id}

    @property
    def summary(self) -> dict[str, object]:
        """Counts over all entries.

        `paid_twice` counts the (body, custom_id) of batch lines, `repeated_direct` the bodies of
        direct calls, that were billed more than once.
        """
        lines: Counter[tuple[object, object]] = Counter()
        direct: Counter[object] = Counter()
        tokens: Counter[str] = Counter()
        for entry in self:
            if entry["kind"] == "batch":
                lines[entry["body_hash"], entry["custom_id"]] += 1
            else:
                direct[entry["body_hash"]] += 1
            tokens.update({name: _count(entry[name]) for name in ("input_tokens", "output_tokens")})
        twice = [custom_id for (_, custom_id), times in lines.items() if times > 1]
        return {
            "lines": lines.total() + direct.total(),
            "batch_lines": lines.total(),
            "direct_lines": direct.total(),
            "custom_ids": len({custom_id for _, custom_id in lines}),
            "paid_twice": len(twice),
            "paid_twice_custom_ids": twice[:20],
            "repeated_direct": sum(times > 1 for times in direct.values()),
            "input_tokens": tokens["input_tokens"],
            "output_tokens": tokens["output_tokens"],
        }

    def close(self) -> None:
        self._journal.close()


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
