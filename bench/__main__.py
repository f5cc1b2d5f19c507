"""`make bench`: every row compares the service with a floor measured in the same run."""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import accepting, crowd, deliveries, job, large, sync
from bench.table import Row, print_table
from bench.world import World
from demo import environment
from demo.loopback import photo_server, webhook_receiver
from demo.stack import started

KEY = "a-key-for-benchmarks-of-32-characters"
SAMPLES = Path(__file__).parents[1] / "samples"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--scale", type=int, default=50_000, help="lots of the large job")
    lots = parser.parse_args().scale
    with _world() as world:
        rows: list[Row] = [sync.measure(world), job.measure(world)]
        rows += accepting.measure(world, lots)
        rows += crowd.measure(world)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows += large.measure(Path(folder), lots)
        rows += deliveries.measure(Path(folder))
    print_table(rows)
    return 0 if all(row.kept for row in rows) else 1


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
