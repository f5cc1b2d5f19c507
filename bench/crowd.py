"""A hundred single lots at once, each waiting 30 s for OpenAI, and what that costs the others."""

import http.client
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from urllib.parse import urlsplit

import requests

from bench.accepting import ROUNDS, order_body, post
from bench.sync import Floor
from bench.table import Row
from bench.world import LANGUAGES, World
from generation_service.core.signatures import sign

IN_FLIGHT = 100
ARRIVAL_SECONDS = 30.0
ANSWER_SECONDS = 15.0
"""Of each call: the English and then its translations take 30 s together."""
FLOORS = 5
LOOK_SECONDS = 0.02
BAR_ADDED_SECONDS = 0.030
BAR_HEALTH_SECONDS = 0.050
BAR_POLL_SECONDS = 0.100


def measure(world: World) -> list[Row]:
    job = _job(world)
    signature = {"X-Signature": "sha256=" + sign(world.stack.shared_key, job.encode())}
    with (
        _slow_answers(world),
        _looking(world, "/health") as health,
        _looking(world, f"/api/v1/batch-status/{job}", signature) as polls,
    ):
        served, floors = _arrive(world)
    added = statistics.median(served) - statistics.median(floors)
    return [
        Row(
            name=f"{IN_FLIGHT} single lots in flight",
            service=statistics.median(served),
            floor=statistics.median(floors),
            bar=f"adds {added * 1000:.0f} ms, at most {BAR_ADDED_SECONDS * 1000:.0f} ms, no 5xx",
            kept=added <= BAR_ADDED_SECONDS,
        ),
        _beside("GET /health beside them, p99", health, BAR_HEALTH_SECONDS),
        _beside("GET batch-status beside them, p99", polls, BAR_POLL_SECONDS),
    ]


def _beside(name: str, seconds: list[float], bar: float) -> Row:
    p99 = statistics.quantiles(seconds, n=100)[-1]
    bar_text = f"at most {bar * 1000:.0f} ms"
    return Row(name=name, service=p99, floor=min(seconds), bar=bar_text, kept=p99 <= bar)


def _job(world: World) -> str:
    """Something to ask about."""
    _, job = post(world, order_body(world.stack.shared_key, 2, ROUNDS))
    return job


def _arrive(world: World) -> tuple[list[float], list[float]]:
    """Seconds that each request and each floor took; they arrive evenly."""
    with ThreadPoolExecutor(IN_FLIGHT + 3 * FLOORS) as pool, requests.Session() as session:
        floor = Floor(world, session, pool)
        served: list[Future[float]] = []
        floors: list[Future[float]] = []
        for number in range(IN_FLIGHT):
            served.append(pool.submit(_seconds, partial(_order, world, number)))
            if number % (IN_FLIGHT // FLOORS) == 0:
                floors.append(pool.submit(_seconds, floor.run))
            time.sleep(ARRIVAL_SECONDS / IN_FLIGHT)
        return [each.result() for each in served], [each.result() for each in floors]


def _order(world: World, number: int) -> None:
    car = world.cars[0]
    document, status = world.client.sync_generate(
        f"crowd-{number}", car.get("additional_info", ""), car["image_urls"], LANGUAGES
    )
    if status != http.client.OK:
        raise RuntimeError(f"{status}: {document}")


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@contextmanager
def _slow_answers(world: World) -> Iterator[None]:
    address = urlsplit(world.stack.config.openai_base_url).netloc
    rule = {"on": "chat", "do": "slow", "seconds": ANSWER_SECONDS}
    _ask(address, "POST", "/simulator/rules", json.dumps(rule))
    try:
        yield
    finally:
        _ask(address, "DELETE", "/simulator/rules")


def _ask(address: str, method: str, path: str, body: str | None = None) -> None:
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request(method, path, body)
    connection.getresponse().read()
    connection.close()


@contextmanager
def _looking(
    world: World, path: str, headers: dict[str, str] | None = None
) -> Iterator[list[float]]:
    """Ask again and again; how long each answer took."""
    over = threading.Event()
    seconds: list[float] = []

    def look() -> None:
        connection = http.client.HTTPConnection(urlsplit(world.stack.base_url).netloc, timeout=60)
        while not over.wait(LOOK_SECONDS):
            began = time.perf_counter()
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            answer.read()
            if answer.status != http.client.OK:
                raise RuntimeError(f"{path}: {answer.status}")
            seconds.append(time.perf_counter() - began)
        connection.close()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seconds
    finally:
        over.set()
        thread.join()
