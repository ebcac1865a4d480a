"""Somebody who is about to leave."""

import pytest

from tests.offers.stage import Leaving
from tests.stories.conftest import renderer, stage, world
from tests.stories.stage import Stage

__all__ = ["leaving", "renderer", "stage", "world"]


@pytest.fixture
async def leaving(stage: Stage) -> Leaving:
    return Leaving(stage, await stage.subscriber({}))
