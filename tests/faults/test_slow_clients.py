"""F40: clients that send next to nothing and hold their connections, before a real api."""

import asyncio
import time
from contextlib import suppress
from typing import Any

import httpx
import pytest
import uvicorn

from app.api.bodies import PATIENCE_S
from app.connections import HEAD_S, MOST_HEAD, READ_S, BoundedProtocol
from app.engines.processes import listen
from bench.figures import memory_mb
from tests.faults.doors import Door, a_door
from tests.processes.site import a_site, until

pytestmark = pytest.mark.anyio
# More than a process may have files, where nobody gave it more.
MANY = 1200
HEAD = b"POST /v1/cases/x/stop HTTP/1.1\r\nHost: h\r\n"
STARTS = {
    "nothing": b"",
    "a head without an end": HEAD,
    "a body without a beginning": HEAD + b"Content-Length: 100\r\n\r\n",
    "a body without an end": HEAD + b"Content-Length: 100\r\n\r\n{",
}


async def hangs(door: Door, start: bytes) -> float:
    """How long the api bears with a client that sends this, and then a byte every second."""
    began = time.monotonic()
    host, port = door.listener.getsockname()[:2]
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(start)
    ended = asyncio.create_task(reader.read())
    while not (await asyncio.wait({ended}, timeout=1))[0]:
        writer.write(b"x" if start else b"")
    with suppress(ConnectionError):
        await ended
    writer.transport.abort()
    return time.monotonic() - began


async def is_ready(door: Door, client: httpx.AsyncClient) -> bool:
    return (await client.get(f"{door.url}/readyz")).status_code == 200


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
async def test_who_sends_next_to_nothing_is_cut_off_and_keeps_nobody_waiting(
    clean_database: str, redis_url: str, tmp_path, start: bytes
) -> None:
    async with a_site(clean_database, redis_url, tmp_path) as site:
        with a_door(site) as door:
            # given an api at work
            api = door.api()
            async with httpx.AsyncClient(timeout=30) as client:
                await until(lambda: is_ready(door, client))
            assert api.process is not None
            before = memory_mb([api.process.pid])

            # when more clients than it has files hold their connections, and others ask meanwhile
            holding = [asyncio.create_task(hangs(door, start)) for _ in range(MANY)]
            slowest = 0.0
            for _ in range(20):
                await asyncio.sleep(0.2)
                async with httpx.AsyncClient(timeout=30) as client:
                    began = time.monotonic()
                    assert await is_ready(door, client)
                    slowest = max(slowest, time.monotonic() - began)
            after = memory_mb([api.process.pid])
            held = sorted(await asyncio.gather(*holding))

            # then each was cut off in time, most of them early, and the others were answered
            assert slowest < 1
            assert after - before < 50
            assert held[-1] < max(HEAD_S, PATIENCE_S) + 5


async def test_a_head_is_read_up_to_its_limit(
    clean_database: str, redis_url: str, tmp_path
) -> None:
    async with a_site(clean_database, redis_url, tmp_path) as site:
        with a_door(site) as door:
            door.api()
            async with httpx.AsyncClient(timeout=30) as client:
                await until(lambda: is_ready(door, client))

                fits = await client.get(f"{door.url}/healthz", headers={"X-Long": "x" * 30_000})
                with pytest.raises(httpx.TransportError):
                    await client.get(f"{door.url}/healthz", headers={"X-Long": "x" * 5_000_000})

    assert (fits.status_code, MOST_HEAD > 30_000) == (200, True)


async def test_who_takes_nothing_of_an_answer_is_cut_off_and_who_takes_it_slowly_is_not() -> None:
    # given an answer that no buffer holds
    async def much(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 50_000_000})

    async def asks() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = listener.getsockname()[:2]
        reader, writer = await asyncio.open_connection(host, port, limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        return reader, writer

    config = uvicorn.Config(much, http=BoundedProtocol, lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    with listen() as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        idle, slow = await asks(), await asks()

        # when one takes nothing, and another some of it now and then
        began = time.monotonic()
        while time.monotonic() < began + READ_S + 10:
            await asyncio.sleep(1)
            await slow[0].readexactly(100_000)
        open_then = [not end.transport.is_closing() for end in (idle[1], slow[1])]
        left = len(server.server_state.connections)

        for _, end in (idle, slow):
            end.transport.abort()
        server.should_exit = True
        await serving

    # then the one is gone and the other is not
    assert (left, open_then[1]) == (1, True)
