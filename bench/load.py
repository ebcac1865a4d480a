"""The load generator, a process of its own: prebuilt signed requests over kept-alive connections.

    python -m bench.load --port 8200 --path /webhooks/stripe/ACCOUNT --tag r1 --seconds 4

The secret comes on standard input. One JSON line on standard output says how it went.
"""

import argparse
import asyncio
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import uvloop

from bench.events import bodies, signature
from bench.figures import percentile

# More than any Python server on one machine takes; when they run out, the round ends early.
MOST_PER_SECOND = 7000
HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"


@dataclass
class Tally:
    """What the senders saw. Latencies in seconds, of successful answers only."""

    until: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    last: float = 0.0


class Sender(asyncio.Protocol):
    """One connection: sends the next request when the answer to the last is complete."""

    def __init__(self, requests: Iterator[bytes], tally: Tally) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests, self._tally = requests, tally
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._tally.statuses["lost"] += 1
            self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(HEAD_END)
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.find(LENGTH)
        length = int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < end + len(HEAD_END) + length:
            return
        status = self._buffer[9:12].decode()
        self._buffer = b""
        now = time.perf_counter()
        self._tally.statuses[status] += 1
        self._tally.last = now
        if status.startswith("2"):
            self._tally.latencies.append(now - self._sent)
        self._send()

    def _send(self) -> None:
        request = next(self._requests, None) if time.perf_counter() < self._tally.until else None
        assert self._transport is not None
        if request is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)


def requests(path: str, secret: bytes, tag: str, count: int) -> list[bytes]:
    """Complete HTTP requests, signed now: a signature is taken for 300 s."""
    now = int(time.time())  # the provider signs with the time of day, not with business time
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n".encode()
    return [
        b"%bStripe-Signature: %b\r\nContent-Length: %d\r\n\r\n%b"
        % (head, signature(body, secret=secret, at=now), len(body), body)
        for body in itertools.islice(bodies(tag, created=now - 60), count)
    ]


async def fire(port: int, prepared: list[bytes], *, senders: int, seconds: float) -> Tally:
    """Send until the time is up or nothing is left."""
    tally = Tally(until=time.perf_counter() + seconds)
    stock = iter(prepared)
    loop = asyncio.get_running_loop()
    pairs = await asyncio.gather(
        *(
            loop.create_connection(lambda: Sender(stock, tally), "127.0.0.1", port)
            for _ in range(senders)
        )
    )
    await asyncio.gather(*(sender.done for _, sender in pairs))
    return tally


def main() -> None:
    """Build, fire, report."""
    parser = argparse.ArgumentParser(prog="bench.load")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--tag", required=True)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--senders", type=int, default=64)
    given = parser.parse_args()
    secret = sys.stdin.readline().strip().encode()
    prepared = requests(given.path, secret, given.tag, int(MOST_PER_SECOND * given.seconds))
    print("ready", flush=True)
    sys.stdin.readline()  # the bench says when
    began = time.perf_counter()
    tally = uvloop.run(fire(given.port, prepared, senders=given.senders, seconds=given.seconds))
    latencies = sorted(1000 * seconds for seconds in tally.latencies)
    report = {
        "count": len(latencies),
        "seconds": tally.last - began,
        "p50_ms": percentile(latencies, 0.5),
        "p99_ms": percentile(latencies, 0.99),
        "statuses": tally.statuses,
    }
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
