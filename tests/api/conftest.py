from collections.abc import AsyncIterator

import pytest

from tests.api.stage import NOW, Stage, open_stage


@pytest.fixture(scope="module")
async def running(
    migrated_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """One app for all tests of a file; each makes merchants of its own."""
    folder = tmp_path_factory.mktemp("api")
    async with open_stage(migrated_database_url, folder) as stage:
        yield stage


@pytest.fixture
async def stage(running: Stage) -> Stage:
    running.moves_to(NOW)
    return running
