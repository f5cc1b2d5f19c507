"""What a misbehaviour is made of: the point it happens at, its parameters and its effect."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Generic, TypeVar

from openai_simulator.conversation import image_urls

Effect = TypeVar("Effect")

DIRECT: Final = frozenset({"chat", "responses"})
WORK: Final = DIRECT | {"line"}
BATCH_VIEWS: Final = frozenset({"create", "retrieve", "list", "cancel"})
FILE_CALLS: Final = frozenset({"upload", "files", "file", "content", "delete"})
CALLS: Final = DIRECT | BATCH_VIEWS | FILE_CALLS | {"models"}
POINTS: Final = CALLS | {"line", "batch", "event"}


@dataclass(frozen=True)
class Action(Generic[Effect]):
    """`parameters` are the names a rule may give, with their defaults (None: any JSON value).

    No rule after one that `ends` a call is looked at.
    """

    points: frozenset[str]
    effect: Effect
    parameters: Mapping[str, object] = field(default_factory=dict)
    ends: bool = False


@dataclass(frozen=True)
class Subject:
    """What a rule is matched against. `raw` is the JSON of the request, "" for an upload."""

    raw: bytes = b""
    path: str = ""
    custom_id: str | None = None

    @cached_property
    def document(self) -> Mapping[str, Any]:
        try:
            document = json.loads(self.raw or b"{}")
        except (ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}

    @cached_property
    def image_urls(self) -> list[str]:
        return list(image_urls(self.document))

    @cached_property
    def model(self) -> object:
        body = self.document.get("body")
        return body.get("model") if isinstance(body, dict) else self.document.get("model")


@dataclass(frozen=True)
class Fired:
    """A rule that applies to a subject."""

    rule: str
    do: str
    parameters: Mapping[str, Any]
    subject: Subject
