"""What a lot costs as there are more of them: the stages behind the probes, at three sizes.

Each size is a database and a simulator of its own, and a process of its own for the stages
(`bench/course.py`). The smallest runs before, between and after the others, so that the machine's
moods show in it too; what it costs in the middle of them is what the others are held against.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bench import receivers
from bench.simulators import simulator
from bench.table import Row
from generation_service.db.embedded import acquire

SMALLEST: Final = 5_000
LARGEST_JOB: Final = 50_000
BAR: Final = 1.2
SHOWN_LOTS: Final = 1_000
WITHIN_SECONDS: Final = 7_200.0


def measure(lots: int) -> list[Row]:
    """A row for each of the sizes up to `lots`, which stand beside 5,000 lots."""
    sizes = [size for size in (10 * SMALLEST, 100 * SMALLEST) if size <= lots]
    smallest = [_course(SMALLEST, 1)]
    larger = []
    for size in sizes:
        larger.append(_course(min(size, LARGEST_JOB), max(1, size // LARGEST_JOB)))
        smallest.append(_course(SMALLEST, 1))
    floor = statistics.median(_a_lot(seconds, SMALLEST) for seconds in smallest)
    return [_row(size, seconds, floor) for size, seconds in zip(sizes, larger, strict=True)]


def _row(size: int, seconds: Mapping[str, float], floor: float) -> Row:
    cost = _a_lot(seconds, size)
    return Row(
        name=f"{SHOWN_LOTS:,} of {size:,} lots, beside {SMALLEST:,}",
        service=cost * SHOWN_LOTS,
        floor=floor * SHOWN_LOTS,
        bar=f"at most {BAR} times the cost of a lot",
        kept=cost <= BAR * floor,
    )


def _a_lot(seconds: Mapping[str, float], lots: int) -> float:
    return sum(seconds.values()) / lots


def _course(lots: int, jobs: int) -> dict[str, float]:
    """Seconds of each stage, on fresh data."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder,
        simulator() as openai,
        receivers.serving() as ports,
    ):
        receiver = f"http://{receivers.LOOPBACK}:{ports['prompt'][0]}/"
        command = [sys.executable, "-m", "bench.course", acquire(Path(folder)), openai, receiver]
        done = subprocess.run(  # noqa: S603 - our own
            [*command, str(lots), str(jobs)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=WITHIN_SECONDS,
        )
    seconds: dict[str, float] = json.loads(done.stdout)
    _print(lots * jobs, seconds)
    return seconds


def _print(lots: int, seconds: Mapping[str, float]) -> None:
    costs = ", ".join(f"{stage} {took / lots * 1e6:.0f}" for stage, took in seconds.items())
    print(f"Stages of {lots:,} lots, µs a lot: {costs}", flush=True)


if __name__ == "__main__":
    from bench.table import print_table

    print_table(measure(int(sys.argv[1])))
