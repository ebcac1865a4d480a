"""Five subscribers who go to the cancel page: three are given a reason to stay, two leave.

Who they are is drawn by the seed among those whose card is good; what they do there they do over
the API, as the widget would for them.
"""

from asyncio import to_thread
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from app.demo.cast import KELP, Draws, Subscriber
from app.demo.house import House
from app.domain.redemptions import Redemption, RedemptionState
from app.domain.sessions import CancelSession
from app.ports.world import World
from app.services import flows

Visit = tuple[datetime, Subscriber, Callable[[], Awaitable[str]]]
HOUR_OF_DAY = 10
# Who is billed in these days of the story goes to the page well before.
BILLED_FROM, BILLED_UNTIL = 20, 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one of them does: on a day of the story, for a reason; `offer` is what they accept,
    None where they leave."""

    day: int
    reason: str
    offer: str | None = None
    told: str


PARTS = (
    Part(day=6, reason="too_expensive", offer="discount", told="stays for 30 % off, three months"),
    Part(day=8, reason="temporary_need", offer="pause", told="stays, and pauses for a month"),
    Part(day=10, reason="cash_flow", offer="annual", told="stays, and pays by the year"),
    Part(day=12, reason="missing_feature", told="leaves: something is missing"),
    Part(day=15, reason="found_alternative", told="leaves for something else"),
)


def flow_of(prices: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The company's flow: what is offered follows from the reason."""
    offers: dict[str, tuple[str, dict[str, Any]]] = {
        "discount": ("too_expensive", {"percent": 30, "months": 3}),
        "pause": ("temporary_need", {"months": 1}),
        "annual": ("cash_flow", {"to": years_of(prices)}),
    }
    steps: list[dict[str, Any]] = [
        {
            "id": kind,
            "kind": "offer",
            "when": {"reasons": [reason]},
            "offer": {"kind": kind} | terms,
        }
        for kind, (reason, terms) in offers.items()
    ]
    ends = [{"id": "confirm", "kind": "confirm"}, {"id": "done", "kind": "success"}]
    return {"place": "DE", "steps": [{"id": "why", "kind": "survey"}, *steps, *ends]}


def years_of(prices: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The yearly price of the same product and currency for each monthly one."""
    by = {(p["product"], p["currency"], p["recurring"]["interval"]): p["id"] for p in prices}
    return {
        found: by[product, currency, "year"]
        for (product, currency, interval), found in by.items()
        if interval == "month"
    }


def chosen(draws: Draws, people: Sequence[Subscriber], opening: datetime) -> list[Subscriber]:
    """Who plays the parts, in their order."""
    good = [
        person
        for person in people
        if person.fate is None
        and person.interval == "month"
        and BILLED_FROM <= (person.renews_at - opening).days < BILLED_UNTIL
    ]
    return sorted(good, key=lambda person: draws.of(person.key, "leaves"))[: len(PARTS)]


@dataclass(frozen=True, slots=True)
class Page:
    """The cancel page of one company, and the acts of those who go to it."""

    world: World
    house: House
    client: httpx.AsyncClient
    api: str

    async def publish(self) -> None:
        """Give the company its flow."""
        prices = await to_thread(self.house.provider.prices)
        named = (self.world, self.house.merchant_id, "default")
        row = await flows.put_flow(*named, flow_of(prices), read_version=None, actor="demo")
        await flows.publish(*named, row.version, actor="demo")

    def acts(self, draws: Draws, opening: datetime) -> list[Visit]:
        """When each goes to the page, and what they do there."""
        who = chosen(draws, list(self.house.people.values()), opening)
        return [
            (opening + timedelta(days=part.day, hours=HOUR_OF_DAY), person, self._act(person, part))
            for part, person in zip(PARTS, who, strict=True)
        ]

    def _act(self, person: Subscriber, part: Part) -> Callable[[], Awaitable[str]]:
        async def act() -> str:
            known = self.house.known[person.key]
            opened = await self._asks("", self.house.key, subscription=known.subscription)
            here, token = f"/{opened['id']}", opened["token"]
            await self._asks(f"{here}/answer", token, step="why", reason=part.reason)
            if part.offer is None:
                await self._asks(f"{here}/confirm", token)
            else:
                await self._asks(f"{here}/accept", token, step=part.offer)
            return part.told

        return act

    async def _asks(self, path: str, token: str, **body: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "demo"}
        url = f"{self.api}/v1/cancel-sessions{path}"
        answer = await self.client.post(url, headers=headers, json=body)
        answer.raise_for_status()
        return dict(answer.json())


def leaves(house: House) -> bool:
    """Whether anybody of this company goes to the cancel page."""
    return house.company == KELP


async def outcomes(world: World, merchant_id: str) -> tuple[dict[str, int], dict[str, int]]:
    """How the sessions of a company ended, and by which kinds of offer people stayed."""
    ended: dict[str, int] = {}
    saved: dict[str, int] = {}
    own = {"merchant_id": merchant_id}
    async with world.store.transaction(merchant_id) as tx:
        sessions = await tx.find(CancelSession, where=own)
        applied = await tx.find(Redemption, where=own | {"state": RedemptionState.APPLIED})
    for session in sessions:
        ended[session.state] = ended.get(session.state, 0) + 1
    for redemption in applied:
        saved[redemption.kind] = saved.get(redemption.kind, 0) + 1
    return ended, saved
