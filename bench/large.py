"""The stages of a job of 50,000 lots, each beside what no service could do without."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.simulators import simulator
from bench.table import Row
from generation_service.core.limits import MIB
from generation_service.db.embedded import acquire

BAR_BYTES = 64 * MIB
BAR_SUBMIT = 1.5
BAR_COLLECT = 2.0
WITHIN_SECONDS = 900.0


def measure(folder: Path, lots: int) -> list[Row]:
    database = acquire(folder / "large")
    plain = database.replace("+psycopg2", "")
    with simulator() as openai:
        _run("stages", "fill", database, openai, str(lots))
        submit_floor = _run("floors", "submit", plain, openai)
        submit = _run("stages", "submit", database, openai, str(lots))
        collect_floor = _run("floors", "collect", plain, openai)
        collect = _run("stages", "collect", database, openai, str(lots))
    return [
        _row(f"JSONL of {lots:,} vision requests, uploaded", submit, submit_floor, BAR_SUBMIT),
        _row(
            f"{lots:,} answers collected, {2 * lots:,} queued", collect, collect_floor, BAR_COLLECT
        ),
    ]


def _row(name: str, measured: dict[str, Any], floor: float, bar: float) -> Row:
    seconds, held = measured["seconds"], measured["bytes"]
    return Row(
        name=name,
        service=seconds,
        floor=floor,
        memory=held,
        bar=f"at most {bar} times the floor, {BAR_BYTES // MIB} MiB more",
        kept=seconds <= bar * floor and held <= BAR_BYTES,
    )


def _run(module: str, *arguments: str) -> Any:
    command = [sys.executable, "-m", f"bench.{module}", *arguments]
    done = subprocess.run(  # noqa: S603 - our own
        command, check=True, stdout=subprocess.PIPE, text=True, timeout=WITHIN_SECONDS
    )
    return json.loads(done.stdout) if done.stdout else None
