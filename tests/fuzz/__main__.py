"""`python -m tests.fuzz --minutes 5`: a whole service, fuzzed for as long as there is time."""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests import running
from tests.events import SECRET
from tests.fuzz.command import RATE_LIMITS, schemathesis
from tests.photos import photo_replies
from tests.servers import LoopbackServer, Reply

_FAULTS = ("request_failed", "stage_failed", "Traceback")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, help="of a run to be repeated")
    arguments = parser.parse_args()
    options = ["--max-time", str(round(arguments.minutes * 60)), "--generation-database", "none"]
    if arguments.seed is not None:
        options += ["--seed", str(arguments.seed)]
    with tempfile.TemporaryDirectory() as folder, _world(Path(folder)) as (service, world):
        code = schemathesis(service.base_url, world, *options).returncode
        faults = _faults(service.process.output())
    print(*faults, f"{len(faults)} faults in the service's log", sep="\n")
    return 1 if faults else code


@contextmanager
def _world(folder: Path) -> Iterator[tuple[running.RunningService, dict[str, str]]]:
    """A service with a database of its own, photos, and a receiver that is often unwell."""
    answers = [Reply(), Reply(status=500), Reply(status=204, body=b""), Reply(body=b"\0" * 100_000)]
    replies: dict[str, Reply | Sequence[Reply]] = {**photo_replies(), "/webhook": answers}
    with (
        LoopbackServer(replies) as outside,
        running.simulator(folder, "--batch-seconds", "1") as openai,
        running.service(folder, _settings(outside, openai)) as service,
    ):
        world = {
            "FUZZ_KEY": service.shared_key,
            "FUZZ_PHOTO_URL": outside.url("/1.jpg"),
            "FUZZ_WEBHOOK_URL": outside.url("/webhook"),
        }
        yield service, world


def _settings(outside: LoopbackServer, openai: running.RunningSimulator) -> dict[str, str]:
    return {
        **RATE_LIMITS,
        "OPENAI_BASE_URL": openai.base_url,
        "ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{outside.port}",
        "OPENAI_WEBHOOK_SECRET": SECRET,
        "WEBHOOK_RETRY_SECONDS": "0,0.5,0.5,0.5,0.5",
    }


def _faults(log: str) -> list[str]:
    return [line for line in log.splitlines() if any(fault in line for fault in _FAULTS)]


if __name__ == "__main__":
    sys.exit(main())
