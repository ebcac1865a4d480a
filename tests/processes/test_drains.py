"""The further processes of a worker that drain the inbox: fed, killed, orphaned, stopped."""

import asyncio
import itertools
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.operations import InboxEvent, InboxState, share_of
from app.engines.processes import is_running
from bench.events import TOGETHER, bodies
from tests.processes.site import Site, a_site, until
from workers.drains import keep_drain
from workers.shift import Shift

pytestmark = pytest.mark.anyio


@pytest.fixture
async def site(clean_database, redis_url, tmp_path):
    async with a_site(clean_database, redis_url, tmp_path) as site:
        site.environment["HOLDFAST_DRAINS"] = "2"
        yield site


async def comes_in(site: Site, customers: int) -> None:
    """A change of the subscription of each customer, as the api would store it."""
    now, account = datetime.now(UTC), site.account
    rows = [
        InboxEvent(
            merchant_id=account.merchant_id,
            account_id=account.account_id,
            event_id=head.id,
            type=head.type,
            body=body.decode(),
            created_at=head.created_at,
            received_at=now,
            share=share_of(account.account_id, head.customer),
        )
        for body in itertools.islice(bodies("t", created=int(now.timestamp())), customers)
        for head in (site.world.webhooks.head(body),)
    ]
    async with site.world.store.system() as tx:
        await tx.insert(rows)
    await site.world.wake.now()


async def all_handled(site: Site) -> bool:
    async with site.world.store.system() as tx:
        rows = await tx.find(InboxEvent, where={})
    return bool(rows) and {row.state for row in rows} == {InboxState.HANDLED}


def drains_of(pid: int) -> list[int]:
    """The further drains of a worker that run: its only child processes."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if is_running(int(child))]


async def test_a_further_drain_absorbs_and_rings_for_what_is_due(site, redis_url, monkeypatch):
    for name, value in site.environment.items():
        monkeypatch.setenv(name, value)
    shift = Shift(world=site.world, redis_url=redis_url)
    before = set(drains_of(os.getpid()))
    running = asyncio.create_task(keep_drain(shift))

    await comes_in(site, TOGETHER)
    await until(lambda: all_handled(site))
    rang = await shift.due_bell.heard(5)
    (drain,) = set(drains_of(os.getpid())) - before
    shift.stop()
    await running

    assert rang
    assert not is_running(drain)


async def test_a_drain_that_is_killed_is_started_again(site):
    worker = site.worker()
    await until(lambda: drains_of(worker.process.pid))
    (killed,) = drains_of(worker.process.pid)

    os.kill(killed, signal.SIGKILL)
    await until(lambda: set(drains_of(worker.process.pid)) - {killed})
    await comes_in(site, 30)

    await until(lambda: all_handled(site))
    assert worker.process.poll() is None


async def test_a_drain_does_not_outlive_its_worker(site):
    worker = site.worker()
    await until(lambda: drains_of(worker.process.pid))
    (orphan,) = drains_of(worker.process.pid)

    worker.process.send_signal(signal.SIGKILL)
    worker.process.wait()
    await until(lambda: not is_running(orphan))

    assert worker.process.returncode == -signal.SIGKILL


async def test_a_stopping_worker_takes_its_drains_along(site):
    worker = site.worker()
    await comes_in(site, 30)
    await until(lambda: all_handled(site))
    await until(lambda: drains_of(worker.process.pid))
    (drain,) = drains_of(worker.process.pid)

    worker.process.send_signal(signal.SIGTERM)
    await until(lambda: worker.process.poll() is not None)

    assert worker.process.returncode == 0
    assert not is_running(drain)
