"""Limits hold over all processes."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import running
from tests.acceptance.client import Client
from tests.waiting import until

PROCESSES = 4
LIMIT, REQUESTS, AT_ONCE = 100, 1_000, 16


@pytest.fixture
def service(tmp_path, database_url, simulator):
    environ = {
        "DATABASE_URL": database_url,
        "OPENAI_BASE_URL": simulator.base_url,
        "WEB_CONCURRENCY": str(PROCESSES),
        "RATE_LIMIT_POLLING": str(LIMIT),
    }
    with running.service(tmp_path, environ) as started:
        until(lambda: time.time() % 3600 < 3570, seconds=35, what="the hour has seconds left")
        yield started


def test_the_limit_is_exact_over_all_processes(service):
    client = Client(service)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        statuses = Counter(threads.map(lambda _: client.jobs()[0], range(REQUESTS)))
    assert statuses == {200: LIMIT, 429: REQUESTS - LIMIT}
