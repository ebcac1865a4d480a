"""What every test may ask for: real engines, a migrated database, and only the tests chosen."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.collecting import collect_seldom
from app.engines import start_engines
from app.engines.homes import ROOMS
from app.storage.store import create_engine
from tests.databases import Server
from tests.rooms import sweep

# Folders of tests that need something which not every machine has: never skipped, not collected.
CHOSEN_BY_OPTION = {"browser": "--browser", "faults": "--faults", "stripe_cli": "--stripe-cli"}
CHOSEN_BY_VARIABLE = {"corpus": "HOLDFAST_EVENT_CORPUS"}
TESTS = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--browser", action="store_true", help="also tests that drive a browser")
    parser.addoption("--faults", action="store_true", help="also real faults; see `./run faults`")
    parser.addoption("--stripe-cli", action="store_true", help="also tests with Stripe's own CLI")


def pytest_collection_finish() -> None:
    collect_seldom()  # what was imported and collected is looked through by nobody


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        for parent in ROOMS:
            sweep(parent)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if collection_path.parent != TESTS:
        return None
    name = collection_path.name
    if option := CHOSEN_BY_OPTION.get(name):
        return None if config.getoption(option) else True
    if variable := CHOSEN_BY_VARIABLE.get(name):
        return None if os.environ.get(variable) else True
    return None


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that api and workers run on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Server]:
    """PostgreSQL and Valkey for this test process: throwaway engines, or those given.

    `HOLDFAST_TEST_DATABASE_URL` (a superuser's) and `HOLDFAST_TEST_REDIS_URL` name servers to use
    instead. They are not `DATABASE_URL` and `REDIS_URL`, so that no test empties a real one.
    """
    given = os.environ.get("HOLDFAST_TEST_DATABASE_URL")
    engines = start_engines(
        tmp_path_factory.mktemp("engines"),
        durable=False,
        database_url=given,
        redis_url=os.environ.get("HOLDFAST_TEST_REDIS_URL"),
    )
    server = Server(given or engines.admin_url, engines.redis_url, worker_id)
    try:
        yield server
    finally:
        server.close()
        engines.stop()


@pytest.fixture(scope="session")
def database_url(server: Server) -> str:
    """An empty database of this test process; `postgresql://`, the login is no superuser."""
    return server.create("empty")


@pytest.fixture(scope="session")
def migrated_database_url(server: Server) -> str:
    """A migrated database of this test process. Ask for `clean_database` to find it empty."""
    return server.create("migrated", template=server.template())


@pytest.fixture(scope="session")
async def connected(migrated_database_url: str) -> AsyncIterator[AsyncEngine]:
    """Connections that tests share: each new one begins by learning the whole schema."""
    engine = create_engine(migrated_database_url)
    yield engine
    await engine.dispose()


@pytest.fixture
def clean_database(server: Server, migrated_database_url: str) -> str:
    """The migrated database without the rows of earlier tests; what migrations put in stays."""
    server.clean("migrated")
    return migrated_database_url


@pytest.fixture
def own_database(server: Server) -> Iterator[str]:
    """A migrated database of one test alone, for tests that change its shape (some 40 ms)."""
    yield server.create("own", template=server.template())
    server.drop("own")


@pytest.fixture
def redis_url(server: Server) -> str:
    """A Valkey (or Redis) database, emptied."""
    return server.empty_redis()
