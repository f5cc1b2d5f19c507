"""What can be set, with the same names on the command line and in `Simulator(...)`."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`batch_seconds` is spread over a batch's lines; `port` 0 takes a free one.

    `state` is the folder that survives a restart; None keeps everything in a temporary one.
    `events_url` is told of every batch that ends, signed with `events_secret` (`whsec_…`).
    `enqueued_tokens` limits the prompt tokens waiting in batches, per model.
    """

    host: str = "127.0.0.1"
    port: int = 0
    batch_seconds: float = 3.0
    cancel_seconds: float = 0.2
    state: Path | None = None
    fetch: bool = True
    batch_api: bool = True
    photo_seconds: float = 5.0
    seed: int = 0
    rules: Sequence[Mapping[str, object]] = ()
    enqueued_tokens: Mapping[str, int] = field(default_factory=dict)
    batches_an_hour: int = 2_000
    workers: int = 8
    events_url: str | None = None
    events_secret: str = ""


def from_arguments(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Settings from `sys.argv[1:]`; SIMULATOR_BATCH_SECONDS is the default of --batch-seconds."""
    parsed = _parser(environment.get("SIMULATOR_BATCH_SECONDS", "3")).parse_args(arguments)
    options = vars(parsed) | {"enqueued_tokens": dict(parsed.enqueued_tokens)}
    return Settings(**options)


def _parser(batch_seconds: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m openai_simulator", description="A stand-in for api.openai.com."
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, required=True, help="0 takes a free one")
    add("--batch-seconds", type=float, default=batch_seconds, help="how long a batch takes")
    add("--cancel-seconds", type=float, default=0.2, help="how long cancelling takes")
    add("--state", type=Path, help="folder that survives a restart")
    add("--no-fetch", dest="fetch", action="store_false", help="look at no photo")
    add("--no-batch-api", dest="batch_api", action="store_false", help="chat completions only")
    add("--photo-seconds", type=float, default=5.0, help="the most that fetching a photo takes")
    add("--seed", type=int, default=0, help="of everything that is left to chance")
    add("--rules", type=json.loads, default=(), help="JSON list of misbehaviours, see README")
    add("--enqueued-tokens", type=_model_limit, action="append", default=[], metavar="MODEL:INT")
    add("--batches-an-hour", type=int, default=2_000)
    add("--workers", type=int, default=8, help="batch lines worked on at once")
    add("--events-url", help="is told of every batch that ends")
    add("--events-secret", default="", help="signs what it is told: whsec_ and base64")
    return parser


def _model_limit(text: str) -> tuple[str, int]:
    model, _, limit = text.rpartition(":")
    if not model:
        raise argparse.ArgumentTypeError("write MODEL:INT")
    return model, int(limit)
