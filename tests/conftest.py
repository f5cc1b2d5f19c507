"""The database fixtures: `database_url` is a module's own database, `engine` finds it empty."""

import os
from collections.abc import Iterator, Sequence

import pytest
from sqlalchemy import Engine, Table

from generation_service.db.embedded import acquire
from generation_service.db.engine import make_engine
from tests import database


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The server that TEST_DATABASE_URL names, or an embedded one that ends with the run."""
    given = os.environ.get("TEST_DATABASE_URL")
    return given or acquire(tmp_path_factory.mktemp("postgres"))


@pytest.fixture(scope="session")
def template_url(server_url: str) -> Iterator[str]:
    with database.migrated(server_url) as url:
        yield url


@pytest.fixture(scope="session")
def tables(template_url: str) -> Sequence[Table]:
    return database.tables(template_url)


@pytest.fixture(scope="module")
def database_url(template_url: str, server_url: str) -> Iterator[str]:
    with database.clone(template_url, server_url) as url:
        yield url


@pytest.fixture
def engine(database_url: str, tables: Sequence[Table]) -> Iterator[Engine]:
    engine = make_engine(database_url)
    database.empty(engine, tables)
    yield engine
    engine.dispose()
