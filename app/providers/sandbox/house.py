"""The running sandbox: the world, its clock, and the sending of its webhooks."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

import orjson

from app.providers.sandbox import faults, webhooks
from app.providers.sandbox.errors import Thing
from app.providers.sandbox.messenger import Messenger
from app.providers.sandbox.world import World

Mode = Literal["stepped", "running"]
BEAT = 0.5
AT_ONCE = 16


class House:
    """A world with a clock and a messenger.

    Args:
        world: the account.
        mode: `stepped`, time moves only by `advance`, which awaits each webhook; or `running`, the
            clock moves everything and a failed webhook comes again by itself.
        clock: Unix seconds, read in `running` only.
    """

    def __init__(self, world: World, *, mode: Mode, clock: Callable[[], int]) -> None:
        self.world = world
        self.mode = mode
        self._clock = clock
        self._messenger = Messenger()
        self._one_at_a_time = asyncio.Lock()

    def catch_up(self) -> None:
        """In `running`, let the world reach the present."""
        if self.mode == "running":
            self.world.advance_to(max(self._clock(), self.world.now))

    def status(self) -> Thing:
        """Now, what waits to be sent now, what is put off, and when something happens next."""
        world = self.world
        later = [d for d in world.all("delivery") if d["at"] > world.now]
        following = world.next_event_at()
        return {
            "now": iso(world.now),
            "mode": self.mode,
            "undelivered": len(world.pending_deliveries()),
            "put_off": len(later),
            "next_event_at": None if following is None else iso(following),
        }

    async def advance(self, to: int) -> Thing:
        """Play everything up to `to`; every instant's webhooks are answered before the next.

        Returns how many events arose, how many webhooks were sent, how many wait.
        """
        async with self._one_at_a_time:
            before = len(self.world.records.kinds.get("event", {}))
            sent = await self._send_waiting()
            while (due := self.world.next_event_at()) is not None and due <= to:
                self.world.play_instant(due)
                sent += await self._send_waiting()
            self.world.advance_to(to)
            sent += await self._send_waiting()
        events = len(self.world.records.kinds.get("event", {})) - before
        return {"events": events, "deliveries": sent, **self.status()}

    async def deliver(self, *, everything: bool = False) -> Thing:
        """Send what waits (`everything`: also what is put off); returns the status and `sent`."""
        async with self._one_at_a_time:
            if everything:
                for delivery in self.world.all("delivery"):
                    self.world.change(delivery, at=min(delivery["at"], self.world.now))
            sent = await self._send_waiting()
        return {"sent": sent, **self.status()}

    async def run(self) -> None:
        """Keep time and send, until cancelled. Only in `running`."""
        while True:
            self.catch_up()
            async with self._one_at_a_time:
                await self._send_waiting()
            await asyncio.sleep(BEAT)

    async def close(self) -> None:
        """Let go of connections and write what is left."""
        await self._messenger.close()
        self.world.records.close()

    async def _send_waiting(self) -> int:
        sent = 0
        while waiting := self.world.pending_deliveries():
            shuffled = faults.take_shuffle(self.world)
            queues = [self._shuffled(waiting)] if shuffled else _by_owner(waiting)
            # what goes wrong is decided in their order, however fast each of them is answered
            fates = {d["id"]: self._fate(d) for queue in queues for d in queue}
            sent += await self._send_queues(queues, fates)
            # once for all of them: killed before it, they come a second time
            self.world.records.commit()
        return sent

    def _shuffled(self, waiting: list[Thing]) -> list[Thing]:
        return sorted(waiting, key=lambda d: self.world.chance(d["id"], "shuffle"))

    def _fate(self, delivery: Thing) -> Thing:
        """The fault that was asked for this webhook; none is `{"fault": None}`."""
        event = self.world.get(delivery["event"])
        taken = faults.take_webhook(self.world, event["type"]) if event is not None else None
        return taken or {"fault": None}

    async def _send_queues(self, queues: list[list[Thing]], fates: dict[str, Thing]) -> int:
        """One customer's webhooks in their order, several customers' at once; how many were
        sent."""
        room = asyncio.Semaphore(AT_ONCE)

        async def send_all(queue: list[Thing]) -> int:
            async with room:
                return sum(
                    [await self._send(delivery, fates[delivery["id"]]) for delivery in queue]
                )

        return sum(await asyncio.gather(*(send_all(queue) for queue in queues)))

    async def _send(self, delivery: Thing, fate: Thing) -> int:
        endpoint = self.world.get(delivery["endpoint"])
        event = self.world.get(delivery["event"])
        if endpoint is None or event is None or self.world.get(delivery["id"]) is None:
            return 0
        if fate["fault"] == "lose":
            self.world.records.remove(delivery)
        elif fate["fault"] == "delay":
            seconds = int(fate.get("seconds", 3600))
            self.world.change(delivery, at=self.world.now + seconds)
        else:
            for _ in range(2 if fate["fault"] == "double" else 1):
                ok = await self._post(endpoint, delivery["body"])
            self.world.delivered(delivery, ok=ok)
        return 0 if fate["fault"] in ("lose", "delay") else 1

    async def _post(self, endpoint: Thing, body: str) -> bool:
        secrets = webhooks.secrets_of(self.world, endpoint)
        headers = {
            "content-type": "application/json; charset=utf-8",
            "stripe-signature": webhooks.signature_header(secrets, self.world.now, body),
            "user-agent": "Sandbox/1.0",
        }
        return await self._messenger.post(endpoint["url"], body.encode(), headers)


def _by_owner(waiting: list[Thing]) -> list[list[Thing]]:
    queues: dict[str, list[Thing]] = {}
    for delivery in waiting:
        queues.setdefault(delivery["owner"], []).append(delivery)
    return list(queues.values())


def iso(instant: int) -> str:
    """Unix seconds as ISO 8601 in UTC."""
    return datetime.fromtimestamp(instant, UTC).isoformat().replace("+00:00", "Z")


def from_iso(text: str) -> int:
    """Unix seconds of an ISO 8601 instant; without an offset it is UTC."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def as_json(body: Thing) -> bytes:
    """An answer's bytes."""
    return orjson.dumps(body)
