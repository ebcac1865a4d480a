"""The driver: steps the clock from one thing that happens to the next, and waits for quiet.

At each instant the sandbox plays, then the service works until nothing is left, and so on until
neither has anything to do (a fixed point); only then the clock moves. That is why the same seed
gives the same story, however fast the machine is.
"""

import heapq
import re
import time
from asyncio import to_thread
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from app.demo.cast import Draws, Subscriber
from app.demo.provider import Provider, SignedUp
from app.demo.stage import Stage
from app.demo.story import TOLD, Line, Story
from app.domain.dunning import Case, CaseEvent
from app.domain.money import Money
from app.ports.mailbox import Mailbox
from app.ports.world import World
from app.services.backlog import backlog
from app.wake import Bell

HOUR = timedelta(hours=1)
STUCK_AFTER = 60.0  # seconds without quiet after which a step is a fault worth seeing
LONGEST_LOOK = 0.25  # seconds until the next look at the backlog if nobody tells of rest
LINK = re.compile(r"https?://[^\s>]+/p/[\w-]+")


class Stuck(RuntimeError):
    """The service did not come to rest; its logs in the demo's folder say why."""


@dataclass(order=True)
class Act:
    """Something a customer or a bank will do at an instant."""

    at: datetime
    who: str
    do: Callable[[], Awaitable[str]] = field(compare=False)


