"""A job of 50,000 lots, from the first byte of its POST to the 201."""

import gc
import hashlib
import hmac
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from bench.memory import growth
from bench.table import Row
from bench.world import LANGUAGES, World
from generation_service.core.limits import MIB

PHOTOS = 8
ROUNDS = 3
BAR_RATIO = 1.5
BAR_BYTES = 64 * MIB
BAR_HEALTH_SECONDS = 0.150
_PATH = "/api/v1/generate-descriptions"


def measure(world: World, lots: int) -> list[Row]:
    """The service and the floor in turn, each on lots of its own."""
    served: list[float] = []
    floors: list[float] = []
    grown: list[int] = []
    health: list[float] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for turn in range(ROUNDS):
            body = order_body(world.stack.shared_key, lots, turn)
            with growth(world.stack.service.process.pid) as memory, _looking(world, health):
                seconds, job = post(world, body)
            served.append(seconds)
            grown.append(memory.bytes or 0)
            world.client.cancel_batch_job(job)
            file = Path(folder) / "body.json"
            file.write_bytes(body)
            floors.append(_floor(world, file))
    slowest = statistics.quantiles(health, n=100)[-1]
    ratio = statistics.median(a / b for a, b in zip(served, floors, strict=True))
    return [
        Row(
            name=f"POST of {lots:,} lots with {PHOTOS} photos",
            service=statistics.median(served),
            floor=statistics.median(floors),
            memory=max(grown),
            bar=f"at most {BAR_RATIO} times the floor, {BAR_BYTES // MIB} MiB more",
            kept=ratio <= BAR_RATIO and max(grown) <= BAR_BYTES,
        ),
        Row(
            name="GET /health meanwhile, p99",
            service=slowest,
            floor=min(health),
            bar=f"at most {BAR_HEALTH_SECONDS * 1000:.0f} ms",
            kept=slowest <= BAR_HEALTH_SECONDS,
        ),
    ]


def order_body(key: str, lots: int, turn: int) -> bytes:
    """Some 55 MB of JSON at 50,000 lots; the photos are at a port where nobody listens."""
    order = [
        {
            "lot_id": f"{turn}-{number:06d}",
            "additional_info": "Front bumper replaced in 2023, otherwise as it left the factory. ",
            "images": [
                {"url": f"http://127.0.0.1:9/lots/{turn}/{number:06d}/{'0123456789' * 6}-{n}.jpg"}
                for n in range(PHOTOS)
            ],
        }
        for number in range(lots)
    ]
    canonical = json.dumps(order, separators=(",", ":"), sort_keys=True).encode()
    signature = hmac.digest(key.encode(), canonical, "sha256").hex()
    body = {"signature": signature, "version": "1.0.0", "languages": LANGUAGES, "lots": order}
    return json.dumps(body).encode()


def post(world: World, body: bytes) -> tuple[float, str]:
    connection = http.client.HTTPConnection(urlsplit(world.stack.base_url).netloc, timeout=300)
    began = time.perf_counter()
    connection.request("POST", _PATH, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    seconds = time.perf_counter() - began
    assert response.status == http.client.CREATED, answer  # noqa: S101 - else it measures nothing
    return seconds, json.loads(answer)["job_id"]


@contextmanager
def _looking(world: World, seconds: list[float]) -> Iterator[None]:
    """Ask for /health again and again; `seconds` gets how long each answer took."""
    over = threading.Event()

    def look() -> None:
        connection = http.client.HTTPConnection(urlsplit(world.stack.base_url).netloc, timeout=60)
        while not over.wait(0.01):
            began = time.perf_counter()
            connection.request("GET", "/health")
            connection.getresponse().read()
            seconds.append(time.perf_counter() - began)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _floor(world: World, body: Path) -> float:
    """In a process of its own, as the service is."""
    command = [sys.executable, "-m", "bench.accepting", world.database_url, str(body)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own
    return float(printed.stdout)


def _bare(database_url: str, body: Path) -> float:
    """Parse, sign, COPY and commit: nothing that accepts a job can do less."""
    import psycopg2  # noqa: PLC0415 - only the floor needs it

    from generation_service.db.statements import LineReader, copy_line  # noqa: PLC0415

    connection = psycopg2.connect(database_url.replace("+psycopg2", ""))
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE bench_floor (LIKE batch_lots INCLUDING ALL)")
    connection.commit()
    text = body.read_bytes()
    gc.collect()
    began = time.perf_counter()
    lots = json.loads(text)["lots"]
    canonical = json.dumps(lots, separators=(",", ":"), sort_keys=True).encode()
    hmac.new(b"key", canonical, hashlib.sha256).hexdigest()
    job = uuid4()
    lines = (
        copy_line(
            job,
            position,
            lot["lot_id"],
            lot["additional_info"],
            [image["url"] for image in lot["images"]],
            None,
        )
        for position, lot in enumerate(lots)
    )
    cursor.copy_expert(
        "COPY bench_floor (job_id, position, lot_id, additional_info, image_urls, webhook_url)"
        " FROM STDIN",
        LineReader(lines),  # type: ignore[arg-type]  # psycopg2 takes text, too
    )
    connection.commit()
    seconds = time.perf_counter() - began
    cursor.execute("DROP TABLE bench_floor")
    connection.commit()
    return seconds


if __name__ == "__main__":
    print(_bare(sys.argv[1], Path(sys.argv[2])))
