"""A driven case for each test."""

import pytest

from tests.review.stage import Stage, open_stage


@pytest.fixture
async def stage() -> Stage:
    return await open_stage()
