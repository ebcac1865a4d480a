"""A merchant's software that is told: its endpoint, and what we know of the deliveries."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from app.domain.events import EventDelivery, EventEndpoint, OutgoingEvent
from app.services import event_endpoints
from app.services.event_endpoints import Wish
from tests.outgoing.receiver import Receiver
from tests.stories.looks import Person
from tests.stories.stage import Stage

REFUSED_ONCE = {"kind": "script", "codes": ["do_not_honor", "approve"]}
REFUSED_TWICE = {"kind": "script", "codes": ["do_not_honor", "do_not_honor", "approve"]}
EXPIRED = {"kind": "decline", "code": "expired_card"}


@dataclass
class Told:
    """A merchant's endpoint: what it got, and what we know of it."""

    stage: Stage
    receiver: Receiver
    endpoint_id: str
    secret: str

    @property
    def merchant(self) -> str:
        return self.stage.merchant.merchant_id

    async def endpoint(self) -> EventEndpoint:
        return await event_endpoints.show(self.stage.world, self.merchant, self.endpoint_id)

    async def change(self, **wish: Any) -> None:
        await event_endpoints.change(
            self.stage.world,
            self.merchant,
            self.endpoint_id,
            Wish(**wish),
            actor="test",
        )

    async def deliveries(self) -> list[EventDelivery]:
        found = await self.stage.find(EventDelivery)
        return sorted(found, key=lambda row: (row.subject, row.sequence, row.nth))

    async def events(self) -> list[OutgoingEvent]:
        found = await self.stage.find(OutgoingEvent)
        return sorted(found, key=lambda row: (row.subject, row.sequence))

    def in_order(self) -> bool:
        """Whether what was taken came in the order of its subject."""
        places: dict[str, list[int]] = {}
        for got in self.receiver.got:
            places.setdefault(got.event["subject"], []).append(got.event["sequence"])
        return all(a <= b for row in places.values() for a, b in pairwise(row))


async def a_failure(stage: Stage, behaviour: dict[str, Any] = REFUSED_TWICE) -> Person:
    person = await stage.subscriber(behaviour)
    await stage.fails(person)
    return person
