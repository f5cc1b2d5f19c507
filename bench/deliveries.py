"""Webhook deliveries by the stage itself, against bare POSTs to the same receivers."""

import http.client
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from bench.outbox import Outbox, outbox
from bench.receivers import LOOPBACK, serving
from bench.table import Row
from generation_service.pipeline import deliver
from generation_service.worker import TICK_SECONDS

EVEN: Final = 1_000
EVEN_SECONDS: Final = 10.0
LEAD_SECONDS: Final = 1.0
BAR_P95_SECONDS: Final = 1.0
BURST: Final = 3_000
BAR_A_SECOND: Final = 300
BURST_SECONDS: Final = 300.0
FLOOR_POSTS: Final = 250
_BODY: Final = bytes(1_750)  # as long as the webhooks are


def measure(folder: Path) -> list[Row]:
    with serving() as ports, outbox(folder, ports) as box:
        return [_evenly(box), _burst(box)]


def _evenly(box: Outbox) -> Row:
    """Every second delivery is for a receiver that answers; the others' never do in time."""
    pace = EVEN_SECONDS / EVEN
    floor = _p95(_paced_posts(box.ports["prompt"], 2 * pace))
    prompt, slow = box.prompt_urls, box.slow_urls
    pairs = [(prompt[n % len(prompt)], slow[n % len(slow)]) for n in range(EVEN // 2)]
    box.fill([url for pair in pairs for url in pair], every=pace, lead=LEAD_SECONDS)
    with _delivering(box):
        time.sleep(LEAD_SECONDS + EVEN_SECONDS + BAR_P95_SECONDS)
        p95 = _p95(box.waits(prompt))
    return Row(
        name=f"{EVEN:,} webhooks, half to slow receivers: p95",
        service=p95,
        floor=floor,
        bar=f"under {BAR_P95_SECONDS:.0f} s from due to delivered",
        kept=p95 < BAR_P95_SECONDS,
    )


def _burst(box: Outbox) -> Row:
    floor = _posts(box.ports["prompt"], BURST)
    box.empty()
    box.fill([box.prompt_urls[n % len(box.prompt_urls)] for n in range(BURST)])
    began = time.perf_counter()
    while box.is_pending():
        deliver.tick(box.resources, lambda: time.perf_counter() - began < BURST_SECONDS)
        if time.perf_counter() - began > BURST_SECONDS:
            raise TimeoutError(f"{BURST:,} webhooks took over {BURST_SECONDS:.0f} s")
    seconds = time.perf_counter() - began
    return Row(
        name=f"{BURST:,} webhooks due at once",
        service=seconds,
        floor=floor,
        bar=f"{BURST / seconds:,.0f} a second, at least {BAR_A_SECOND}",
        kept=seconds * BAR_A_SECOND <= BURST,
    )


@contextmanager
def _delivering(box: Outbox) -> Iterator[None]:
    """The stage in a thread, ticked as the worker ticks it."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            if not deliver.tick(box.resources, lambda: not stop.is_set()):
                stop.wait(TICK_SECONDS)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _p95(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


def _posts(ports: Sequence[int], count: int) -> float:
    """Seconds that so many POSTs take, one after the other, on open connections."""
    with _connections(ports) as connections:
        began = time.perf_counter()
        for number in range(count):
            _post(connections[number % len(connections)])
        return time.perf_counter() - began


def _paced_posts(ports: Sequence[int], every: float) -> list[float]:
    """Seconds from the moment each POST is due until it is answered."""
    waits = []
    with _connections(ports) as connections:
        began = time.perf_counter()
        for number in range(FLOOR_POSTS):
            due = began + number * every
            time.sleep(max(0.0, due - time.perf_counter()))
            _post(connections[number % len(connections)])
            waits.append(time.perf_counter() - due)
    return waits


@contextmanager
def _connections(ports: Sequence[int]) -> Iterator[list[http.client.HTTPConnection]]:
    with ExitStack() as opened:
        connections = [http.client.HTTPConnection(LOOPBACK, port) for port in ports]
        for connection in connections:
            opened.callback(connection.close)
            _post(connection)
        yield connections


def _post(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", "/", body=_BODY)
    connection.getresponse().read()
