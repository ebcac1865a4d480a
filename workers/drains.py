"""Further processes of one worker that drain the inbox: Python computes on one core at a time.

A socket ties each to its worker. The drain ends when the worker's end closes, be it by kill -9,
and says a byte along it whenever it absorbed something that may be due at once.
"""

import asyncio
import socket
import sys

import structlog

from workers.inbox import drain_shift
from workers.loops import hear
from workers.shift import Shift, outcome

PAUSE_AFTER_DEATH_S = 1.0
WORD = "drain"  # what makes `python -m workers` one of these

log = structlog.get_logger("workers")


async def keep_drain(shift: Shift) -> None:
    """Run one such process until the shift ends, anew whenever it died. Its unfinished batch is
    rolled back by then: nothing is lost with it."""
    while not shift.stopping.is_set():
        ended = await outcome(_run_one(shift))
        if not shift.stopping.is_set():
            log.warning("drain_ended", state=str(ended))
            await shift.stopped(PAUSE_AFTER_DEATH_S)


async def _run_one(shift: Shift) -> int | None:
    """One process from its start to its end; its exit status."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "workers", WORD, stdin=theirs.fileno()
        )
    reader, line = await asyncio.open_connection(sock=ours)
    told = asyncio.create_task(_pass_on(reader, shift))
    stop = asyncio.create_task(shift.stopping.wait())
    try:
        await asyncio.wait({told, stop}, return_when=asyncio.FIRST_COMPLETED)
        line.close()
        async with asyncio.timeout(shift.grace_left_s):
            return await process.wait()
    except TimeoutError:
        process.kill()
        return await process.wait()
    finally:
        line.close()
        told.cancel()
        stop.cancel()


async def _pass_on(reader: asyncio.StreamReader, shift: Shift) -> None:
    """What was absorbed there may be due here; until the other end closes."""
    while await reader.read(64):
        shift.due_bell.ring()


async def be_drain(shift: Shift) -> None:
    """Drain until the worker, at the other end of standard input, closes it or is gone."""
    line = socket.socket(fileno=0)
    reader, writer = await asyncio.open_connection(sock=line)
    tasks = [
        asyncio.create_task(hear(shift), name="wake"),
        asyncio.create_task(_say(writer, shift), name="say"),
        asyncio.create_task(_end_with(reader, shift), name="life"),
    ]
    try:
        await drain_shift(shift)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.close()


async def _say(writer: asyncio.StreamWriter, shift: Shift) -> None:
    while True:
        if await shift.due_bell.heard(shift.pace.sweep_s):
            writer.write(b".")
            await writer.drain()


async def _end_with(reader: asyncio.StreamReader, shift: Shift) -> None:
    try:
        while await reader.read(64):
            continue
    finally:
        shift.stop()
