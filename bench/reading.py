"""What clients read: a large job's results, its status among a million lots, the list of jobs."""

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from bench import history
from bench.memory import growth
from bench.table import Row
from bench.world import World
from demo.children import running
from demo.environment import free_port
from generation_service.core.limits import MIB
from generation_service.core.signatures import sign
from generation_service.db.engine import make_engine

ROUNDS: Final = 3
BAR_RESULTS: Final = 1.5
BAR_FIRST_SECONDS: Final = 0.100
BAR_BYTES: Final = 16 * MIB
CONNECTIONS: Final = 8
POLL_ROUNDS: Final = 9
POLL_SECONDS: Final = 2.0
BAR_POLLS: Final = 0.7
BAR_P99_SECONDS: Final = 0.050
_LISTS: Final = (
    "?limit=100",
    "?limit=10&offset=9000",
    "?status=completed&limit=20",
    "?status=failed",
)
_BLOCK: Final = 1024 * 1024


def measure(world: World, lots: int) -> list[Row]:
    engine = make_engine(world.database_url)
    jobs = history.fill(engine, lots)
    engine.dispose()
    return [_results(world, jobs[0], lots), _status(world, jobs, lots), _list(world)]


def _results(world: World, job: UUID, lots: int) -> Row:
    """The service and the floor in turn; both must have sent the same lots."""
    path = f"/api/v1/batch-results/{job}"
    served: list[tuple[float, float]] = []
    floors: list[float] = []
    grown: list[int] = []
    with _floor_server(world, job) as floor:
        for _ in range(ROUNDS):
            with growth(world.stack.service.process.pid) as memory:
                first, seconds, document = _read(_address(world), path, _signature(world, str(job)))
            served.append((first, seconds))
            grown.append(memory.bytes or 0)
            _, seconds, bare = _read(floor, path, {})
            floors.append(seconds)
            assert document.endswith(bare + b"}}")  # noqa: S101 - else they did different things
    slowest = max(first for first, _ in served)
    ratio = statistics.median(a / b for (_, a), b in zip(served, floors, strict=True))
    return Row(
        name=f"results of {lots:,} lots in {len(history.LANGUAGES)} languages",
        service=statistics.median(seconds for _, seconds in served),
        floor=statistics.median(floors),
        memory=max(grown),
        bar=f"at most {BAR_RESULTS} times the floor, {BAR_BYTES // MIB} MiB more; first byte after "
        f"{slowest * 1000:.0f} ms, at most {BAR_FIRST_SECONDS * 1000:.0f} ms",
        kept=ratio <= BAR_RESULTS and slowest <= BAR_FIRST_SECONDS and max(grown) <= BAR_BYTES,
    )


def _read(address: str, path: str, headers: dict[str, str]) -> tuple[float, float, bytes]:
    """Seconds to the first byte of the body and to its end, and the body."""
    connection = http.client.HTTPConnection(address, timeout=300)
    began = time.perf_counter()
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    assert answer.status == http.client.OK  # noqa: S101 - else it measures nothing
    blocks = [answer.read(1)]
    first = time.perf_counter() - began
    while block := answer.read(_BLOCK):
        blocks.append(block)
    seconds = time.perf_counter() - began
    connection.close()
    return first, seconds, b"".join(blocks)


@contextmanager
def _floor_server(world: World, job: UUID) -> Iterator[str]:
    database = world.database_url.replace("+psycopg2", "")
    command = [sys.executable, "-m", "bench.results_floor", database, str(job)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - our own
        assert server.stdout is not None  # noqa: S101 - a pipe was asked for
        yield f"127.0.0.1:{int(server.stdout.readline())}"
        server.terminate()


def _status(world: World, jobs: Sequence[UUID], lots: int) -> Row:
    requests = [
        _request(f"/api/v1/batch-status/{job}", _signature(world, str(job))) for job in jobs
    ]
    with _bare_flask(world) as bare:
        rounds = [
            (_poll(_address(world), CONNECTIONS, requests), _poll(bare, CONNECTIONS, requests))
            for _ in range(POLL_ROUNDS)
        ]
    a_second = [(ours["count"] / ours["seconds"], b["count"] / b["seconds"]) for ours, b in rounds]
    ratio = statistics.median(ours / floor for ours, floor in a_second)
    served, floor = (statistics.median(side) for side in zip(*a_second, strict=True))
    p99 = statistics.median(ours["p99"] for ours, _ in rounds)
    return Row(
        name=f"batch-status among {lots * history.LARGE_JOBS:,} lots, {CONNECTIONS} at once",
        service=1 / served,
        floor=1 / floor,
        bar=f"{served:,.0f} a second, {ratio:.2f} of the floor's, at least {BAR_POLLS}; "
        f"p99 {p99 * 1000:.0f} ms, at most {BAR_P99_SECONDS * 1000:.0f} ms",
        kept=ratio >= BAR_POLLS and p99 <= BAR_P99_SECONDS,
    )


def _list(world: World) -> Row:
    requests = []
    for query in _LISTS:
        target = f"/api/v1/batch-jobs{query}"
        requests.append(_request(target, _signature(world, target)))
    rounds = [_poll(_address(world), 1, requests) for _ in range(ROUNDS)]
    p99 = statistics.median(each["p99"] for each in rounds)
    return Row(
        name=f"batch-jobs among {history.SMALL_JOBS:,} jobs, p99",
        service=p99,
        floor=min(each["least"] for each in rounds),
        bar=f"at most {BAR_P99_SECONDS * 1000:.0f} ms",
        kept=p99 <= BAR_P99_SECONDS,
    )


def _poll(address: str, connections: int, requests: Sequence[str]) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.polling", address, str(connections), str(POLL_SECONDS)]
    done = subprocess.run(  # noqa: S603 - our own
        command, input=json.dumps(requests), check=True, stdout=subprocess.PIPE, text=True
    )
    result: dict[str, float] = json.loads(done.stdout)
    return result


@contextmanager
def _bare_flask(world: World) -> Iterator[str]:
    """Served by Gunicorn with the very settings of the service."""
    config = world.stack.config
    port = free_port()
    environ = {
        **os.environ,
        "DATABASE_URL": world.database_url,
        "DATA_DIR": str(config.data_dir),
        "SHARED_KEY": config.shared_key,
        "WEB_CONCURRENCY": str(config.web_concurrency),
        "OPENAI_BASE_URL": config.openai_base_url,
        "PORT": str(port),
    }
    arguments = ["-m", "gunicorn", "-c", "gunicorn.conf.py", "bench.bare:app"]
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        running("bare Flask", arguments, environ, Path(folder) / "bare.log") as child,
    ):
        child.wait_until(lambda: _answers(port), 60)
        yield f"127.0.0.1:{port}"


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def _address(world: World) -> str:
    return urlsplit(world.stack.base_url).netloc


def _signature(world: World, message: str) -> dict[str, str]:
    return {"X-Signature": "sha256=" + sign(world.stack.shared_key, message.encode())}


def _request(path: str, headers: dict[str, str]) -> str:
    lines = [f"GET {path} HTTP/1.1", "Host: bench", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""])
