"""Apis at one door, and a provider that sends each event again until it is taken."""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from app.domain.operations import InboxEvent, InboxState
from app.embedded import Child, python_child
from app.engines.processes import listen
from bench.events import signature
from tests.processes.site import SECRET, Site

AT_ONCE = 12


@dataclass
class Door:
    """A socket that outlives the apis at it; `answers` counts what the provider was told, `0` for
    a connection that broke. `taken` are the events that were answered 2xx."""

    site: Site
    listener: socket.socket
    answers: Counter[int] = field(default_factory=Counter)
    taken: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def api(self) -> Child:
        """Start an api at this door."""
        number = self.listener.fileno()
        log = self.site.folder / f"api-{len(self.site.children)}.log"
        words = ("-m", "app", "api", "--fd", str(number))
        child = python_child("api", *words, env=self.site.environment, log=log, inherited=(number,))
        child.start()
        self.site.children.append(child)
        return child

    async def sends(self, events: Iterable[tuple[str, bytes]]) -> None:
        """Send events (id, body), some at a time, each until it is taken."""
        waiting = iter(list(events))
        async with httpx.AsyncClient(timeout=60) as client:
            await asyncio.gather(*(self._sender(client, waiting) for _ in range(AT_ONCE)))

    async def _sender(
        self, client: httpx.AsyncClient, waiting: Iterable[tuple[str, bytes]]
    ) -> None:
        for name, body in waiting:
            while True:
                if await self.tries(client, name, body):
                    break
                await asyncio.sleep(0.2)

    async def tries(self, client: httpx.AsyncClient, name: str, body: bytes) -> bool:
        """Send an event once; whether it was taken."""
        now = int(time.time())
        signed = signature(body, secret=SECRET.encode(), at=now).decode()
        try:
            answer = await client.post(
                f"{self.url}/webhooks/stripe/{self.site.account.account_id}",
                content=body,
                headers={"Stripe-Signature": signed},
            )
        except httpx.TransportError:
            self.answers[0] += 1
            return False
        self.answers[answer.status_code] += 1
        if answer.status_code == 200:
            self.taken.add(name)
        return answer.status_code == 200

    async def kept(self) -> list[str]:
        """The events that are in the inbox, by id."""
        async with self.site.world.store.system() as tx:
            rows = await tx.find(InboxEvent, where={})
        return sorted(row.event_id for row in rows)

    async def all_handled(self) -> bool:
        """Whether no event waits."""
        async with self.site.world.store.system() as tx:
            rows = await tx.find(InboxEvent, where={})
        return {row.state for row in rows} == {InboxState.HANDLED}


@contextmanager
def a_door(site: Site) -> Iterator[Door]:
    """A door that is shut when the block ends."""
    with listen() as listener:
        yield Door(site, listener)
