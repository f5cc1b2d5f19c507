"""A real browser at a running service; without Chromium none of these tests are collected."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import PROGRAM, chromium
from tests.browser.visitor import Visitor, visit
from tests.browser.world import World
from tests.browser.world import world as running_world

collect_ignore_glob = [] if PROGRAM else ["test_*.py"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("service")
    with running_world(folder, database_url, batch_seconds=2) as started:
        yield started


@pytest.fixture
def visitor(browser: Browser, world: World) -> Iterator[Visitor]:
    """A new visitor; whatever the browser complains of fails the test."""
    visitor = visit(browser, world)
    yield visitor
    visitor.page.context.close()
    assert visitor.complaints == []


@pytest.fixture
def operator(visitor: Visitor) -> Visitor:
    visitor.enter("/admin/jobs")
    return visitor
