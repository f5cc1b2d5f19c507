"""Probing a large job's photos on hosts 80 ms away, against a bare multi-transfer of as many.

By itself: `python -m bench.probing --scale 50000`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.photos import LOOPBACK, serving
from bench.probing_runs import PHOTOS
from bench.table import Row, print_table
from generation_service.db.embedded import acquire

LOTS: Final = 12_500
BAR: Final = 1.5
BAR_A_SECOND: Final = 3_000


def measure(folder: Path, lots: int) -> Row:
    """The floor is taken before and after the stage: the machine may have changed meanwhile."""
    urls = lots * PHOTOS
    database = acquire(folder / "probing")
    with serving() as ports:
        floor = _run("floor", database, lots, ports)["seconds"]
        before = _served(ports)
        stage = _run("stage", database, lots, ports)
        if (asked := _served(ports) - before) != urls:
            raise RuntimeError(f"{asked} photos were asked for instead of {urls}")
        floor = (floor + _run("floor", database, lots, ports)["seconds"]) / 2
    seconds = stage["seconds"]
    return Row(
        name=f"{urls:,} photos probed, 80 ms away",
        service=seconds,
        floor=floor,
        memory=stage["bytes"],
        bar=f"{urls / seconds:,.0f} a second, at least {BAR_A_SECOND:,}; at most {BAR} times",
        kept=seconds <= BAR * floor and seconds * BAR_A_SECOND <= urls,
    )


def _run(what: str, database: str, lots: int, ports: Sequence[int]) -> Any:
    """In a process of its own: nothing else has its interpreter and its memory."""
    command = [sys.executable, "-m", "bench.probing_runs", what, database, str(lots)]
    done = subprocess.run(  # noqa: S603 - our own
        [*command, *map(str, ports)], check=True, stdout=subprocess.PIPE, text=True
    )
    return json.loads(done.stdout)


def _served(ports: Sequence[int]) -> int:
    with urllib.request.urlopen(f"http://{LOOPBACK}:{ports[0]}/served") as answer:
        return int(answer.read())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.probing", description=__doc__)
    parser.add_argument("--scale", type=int, default=LOTS, help="lots with 8 photos each")
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        print_table([measure(Path(place), parser.parse_args().scale)])
