"""Webhooks on the wire: lines are kept, and whatever a receiver does is an answer or none."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.providers.sandbox.messenger import Messenger

pytestmark = pytest.mark.anyio
GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
HEADERS = {"content-type": "application/json"}


class Receiver:
    """Answers each request on a line with the next of its words; closes the line after the last,
    and after an empty one."""

    def __init__(self, *words: bytes) -> None:
        self.words, self.lines, self.heard = list(words), 0, list[bytes]()
        self.url = ""

    async def meets(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.lines += 1
        while self.words:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            self.heard.append(await reader.readexactly(length))
            word = self.words.pop(0)
            writer.write(word)
            if not word:
                break
        writer.close()


@asynccontextmanager
async def listening(receiver: Receiver) -> AsyncIterator[Messenger]:
    messenger = Messenger()
    server = await asyncio.start_server(receiver.meets, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks?a=b"
    try:
        yield messenger
    finally:
        await messenger.close()
        server.close()


async def test_one_line_carries_many() -> None:
    receiver = Receiver(GOOD, GOOD, GOOD)
    async with listening(receiver) as messenger:
        told = [await messenger.post(receiver.url, b"%d" % n, HEADERS) for n in range(3)]

    assert told == [True, True, True]
    assert (receiver.lines, receiver.heard) == (1, [b"0", b"1", b"2"])


async def test_a_line_that_was_closed_while_idle_is_made_anew() -> None:
    receiver = Receiver(GOOD, b"", GOOD)
    async with listening(receiver) as messenger:
        told = [await messenger.post(receiver.url, b"%d" % n, HEADERS) for n in range(2)]

    assert told == [True, True]
    assert (receiver.lines, receiver.heard) == (2, [b"0", b"1", b"1"])


@pytest.mark.parametrize(
    ("word", "is_taken"),
    [
        pytest.param(
            b"HTTP/1.1 302 F\r\nlocation: /\r\ncontent-length: 0\r\n\r\n", False, id="moved"
        ),
        pytest.param(b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n", False, id="failed"),
        pytest.param(b"HTTP/1.1 204 None\r\n\r\n", True, id="nothing to say"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\nto the end of the line", True, id="no length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            True,
            id="in pieces",
        ),
        pytest.param(b"what is this\r\n\r\n", False, id="no HTTP"),
        pytest.param(b"", False, id="nothing at all"),
        pytest.param(b"HTTP/1.1 200", False, id="broken off in its head"),
    ],
)
async def test_what_counts_as_taken(word: bytes, is_taken: bool) -> None:
    receiver = Receiver(word)
    async with listening(receiver) as messenger:
        assert await messenger.post(receiver.url, b"{}", HEADERS) is is_taken


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "no address", "http://", "http://[half/"])
async def test_where_nothing_can_be_sent_nothing_is_taken(url: str) -> None:
    assert await Messenger().post(url, b"{}", HEADERS) is False
