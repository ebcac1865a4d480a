"""Wake-ups over a real Redis, and without one."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from time import monotonic

import pytest

from app.engines import start_engines
from app.engines.processes import free_port
from app.engines.valkey import Valkey
from app.wake import RedisWake, listen

pytestmark = pytest.mark.anyio

DEADLINE_S = 10


async def test_a_wake_up_is_heard(redis_url):
    wake = RedisWake(redis_url)
    async with asyncio.timeout(DEADLINE_S), aclosing(listen(redis_url)) as heard:
        await anext(heard)  # the connection itself counts as one: something may have been missed

        await wake.now()

        await anext(heard)  # or the deadline ends the test
    await wake.close()


async def test_a_thousand_wake_ups_at_once_are_few_messages(redis_url):
    wake = RedisWake(redis_url)
    async with asyncio.timeout(DEADLINE_S), aclosing(listen(redis_url)) as heard:
        await anext(heard)

        for _ in range(1000):
            await wake.now()
        await wake.close()
        count = 0
        while await _is_next(heard):
            count += 1

    assert 1 <= count <= 3


async def test_a_dead_redis_neither_raises_nor_delays():
    wake = RedisWake(f"redis://127.0.0.1:{free_port()}/0")
    began = monotonic()

    for _ in range(1000):
        await wake.now()
        await asyncio.sleep(0)

    assert monotonic() - began < 0.5
    await wake.close()


async def test_a_redis_that_does_not_answer_delays_nobody():
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        wake = RedisWake(f"redis://127.0.0.1:{port}/0")
        began = monotonic()

        for _ in range(1000):
            await wake.now()
            await asyncio.sleep(0)

        assert monotonic() - began < 5  # of a thousand
        await wake.close()


async def test_a_listener_outlives_its_redis(tmp_path: Path):
    engines = start_engines(tmp_path / "state", durable=False, database_url="postgresql://unused/")
    (valkey,) = engines.own
    assert isinstance(valkey, Valkey)
    try:
        async with asyncio.timeout(DEADLINE_S), aclosing(listen(engines.redis_url)) as heard:
            await anext(heard)
            valkey.stop()
            engines.revive()

            await anext(heard)  # connected anew

            wake = RedisWake(engines.redis_url)
            await wake.now()

            await anext(heard)
            await wake.close()
    finally:
        engines.stop()


async def _is_next(heard) -> bool:
    try:
        await asyncio.wait_for(anext(heard), 0.3)
    except TimeoutError:
        return False
    return True
