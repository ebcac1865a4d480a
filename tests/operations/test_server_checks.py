"""The doctor's look at the database's clock beside this machine's."""

from datetime import UTC, datetime, timedelta

import pytest

from app.operations.server_checks import check_database

pytestmark = pytest.mark.anyio


class Apart:
    """`ports.clock.Clock` of a machine whose clock is so far ahead."""

    def __init__(self, **apart: float) -> None:
        self._apart = timedelta(**apart)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._apart


@pytest.mark.parametrize(
    ("clock", "told"),
    [
        pytest.param(Apart(days=1), "ahead of the database's", id="a day ahead"),
        pytest.param(Apart(minutes=-10), "behind the database's", id="ten minutes behind"),
    ],
)
async def test_a_clock_that_is_wrong_is_said_with_what_it_keeps_from_happening(
    clean_database: str, clock: Apart, told: str
) -> None:
    wrong = [found for found in await check_database(clean_database, clock) if found.is_wrong]

    assert [told in found.line() for found in wrong] == [True]


@pytest.mark.parametrize("clock", [Apart(), None], ids=["right", "stepped"])
async def test_a_clock_that_is_right_or_stepped_is_not_spoken_of(
    clean_database: str, clock: Apart | None
) -> None:
    found = await check_database(clean_database, clock)

    assert not [each for each in found if each.is_wrong]
