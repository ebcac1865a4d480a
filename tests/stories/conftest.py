"""A stage for each story, in both collection modes."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.domain.merchants import CollectionMode
from tests.sandbox.stand import hang_up
from tests.stories.stage import Stage, open_stage


@pytest.fixture(scope="session", autouse=True)
def _connections() -> Iterator[None]:
    yield
    hang_up()


@pytest.fixture
async def stage(clean_database: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A merchant whose invoices we drive."""
    async with open_stage(clean_database, tmp_path) as opened:
        yield opened


@pytest.fixture
async def watching(clean_database: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A merchant whose provider retries; we watch and write."""
    async with open_stage(clean_database, tmp_path, CollectionMode.OBSERVE) as opened:
        yield opened