@dataclass
class Driver:
    """Plays one merchant's weeks. `known` maps a subscriber's key to the provider's ids."""

    world: World
    provider: Provider
    stage: Stage
    story: Story
    mailbox: Mailbox
    rest: Bell
    merchant_id: str
    people: dict[str, Subscriber]
    known: dict[str, SignedUp]
    draws: Draws
    client: httpx.AsyncClient
    now: datetime
    acts: list[Act] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    letters: dict[str, int] = field(default_factory=dict)

    async def play(self, until: datetime) -> None:
        """Play from now until `until`, instant by instant."""
        for person in self.people.values():
            if person.fate and person.fate.updater_days:
                at = person.renews_at + timedelta(days=person.fate.updater_days)
                self._expect(at, person, self._updater(person))
        following: datetime | None = self.now
        while following is not None and following <= until:
            following = await self.step(following)
        await self.step(until)

    async def step(self, at: datetime) -> datetime | None:
        """One instant: acts, the provider's events, the service's work; to a fixed point.

        Returns the next instant at which something happens.
        """
        self.now = at
        self.stage.set_clock(at)
        self.stage.watch()
        lines = [await self._acted(act) for act in self._due_acts()]
        worked, following = await self._settle(await to_thread(self.provider.advance, at))
        if worked:
            lines += await self._timeline()
            lines += await self._mail()
        self.story.tell(lines)
        return self._next(following)

    def _due_acts(self) -> list[Act]:
        due: list[Act] = []
        while self.acts and self.acts[0].at <= self.now:
            due.append(heapq.heappop(self.acts))
        return due

    async def _acted(self, act: Act) -> Line:
        return Line(self.now, act.who, 0, "customer", await act.do())

    def _next(self, times: list[datetime | None]) -> datetime | None:
        """The earliest of due actions, sandbox events and customers' acts, rounded up."""
        found = [at for at in times if at is not None]
        if self.acts:
            found.append(self.acts[0].at)
        return max(_whole_hour(min(found)), self.now + HOUR) if found else None

    async def _settle(self, status: dict[str, Any]) -> tuple[bool, list[datetime | None]]:
        """Wait for the fixed point; whether the service did anything on the way, and the instants
        of the next action and sandbox event.

        `status` is the provider's as it advanced; a service that had nothing to do since then has
        made nothing there to be delivered.
        """
        ever = False
        while True:
            worked, due = await self._quiet()
            ever = ever or worked
            if worked:
                status = await to_thread(self.provider.deliver)
            if worked and (status["undelivered"] or status.get("sent")):
                continue
            following = status["next_event_at"]
            return ever, [due, datetime.fromisoformat(following) if following else None]

    async def _quiet(self) -> tuple[bool, datetime | None]:
        """Wait until the service has nothing to do now; whether it had, and what is due next."""
        limit = time.monotonic() + STUCK_AFTER
        state = await backlog(self.world)
        worked = state.busy
        if worked:
            await self.world.wake.now()
        while state.busy:
            if time.monotonic() > limit:
                raise Stuck(f"still busy at {self.now:%Y-%m-%d %H:%M} after {STUCK_AFTER:.0f} s")
            self.stage.watch()
            await self.rest.heard(LONGEST_LOOK)
            state = await backlog(self.world)
        return worked, state.next_due_at

    async def _timeline(self) -> list[Line]:
        async with self.world.store.transaction(self.merchant_id) as tx:
            since = {"merchant_id": self.merchant_id, "at__gte": self.now - timedelta(days=2)}
            events = [
                e
                for e in await tx.find(CaseEvent, where=since, order=("at", "seq"))
                if e.type in TOLD
            ]
            new = [e for e in events if e.event_id not in self.told]
            cases = await tx.load(Case, sorted({(e.case_id,) for e in new}))
        self.told |= {event.event_id for event in new}
        by_id = {case.case_id: case for case in cases}
        return [self._line(event, by_id[event.case_id]) for event in new]

    def _line(self, event: CaseEvent, case: Case) -> Line:
        key = self._key_of(case.customer_id)
        person = self.people[key]
        amount = Money(case.amount_minor, case.currency)
        words = event.text
        if event.type == "opened":
            words = f"{person.plan} {person.interval}ly, {amount}: the renewal was refused"
        elif event.type == "recovered":
            words = f"{amount} is in: {case.cause or 'being read'}"
        order = list(TOLD).index(event.type) + 1
        return Line(self.now, key, order, TOLD[event.type], words)

    def _key_of(self, customer: str | None) -> str:
        return next(key for key, known in self.known.items() if known.customer == customer)

    async def _mail(self) -> list[Line]:
        lines: list[Line] = []
        for name in await self.mailbox.names():
            if name in self.told:
                continue
            self.told.add(name)
            mail = await self.mailbox.read(name)
            key = mail.recipient.partition("@")[0] if mail else ""
            if mail is not None and key in self.people:
                lines.append(Line(self.now, key, 90, "mail", mail.subject))
                self._react(self.people[key], mail.text)
        return lines

    def _react(self, person: Subscriber, text: str) -> None:
        """The customer reads and, if it is fated, acts some hours later, through our link."""
        self.letters[person.key] = self.letters.get(person.key, 0) + 1
        fate, link = person.fate, LINK.search(text)
        if fate is None or fate.reaction is None or link is None:
            return
        if self.letters[person.key] == fate.after:
            hours = 2 + int(self.draws.of(person.key, "reads", fate.after) * 40)
            do = REACTIONS[fate.reaction](self, person, link.group())
            self._expect(self.now + timedelta(hours=hours), person, do)

    def _expect(self, at: datetime, person: Subscriber, do: Callable[[], Awaitable[str]]) -> None:
        heapq.heappush(self.acts, Act(_whole_hour(at), person.key, do))

    async def _through_link(self, link: str) -> str:
        """Press the button on our page; where it leads."""
        answer = await self.client.post(link)
        if answer.status_code != httpx.codes.SEE_OTHER:
            return ""
        return answer.headers["location"]

    def new_card(self, person: Subscriber, link: str) -> Callable[[], Awaitable[str]]:
        """Press our link's button and enter a card on the page it leads to."""

        async def act() -> str:
            page = await self._through_link(link)
            if not page:
                return "opened the payment link, which had nothing left to pay"
            session, customer = page.rpartition("/")[2], self.known[person.key].customer
            card = {"base": "visa"}
            await to_thread(
                self.provider.act, customer, "new_card", checkout_session=session, card=card
            )
            return "entered a new card through our link"

        return act

    def authenticate(self, person: Subscriber, link: str) -> Callable[[], Awaitable[str]]:
        """Press our link's button and confirm with the bank on the page it leads to."""

        async def act() -> str:
            if not await self._through_link(link):
                return "opened the payment link, which had nothing left to pay"
            await to_thread(self.provider.act, self.known[person.key].customer, "authenticate")
            return "confirmed with the bank (3-D Secure) through our link"

        return act

    def _updater(self, person: Subscriber) -> Callable[[], Awaitable[str]]:
        async def act() -> str:
            known = self.known[person.key]
            act, what = self.provider.act, "update_card_automatically"
            await to_thread(act, known.customer, what, payment_method=known.method)
            return "the card network brought the new expiry date"

        return act


REACTIONS: dict[str, Callable[[Driver, Subscriber, str], Callable[[], Awaitable[str]]]] = {
    "new_card": Driver.new_card,
    "authenticate": Driver.authenticate,
}


def _whole_hour(at: datetime) -> datetime:
    at = at.astimezone(UTC)
    whole = at.replace(minute=0, second=0, microsecond=0)
    return whole if whole == at else whole + HOUR
