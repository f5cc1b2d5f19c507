"""The calls under /simulator, by which a test looks at the simulator and steers it."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from openai_simulator.connections import Request, Response
from openai_simulator.desk import parse_body
from openai_simulator.errors import ApiError, invalid
from openai_simulator.events import Events
from openai_simulator.ledger import Ledger
from openai_simulator.rules import RuleError, Rules


@dataclass
class Traffic:
    """How often each call was answered how; a dropped connection counts as "dropped"."""

    under_way: int = 0
    """Calls under /v1 that are not answered yet, nor dropped."""
    _counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    @contextmanager
    def call(self) -> Iterator[None]:
        with self._lock:
            self.under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self.under_way -= 1

    def count(self, call: str, outcome: object) -> None:
        with self._lock:
            self._counts[call, str(outcome)] += 1

    @property
    def document(self) -> dict[str, dict[str, int]]:
        document: dict[str, dict[str, int]] = {}
        with self._lock:
            for (call, outcome), times in sorted(self._counts.items()):
                document.setdefault(call, {})[outcome] = times
        return document


@dataclass(frozen=True)
class Control:
    """`batches` tells how many batches there are of each status."""

    ledger: Ledger
    rules: Rules
    traffic: Traffic
    events: Events
    batches: Callable[[], Mapping[str, int]]

    def state(self, _request: Request, _ident: str) -> Response:
        document = {"simulator": True, "batches": self.batches()}
        return Response(document={**document, "calls": self.traffic.under_way})

    def entries(self, _request: Request, _ident: str) -> Response:
        return Response(file=self.ledger.path, content_type="application/jsonl")

    def summary(self, _request: Request, _ident: str) -> Response:
        return Response(document=self.ledger.summary)

    def requests(self, _request: Request, _ident: str) -> Response:
        return Response(document=self.traffic.document)

    def sent_events(self, _request: Request, _ident: str) -> Response:
        return Response(document=self.events.attempts)

    def firings(self, _request: Request, _ident: str) -> Response:
        return Response(document=self.rules.firings)

    def list_rules(self, _request: Request, _ident: str) -> Response:
        return Response(document=self.rules.documents)

    def add_rules(self, request: Request, _ident: str) -> Response:
        """One rule or a list of them; answers with their ids."""
        given = _parsed(request.body)
        try:
            added = [self.rules.add(rule) for rule in given]
        except RuleError as error:
            raise invalid(str(error), code="invalid_rule") from error
        return Response(document={"ids": added})

    def clear_rules(self, _request: Request, _ident: str) -> Response:
        self.rules.clear()
        return Response(document={"deleted": True})

    def remove_rule(self, _request: Request, ident: str) -> Response:
        if not self.rules.remove(ident):
            raise ApiError(404, f"No such rule: {ident}")
        return Response(document={"id": ident, "deleted": True})


def _parsed(raw: bytes) -> list[dict[str, object]]:
    if not raw.lstrip().startswith(b"["):
        return [parse_body(raw)]
    try:
        given = json.loads(raw)
    except ValueError as error:
        raise invalid("The list of rules is no JSON.") from error
    if not all(isinstance(rule, dict) for rule in given):
        raise invalid("A rule is an object.", code="invalid_rule")
    return list(given)


ROUTES: Final[Sequence[tuple[str, str, Callable[[Control, Request, str], Response]]]] = (
    ("GET", "/simulator", Control.state),
    ("GET", "/simulator/ledger", Control.entries),
    ("GET", "/simulator/ledger/summary", Control.summary),
    ("GET", "/simulator/requests", Control.requests),
    ("GET", "/simulator/events", Control.sent_events),
    ("GET", "/simulator/firings", Control.firings),
    ("GET", "/simulator/rules", Control.list_rules),
    ("POST", "/simulator/rules", Control.add_rules),
    ("DELETE", "/simulator/rules", Control.clear_rules),
    ("DELETE", "/simulator/rules/{}", Control.remove_rule),
)
