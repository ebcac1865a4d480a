"""F28: machines that do not agree on the time. The database's clock decides whose is wrong."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.domain.actions import ActionState
from app.embedded import Child, python_child
from tests.processes.site import Site, a_site, until

pytestmark = pytest.mark.anyio
DUE = [f"pi_due_{n}" for n in range(10)]
LATER = [f"pi_later_{n}" for n in range(10)]


@pytest.fixture
async def site(clean_database: str, redis_url: str, tmp_path: Path):
    async with a_site(clean_database, redis_url, tmp_path) as site:
        yield site


def astray(site: Site, seconds: int, *how: str) -> tuple[Child, Path]:
    """A worker whose clock is so far ahead, or goes wrong otherwise, and its log."""
    log = site.folder / "astray.log"
    # its further drains would have the machine's clock
    environment = site.environment | {"HOLDFAST_DRAINS": "1"}
    child = python_child(
        "astray", "-m", "tests.faults.astray", str(seconds), *how, env=environment, log=log
    )
    child.start()
    site.children.append(child)
    return child, log


@pytest.mark.parametrize("seconds", [86_400, 600, -600, -86_400])
async def test_a_worker_whose_clock_is_wrong_says_so_and_does_nothing(
    site: Site, seconds: int
) -> None:
    # given a worker whose clock is wrong, and work that is due now or in a few minutes
    stray, log = astray(site, seconds)
    await site.plans(*DUE)
    await site.plans(*LATER, due_at=datetime.now(UTC) + timedelta(minutes=9))
    side = "ahead of" if seconds > 0 else "behind"
    told = f"s {side} the database's: set it right"
    await until(lambda: log.exists() and log.read_text().count(told) > 2, 60)
    before = list(site.provider.asked)

    # when another worker comes whose clock is right
    site.worker()
    await until(lambda: set(site.provider.counts) == set(DUE), 60)

    # then it did all that was due, once and nothing early, and the other one still waits
    states = {action.subject: action.state for action in await site.actions()}
    assert before == []
    assert set(site.provider.counts.values()) == {1}
    assert {states[name] for name in LATER} == {ActionState.PENDING}
    assert stray.process is not None
    assert stray.process.poll() is None


async def test_clocks_that_differ_by_some_seconds_share_the_work(site: Site) -> None:
    stray, _ = astray(site, 20)
    site.worker()
    await site.plans(*DUE)
    await site.plans(*LATER, due_at=datetime.now(UTC) + timedelta(minutes=9))

    await until(lambda: set(site.provider.counts) == set(DUE), 60)
    stray.stop()

    assert set(site.provider.counts.values()) == {1}


async def test_seconds_that_come_twice_double_nothing_and_hold_nothing_up(site: Site) -> None:
    # given a worker whose clock is put back by a second, again and again
    stray, _ = astray(site, 0, "leaps")
    await until(lambda: stray.process and (site.folder / "astray.log").exists())
    began = datetime.now(UTC)

    # when something falls due in each second
    for n, name in enumerate(DUE):
        await site.plans(name, due_at=began + timedelta(seconds=n))
    await until(site.all_done, 60)

    # then it is done once, and the worker is well
    assert set(site.provider.counts) == set(DUE)
    assert set(site.provider.counts.values()) == {1}
    assert stray.process is not None
    assert stray.process.poll() is None
