"""A worker's nightly files: each merchant's own nights, what was missed, and full disks."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.config import Settings
from app.domain.merchants import Merchant
from app.ports.world import World
from app.services import merchants
from app.wiring import build_figures, build_world, exports_in
from tests.processes.site import until
from workers.exports import CAUGHT_UP, export, export_missing
from workers.shift import Shift

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files go."""
    return tmp_path / "files"


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """The stepped clock."""
    return tmp_path / "clock"


@pytest.fixture
def settings(clean_database: str, tmp_path: Path, folder: Path, clock: Path) -> Settings:
    clock.write_text(NOW.isoformat())
    return Settings(
        environment="demo",
        database_url=clean_database,
        clock_file=clock,
        state_dir=tmp_path,
        secret_keys="k" * 44,
        export_dir=folder,
    )


@pytest.fixture
async def shift(settings: Settings) -> AsyncIterator[Shift]:
    async with build_world(settings) as world:
        yield Shift(world=world, redis_url="")


async def a_merchant(world: World, zone: str = "UTC") -> Merchant:
    merchant = await merchants.create_merchant(world, name=zone, actor="test")
    await merchants.create_account(
        world, merchant_id=merchant.merchant_id, api_key=f"sk_test_{zone}", actor="test", live=False
    )
    async with world.store.transaction(merchant.merchant_id) as tx:
        await tx.save([replace(merchant, time_zone=zone)])
    return merchant


def nights(folder: Path, merchant: Merchant) -> list[str]:
    """Those that are there under their names; what is being written is hidden."""
    found = (path.name for path in (folder / merchant.merchant_id).iterdir())
    return sorted(name for name in found if not name.startswith("."))


def turns(clock: Path, **on: float) -> None:
    clock.write_text((NOW + timedelta(**on)).isoformat())


def stands_in_the_way(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("")


def begins(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "entries.csv").write_text("entry_id\n")


def is_there(folder: Path) -> bool:
    return folder.exists()


async def test_each_merchant_gets_the_last_nights_of_its_own_days_and_none_twice(
    shift: Shift, settings: Settings, clock: Path, folder: Path
) -> None:
    # given two merchants whose day is not over at the same time
    london = await a_merchant(shift.world, "UTC")
    auckland = await a_merchant(shift.world, "Pacific/Auckland")

    # when the worker looks, looks again, and looks once the next day is over in Auckland alone
    shelf = exports_in(folder)
    async with build_figures(settings) as figures:
        first = await export_missing(shift, figures, shelf)
        again = await export_missing(shift, figures, shelf)
        turns(clock, hours=6)
        later = await export_missing(shift, figures, shelf)

    # then a week of each is there, and of Auckland a day more
    assert (first, again, later) == (2 * CAUGHT_UP, 0, 1)
    assert nights(folder, london)[-1] == "2026-03-01"
    assert nights(folder, auckland)[-1] == "2026-03-02"


async def test_a_night_that_a_worker_missed_is_made_up_for_and_no_more_than_a_week(
    shift: Shift, settings: Settings, clock: Path, folder: Path
) -> None:
    merchant = await a_merchant(shift.world)
    shelf = exports_in(folder)
    async with build_figures(settings) as figures:
        await export_missing(shift, figures, shelf)
        turns(clock, days=30)

        written = await export_missing(shift, figures, shelf)

    assert written == CAUGHT_UP
    assert nights(folder, merchant)[CAUGHT_UP] == "2026-03-25"


async def test_a_merchant_whose_folder_takes_nothing_holds_nobody_else_up(
    shift: Shift, settings: Settings, folder: Path
) -> None:
    # given two merchants, and in the place of the first's folder something else
    first, second = sorted(
        [await a_merchant(shift.world, "UTC"), await a_merchant(shift.world, "Asia/Tokyo")],
        key=lambda merchant: merchant.merchant_id,
    )
    stands_in_the_way(folder / first.merchant_id)

    # then the second has all its nights, and the error is not lost
    async with build_figures(settings) as figures:
        with pytest.raises(OSError, match=first.merchant_id):
            await export_missing(shift, figures, exports_in(folder))
    assert len(nights(folder, second)) == CAUGHT_UP


async def test_a_worker_that_stops_begins_no_further_night(
    shift: Shift, settings: Settings, folder: Path
) -> None:
    await a_merchant(shift.world)
    shift.stop()

    async with build_figures(settings) as figures:
        assert await export_missing(shift, figures, exports_in(folder)) == 0


async def test_what_a_killed_worker_had_begun_is_removed_a_day_later(
    shift: Shift, settings: Settings, folder: Path
) -> None:
    # given two nights that were begun and never closed, one of them just now by somebody else
    merchant = await a_merchant(shift.world)
    old, young = (folder / merchant.merchant_id / f".writing-{name}" for name in ("old", "young"))
    begins(old, young)
    two_days_ago = time.time() - 2 * 86_400
    os.utime(old, (two_days_ago, two_days_ago))

    async with build_figures(settings) as figures:
        await export_missing(shift, figures, exports_in(folder))

    assert (is_there(old), is_there(young)) == (False, True)


async def test_without_a_folder_nothing_is_written_and_the_loop_ends_at_once(
    shift: Shift, settings: Settings, folder: Path
) -> None:
    await a_merchant(shift.world)

    async with asyncio.timeout(30):
        await export(shift, settings.model_copy(update={"export_dir": None}))

    assert not is_there(folder)


async def test_the_loop_writes_and_rests_until_the_shift_ends(
    shift: Shift, settings: Settings, folder: Path
) -> None:
    merchant = await a_merchant(shift.world)
    running = asyncio.create_task(export(shift, settings))
    home = folder / merchant.merchant_id

    await until(lambda: home.exists() and len(nights(folder, merchant)) == CAUGHT_UP)
    shift.stop()
    await running

    assert nights(folder, merchant)[0] == "2026-02-23"


async def test_a_disk_that_takes_nothing_is_told_of_and_ends_no_loop(
    shift: Shift, settings: Settings, folder: Path
) -> None:
    # given a place where no folder can be made
    await a_merchant(shift.world)
    stands_in_the_way(folder)

    # when the loop runs into it
    with capture_logs() as told:
        running = asyncio.create_task(export(shift, settings))
        await until(lambda: told)
        goes_on = not running.done()
        shift.stop()
        await running

    # then it is told of, and the loop waits for its next turn
    assert goes_on
    assert [line["event"] for line in told] == ["exports_failed"]
    assert isinstance(told[0]["exc_info"], OSError)
