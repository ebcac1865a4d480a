"""A provider that answers every question with an empty list, remembers it, and can hang."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

BODY = b'{"object":"list","data":[],"has_more":false,"url":"/v1/invoice_payments"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(BODY),
    BODY,
)


class Provider:
    """`asked`: the payments asked for, in order. While `open` is not set, nobody is answered."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.url = ""

    @property
    def counts(self) -> Counter[str]:
        return Counter(self.asked)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                query = parse_qs(urlsplit(head.split(b" ", 2)[1].decode()).query)
                self.asked += query.get("payment[payment_intent]", [])
                await self.open.wait()
                writer.write(ANSWER)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def a_provider():
    """A provider on a free port."""
    provider = Provider()
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield provider
    finally:
        provider.open.set()
        server.close()
