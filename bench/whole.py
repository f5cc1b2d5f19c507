"""A whole job: 50,000 lots with 8 photos in 3 languages, from its POST to its last webhook."""

import hmac
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg2

from bench import photos, receivers
from bench.memory import growth
from bench.simulators import simulator
from bench.table import Row
from bench.world import LANGUAGES
from demo import environment
from demo.stack import Stack, started
from generation_service.core.limits import MIB
from generation_service.core.signatures import sign
from generation_service.db.embedded import acquire
from generation_service.db.engine import make_engine, migrate

KEY: Final = "a-key-for-benchmarks-of-32-characters"
PHOTOS: Final = 8
PROCESSES: Final = 2
BAR_RATIO: Final = 2.0
BAR_BYTES: Final = 250 * MIB
WITHIN_SECONDS: Final = 1_800.0
_LOOK_SECONDS: Final = 0.25
_PATH: Final = "/api/v1/generate-descriptions"


def measure(lots: int) -> list[Row]:
    """Runs the service first, the floor on the same body afterwards; prints both in steps."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name,
        photos.serving() as hosts,
        receivers.serving() as ports,
    ):
        folder = Path(name)
        receiver = f"http://{receivers.LOOPBACK}:{ports['prompt'][0]}/"
        body = folder / "body.json"
        body.write_bytes(_body(lots, hosts, receiver))
        with simulator() as openai, _service(folder, openai, hosts, ports["prompt"]) as stack:
            with growth(stack.service.process.pid) as memory:
                steps = _Run(stack, lots).go(body.read_bytes())
            _print("service, seconds since the POST", steps.reached)
            parts = _parts(stack, steps.job, lots)
        with simulator() as openai:
            floors = _floors(folder, openai, body, receiver, parts)
    _print("floor, seconds of each step", floors)
    seconds, floor = steps.reached["webhooks delivered"], sum(floors.values())
    return [
        Row(
            name=f"whole job of {lots:,} lots, {len(LANGUAGES)} languages",
            service=seconds,
            floor=floor,
            memory=memory.bytes,
            bar=f"at most {BAR_RATIO} times the floor, {BAR_BYTES // MIB} MiB more",
            kept=seconds <= BAR_RATIO * floor and (memory.bytes or 0) <= BAR_BYTES,
        )
    ]


@dataclass(frozen=True)
class _Steps:
    """`reached` maps what the job has come through to seconds since its POST began."""

    job: str
    reached: dict[str, float]


class _Run:
    """One job, watched by its status until its webhooks are delivered."""

    def __init__(self, stack: Stack, lots: int) -> None:
        self._stack = stack
        self._lots = lots
        self._reached: dict[str, float] = {}

    def go(self, body: bytes) -> _Steps:
        self._began = time.perf_counter()
        job = str(_answer(self._stack, "POST", _PATH, body)["job_id"])
        self._note("201")
        self._wait(lambda: self._is_completed(job), job)
        self._wait(lambda: self._is_delivered(job), job)
        return _Steps(job, self._reached)

    def _note(self, step: str) -> None:
        self._reached.setdefault(step, time.perf_counter() - self._began)

    def _wait(self, over: Any, job: str) -> None:
        while not over():
            if time.perf_counter() - self._began > WITHIN_SECONDS:
                status = _status(self._stack, job)
                raise TimeoutError(f"the whole job took over {WITHIN_SECONDS:.0f} s: {status}")
            time.sleep(_LOOK_SECONDS)

    def _is_completed(self, job: str) -> bool:
        status = _status(self._stack, job)
        for name, stage in status["stages"].items():
            if stage["completed"] + stage["failed"] == stage["total"]:
                self._note(f"{name} done")
        if status["status"] in {"failed", "cancelled"}:
            raise RuntimeError(f"the whole job did not complete: {status}")
        return bool(status["status"] == "completed")

    def _is_delivered(self, job: str) -> bool:
        if _deliveries(self._stack, job, "status <> 'delivered'"):
            return False
        self._note("webhooks delivered")
        return True


@contextmanager
def _service(
    folder: Path, openai: str, hosts: Sequence[int], receiver_ports: Sequence[int]
) -> Iterator[Stack]:
    """Two Gunicorn processes on fresh data, as `make run` starts them."""
    allowed = ",".join(f"127.0.0.1:{port}" for port in (*hosts, *receiver_ports))
    environ = {
        **os.environ,
        "DATA_DIR": str(folder / "service"),
        "SHARED_KEY": KEY,
        "PORT": str(environment.free_port()),
        "OPENAI_API_KEY": "simulator",
        "OPENAI_BASE_URL": openai,
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "DATABASE_URL": "",
        "ALLOWED_PRIVATE_HOSTS": allowed,
        "OPENAI_POLL_SECONDS": "0.5",
        "BATCH_LINGER_SECONDS": "2",  # see README.md
        "WEB_CONCURRENCY": str(PROCESSES),
        "RATE_LIMIT_POLLING": "1000000",
    }
    with started(environ, log=folder / "service.log") as stack:
        yield stack


def _body(lots: int, hosts: Sequence[int], receiver: str) -> bytes:
    """Some 55 MB of JSON at 50,000 lots, which all name one webhook."""
    order = [
        {
            "lot_id": f"lot-{number:06d}",
            "additional_info": "Front bumper replaced in 2023, otherwise as it left the factory. ",
            "images": [
                {
                    "url": f"http://127.0.0.1:{hosts[n % len(hosts)]}/lots/{number:06d}/"
                    f"{'0123456789' * 6}-{n}.jpg"
                }
                for n in range(PHOTOS)
            ],
            "webhook": receiver,
        }
        for number in range(lots)
    ]
    canonical = json.dumps(order, separators=(",", ":"), sort_keys=True).encode()
    signature = hmac.digest(KEY.encode(), canonical, "sha256").hex()
    body = {"signature": signature, "version": "1.0.0", "languages": LANGUAGES, "lots": order}
    return json.dumps(body).encode()


def _status(stack: Stack, job: str) -> dict[str, Any]:
    return _answer(stack, "GET", f"/api/v1/batch-status/{job}", None, job)


def _answer(
    stack: Stack, method: str, path: str, body: bytes | None, job: str = ""
) -> dict[str, Any]:
    connection = http.client.HTTPConnection(stack.base_url.removeprefix("http://"), timeout=300)
    headers = {"Content-Type": "application/json"}
    headers["X-Signature"] = "sha256=" + sign(KEY, job.encode())
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    if response.status not in {http.client.OK, http.client.CREATED}:
        raise RuntimeError(f"{method} {path}: {response.status} {answer[:500]!r}")
    document: dict[str, Any] = json.loads(answer)
    return document


def _parts(stack: Stack, job: str, lots: int) -> list[int]:
    """The sizes of the webhooks: their number, and all the bytes of the results in even parts."""
    results = _answer(stack, "GET", f"/api/v1/batch-results/{job}", None, job)["results"]["lots"]
    texts = sum(len(lot["descriptions"]) for lot in results)
    if len(results) != lots or texts != lots * len(LANGUAGES):
        raise RuntimeError(f"{texts} texts of {len(results)} lots, not of {lots}")
    size = sum(len(json.dumps(lot, ensure_ascii=False).encode()) for lot in results)
    count = _deliveries(stack, job, "true")
    return [size // count] * count


def _deliveries(stack: Stack, job: str, condition: str) -> int:
    """How many deliveries of the job there are that meet the condition."""
    url = stack.config.database_url or acquire(stack.config.data_dir)
    with closing(psycopg2.connect(url.replace("+psycopg2", ""))) as connection:
        cursor = connection.cursor()
        cursor.execute(_DELIVERIES + condition, [job])
        (count,) = cursor.fetchone() or (0,)
    return int(count)


def _floors(
    folder: Path, openai: str, body: Path, receiver: str, parts: Sequence[int]
) -> dict[str, float]:
    """In a process of its own, on a database of its own."""
    database = acquire(folder / "floor")
    engine = make_engine(database)
    migrate(engine)
    engine.dispose()
    sizes = folder / "parts.json"
    sizes.write_text(json.dumps(list(parts)))
    plain = database.replace("+psycopg2", "")
    command = [sys.executable, "-m", "bench.bare_job"]
    arguments = [plain, openai, str(body), receiver, str(sizes)]
    done = subprocess.run(  # noqa: S603 - our own
        [*command, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=WITHIN_SECONDS,
    )
    seconds: dict[str, float] = json.loads(done.stdout)
    return seconds


def _print(title: str, seconds: dict[str, float]) -> None:
    steps = ", ".join(f"{name} {value:.1f}" for name, value in seconds.items())
    print(f"Whole job, {title}: {steps}", flush=True)


_DELIVERIES: Final = "SELECT count(*) FROM webhook_deliveries WHERE batch_job_id = %s AND "

if __name__ == "__main__":
    from bench.table import print_table

    print_table(measure(int(sys.argv[1])))
