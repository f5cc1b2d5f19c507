"""`make bench`: every row compares the service with a floor measured in the same run."""

import argparse
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import accepting, crowd, deliveries, growth, job, large, probing, reading, sync, whole
from bench.table import Row, print_table
from bench.world import World
from demo import environment
from demo.loopback import photo_server, webhook_receiver
from demo.stack import started
from generation_service.core.limits import MAX_LOTS

KEY = "a-key-for-benchmarks-of-32-characters"
SAMPLES = Path(__file__).parents[1] / "samples"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--scale",
        type=int,
        default=MAX_LOTS,
        help="lots of the large job, at most 50,000; more show what growth costs",
    )
    scale: int = parser.parse_args().scale
    lots = min(scale, MAX_LOTS)
    rows = Rows()
    with _world() as world:
        rows.add(lambda: [sync.measure(world), job.measure(world)])
        rows.add(lambda: accepting.measure(world, lots))
        rows.add(lambda: crowd.measure(world))
        rows.add(lambda: reading.measure(world, lots))
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        rows.add(lambda: large.measure(Path(folder), lots))
        rows.add(lambda: [probing.measure(Path(folder), min(lots, probing.LOTS))])
        rows.add(lambda: deliveries.measure(Path(folder)))
    rows.add(lambda: whole.measure(lots))
    rows.add(lambda: growth.measure(scale))
    print_table(rows.measured)
    return 0 if rows.complete and all(row.kept for row in rows.measured) else 1


class Rows:
    """What was measured; a row that can't be is told of, and the others go on without it."""

    def __init__(self) -> None:
        self.measured: list[Row] = []
        self.complete = True

    def add(self, measure: Callable[[], list[Row]]) -> None:
        try:
            self.measured += measure()
        except Exception:  # noqa: BLE001 - whatever it was, an hour of other rows is worth more
            self.complete = False
            traceback.print_exc()


@contextmanager
def _world() -> Iterator[World]:
    """A service of its own, with the simulator answering at once, on fresh data."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        photo_server(SAMPLES) as photos,
        webhook_receiver(KEY) as receiver,
    ):
        environ = {
            **os.environ,
            "DATA_DIR": folder,
            "SHARED_KEY": KEY,
            "PORT": str(environment.free_port()),
            "OPENAI_API_KEY": "",
            "OPENAI_BASE_URL": "",
            "DATABASE_URL": "",
            "ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{photos},127.0.0.1:{receiver.port}",
            "OPENAI_POLL_SECONDS": "1",
            "BATCH_LINGER_SECONDS": "0",
            "SIMULATOR_BATCH_SECONDS": "0",
            "RATE_LIMIT_SYNC": "1000",
            "RATE_LIMIT_POLLING": "1000000",
        }
        with started(environ, log=Path(folder) / "service.log") as stack:
            yield World(stack=stack, photos=f"http://127.0.0.1:{photos}", receiver=receiver)


if __name__ == "__main__":
    sys.exit(main())
