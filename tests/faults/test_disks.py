"""F27: the database's disk is full. What was answered 2xx is there; the rest is sent again."""

import asyncio
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest

from app.embedded import migrate
from app.engines import EngineFailure, Engines, start_engines
from app.engines.postgres import Postgres
from tests.faults.disks import a_small_disk, fill
from tests.faults.doors import Door, a_door
from tests.processes.site import a_site, until

pytestmark = pytest.mark.anyio
DRAW = random.Random(27)
ENOUGH = 4_000  # events; far more than the room that is left


def an_event(number: int) -> tuple[str, bytes]:
    """An event whose body no compression makes small: of a kind that changes nothing."""
    name, noise = f"evt_full_{number:05d}", DRAW.randbytes(40_000).hex()
    body = (
        f'{{"id":"{name}","object":"event","api_version":"2026-10-28.endive",'
        f'"created":{int(time.time())},"livemode":false,"type":"product.updated",'
        f'"data":{{"object":{{"id":"prod_1","object":"product","description":"{noise}"}}}}}}'
    )
    return name, body.encode()


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[Engines]:
    engines = start_engines(tmp_path / "engines", durable=False)
    yield engines
    engines.stop()


def postgres_of(engines: Engines) -> Postgres:
    return next(engine for engine in engines.own if isinstance(engine, Postgres))


async def a_database_on(disk: Path, engines: Engines) -> str:
    """A migrated database whose tables lie on the disk, and its log elsewhere."""
    engines.home.give(disk)
    admin = await asyncpg.connect(engines.admin_url)
    await admin.execute(f"create tablespace small location '{disk}'")
    owner = urlsplit(engines.database_url).username
    await admin.execute(f"create database tight owner {owner} tablespace small")
    await admin.close()
    url = urlunsplit(urlsplit(engines.database_url)._replace(path="/tight"))
    await asyncio.to_thread(migrate, url)
    return url


async def until_refused(door: Door, first: int) -> list[tuple[str, bytes]]:
    """Send new events until the first is not taken; all that were sent."""
    sent: list[tuple[str, bytes]] = []
    async with httpx.AsyncClient(timeout=60) as client:
        for number in range(first, first + ENOUGH):
            sent.append(an_event(number))
            if not await door.tries(client, *sent[-1]):
                return sent
    raise AssertionError("the disk never was full")


async def test_tables_that_cannot_grow_are_a_503_and_nothing_is_lost(
    engines: Engines, tmp_path: Path
) -> None:
    with a_small_disk(engines.home.room / "small") as disk:
        url = await a_database_on(disk, engines)
        async with a_site(url, engines.redis_url, tmp_path) as site:
            # given a running service, and no byte left for its tables
            with a_door(site) as door:
                api, worker = door.api(), site.worker()
                await door.sends([an_event(0)])
                ballast = fill(disk)

                # when events come until one finds no room, and then there is room again
                sent = await until_refused(door, 1)
                refused = set(door.answers) - {200}
                alive = [child.process and child.process.poll() for child in (api, worker)]
                ballast.unlink()
                await door.sends(sent)
                await until(door.all_handled, 120)

                # then it was told to come back, nobody died, and each event is there once
                kept = await door.kept()
                assert refused == {503}
                assert alive == [None, None]
                assert kept == sorted({"evt_full_00000", *(name for name, _ in sent)})
                assert door.taken == set(kept)


async def test_a_log_that_cannot_grow_stops_the_server_and_loses_nothing_that_was_taken(
    engines: Engines, tmp_path: Path
) -> None:
    with a_small_disk(engines.home.room / "small") as disk:
        # given a service whose database writes its log to a disk that is full but for a little
        await asyncio.to_thread(_moves_its_log_to, disk, engines)
        await asyncio.to_thread(migrate, engines.database_url)
        async with a_site(engines.database_url, engines.redis_url, tmp_path) as site:
            with a_door(site) as door:
                door.api()
                site.worker()
                await door.sends([an_event(0)])
                ballast = fill(disk)

                # when events come until one is not taken, and there is room again
                sent = await until_refused(door, 1)
                before = set(door.taken)
                ballast.unlink()
                await until(lambda: _revives(engines), 120)
                await door.sends(sent)
                await until(door.all_handled, 120)

                # then what was answered before is there, and what was not came once
                kept = await door.kept()
                assert before <= set(kept)
                assert kept == sorted({"evt_full_00000", *(name for name, _ in sent)})


def _moves_its_log_to(disk: Path, engines: Engines) -> None:
    postgres = postgres_of(engines)
    postgres.stop()
    engines.home.give(disk)
    log = postgres.data / "pg_wal"
    shutil.copytree(log, disk / "pg_wal")
    for path in (disk / "pg_wal", *(disk / "pg_wal").rglob("*")):
        engines.home.give(path)
        path.chmod(0o700 if path.is_dir() else 0o600)
    shutil.rmtree(log)
    log.symlink_to(disk / "pg_wal")
    postgres.start()


async def _revives(engines: Engines) -> bool:
    """What a supervisor does, until the server answers."""
    try:
        await asyncio.to_thread(engines.revive)
        connection = await asyncpg.connect(engines.database_url, timeout=5)
    except (EngineFailure, OSError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True
