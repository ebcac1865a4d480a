"""A merchant's endpoint: a small HTTP server that keeps what it gets and answers as told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any

HUNG_UP = b""


@dataclass
class Got:
    """One request as it came."""

    head: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


def answer(status: int, text: str = "", **headers: str) -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status} Because", f"content-length: {len(text.encode())}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n" + text).encode()


@dataclass
class Receiver:
    """`answers` are given first, one for each request, then `always`; `slow` never answers."""

    port: int = 0
    got: list[Got] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    always: bytes = answer(200, "thanks")
    slow: bool = False

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}/hooks?token=1"

    @property
    def types(self) -> list[str]:
        return [got.event["type"] for got in self.got]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines if "signature" not in line)
            headers |= dict(line.split(": ", 1) for line in lines if "signature" in line)
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.got.append(Got(first, headers, body))
            if self.slow:
                await reader.read()
                return
            writer.write(self.answers.pop(0) if self.answers else self.always)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def open_receiver(tls: SSLContext | None = None) -> AsyncIterator[Receiver]:
    """An endpoint on this machine."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver
