"""The driver: steps the clock from one thing that happens to the next, and waits for quiet.

At each instant the sandbox plays, then the service works until nothing is left, and so on until
neither has anything to do (a fixed point); only then the clock moves. That is why the same seed
gives the same story, however fast the machine is.
"""

import heapq
import re
import time
from asyncio import gather, to_thread
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from app.demo.cast import Draws, Subscriber
from app.demo.house import House
from app.demo.stage import Stage
from app.demo.story import TOLD, Line, Story
from app.domain.dunning import Case, CaseEvent
from app.domain.money import Money
from app.ports.mailbox import Mailbox
from app.ports.world import World
from app.services.backlog import backlog
from app.wake import Bell

HOUR = timedelta(hours=1)
# Seconds without quiet after which a step is a fault worth seeing: longer than a lease, at whose
# end comes again what a machine that does much else could not finish in time.
STUCK_AFTER = 150.0
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
    """Plays the weeks of these houses."""

    world: World
    houses: Sequence[House]
    stage: Stage
    story: Story
    mailbox: Mailbox
    rest: Bell
    draws: Draws
    client: httpx.AsyncClient
    now: datetime
    due: datetime | None = None  # when the service has something to do next, as it said last
    acts: list[Act] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    letters: dict[str, int] = field(default_factory=dict)
    people: dict[str, Subscriber] = field(default_factory=dict)
    homes: dict[str, House] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for house in self.houses:
            self.people |= house.people
            self.homes |= dict.fromkeys(house.people, house)
            self.keys |= {known.customer: key for key, known in house.known.items()}

    async def play(self, until: datetime) -> None:
        """Play from now until `until`, instant by instant."""
        for person in self.people.values():
            if person.fate and person.fate.updater_days:
                at = person.renews_at + timedelta(days=person.fate.updater_days)
                self._expect(at, person, self._updater(person))
            if person.fate and person.fate.disputes:
                for days, do in DISPUTE:
                    self._expect(person.renews_at + timedelta(days=days), person, do(self, person))
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
        await gather(*(house.advance(at) for house in self.houses))
        lines = [await self._acted(act) for act in self._due_acts()]
        worked, following = await self._settle(acted=bool(lines))
        if worked:
            for more in await gather(self._timeline(), self._mail()):
                lines += more
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

    async def _settle(self, *, acted: bool) -> tuple[bool, list[datetime | None]]:
        """Wait for the fixed point; whether the service did anything on the way, and the instants
        of the next action and of each provider's next event.

        A service that had nothing to do since the providers advanced, while nobody acted, has made
        nothing there to be delivered.
        """
        busy = acted or (self.due is not None and self.due <= self.now)
        busy = busy or any(house.told for house in self.houses)
        while True:
            busy = await self._quiet(busy) or busy
            if busy and any(await gather(*(house.deliver() for house in self.houses))):
                continue
            return busy, [self.due, *(house.following for house in self.houses)]

    async def _quiet(self, busy: bool) -> bool:
        """Wait until the service has nothing to do now; whether it had. `busy` says that it surely
        has: it is not asked before it was waited for."""
        limit = time.monotonic() + STUCK_AFTER
        worked = busy or await self._is_busy()
        if worked:
            await self.world.wake.now()
        busy = worked
        while busy:
            if time.monotonic() > limit:
                raise Stuck(f"still busy at {self.now:%Y-%m-%d %H:%M} after {STUCK_AFTER:.0f} s")
            self.stage.watch()
            await self.rest.heard(LONGEST_LOOK)
            busy = await self._is_busy()
        return worked

    async def _is_busy(self) -> bool:
        """Whether the service has anything to do now; notes what is due next."""
        state = await backlog(self.world)
        self.due = state.next_due_at
        return state.busy

    async def _timeline(self) -> list[Line]:
        """The new lines of every company's cases, those of two days ago at the earliest."""
        merchants = [house.merchant_id for house in self.houses]
        since = {"merchant_id": merchants, "at__gte": self.now - timedelta(days=2)}
        async with self.world.store.transaction(*merchants) as tx:
            found = await tx.find(
                CaseEvent, where=since | {"type": list(TOLD)}, order=("at", "seq")
            )
            new = [event for event in found if event.event_id not in self.told]
            cases = await tx.load(Case, sorted({(e.case_id,) for e in new}))
        self.told |= {event.event_id for event in new}
        by_id = {case.case_id: case for case in cases}
        return [self._line(event, by_id[event.case_id]) for event in new]

    def _line(self, event: CaseEvent, case: Case) -> Line:
        key = self.keys[case.customer_id or ""]
        person = self.people[key]
        amount = Money(case.amount_minor, case.currency)
        words = event.text
        if event.type == "opened":
            words = f"{person.plan} {person.interval}ly, {amount}: the renewal was refused"
        elif event.type == "recovered":
            words = f"{amount} is in: {case.cause or 'being read'}"
        order = list(TOLD).index(event.type) + 1
        return Line(self.now, key, order, TOLD[event.type], words)

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

    def expects(
        self, acts: Iterable[tuple[datetime, Subscriber, Callable[[], Awaitable[str]]]]
    ) -> None:
        """What subscribers will do by themselves."""
        for at, person, do in acts:
            self._expect(at, person, do)

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
            session, card = page.rpartition("/")[2], {"base": "visa"}
            await self._acts(person, "new_card", checkout_session=session, card=card)
            return "entered a new card through our link"

        return act

    def authenticate(self, person: Subscriber, link: str) -> Callable[[], Awaitable[str]]:
        """Press our link's button and confirm with the bank on the page it leads to."""

        async def act() -> str:
            if not await self._through_link(link):
                return "opened the payment link, which had nothing left to pay"
            await self._acts(person, "authenticate")
            return "confirmed with the bank (3-D Secure) through our link"

        return act

    def _updater(self, person: Subscriber) -> Callable[[], Awaitable[str]]:
        async def act() -> str:
            method = self.homes[person.key].known[person.key].method
            await self._acts(person, "update_card_automatically", payment_method=method)
            return "the card network brought the new expiry date"

        return act

    def dispute(self, person: Subscriber) -> Callable[[], Awaitable[str]]:
        """The bank takes back what was paid last."""

        async def act() -> str:
            await self._acts(person, "dispute", reason="product_not_received")
            return "disputes the payment before at the bank"

        return act

    def lose_dispute(self, person: Subscriber) -> Callable[[], Awaitable[str]]:
        """The bank gives it back."""

        async def act() -> str:
            await self._acts(person, "close_dispute", won=True)
            return "the bank decides the dispute for the merchant"

        return act

    async def _acts(self, person: Subscriber, what: str, **more: Any) -> None:
        house = self.homes[person.key]
        await to_thread(house.provider.act, house.known[person.key].customer, what, **more)


# Days after the renewal.
DISPUTE = ((1, Driver.dispute), (6, Driver.lose_dispute))
REACTIONS: dict[str, Callable[[Driver, Subscriber, str], Callable[[], Awaitable[str]]]] = {
    "new_card": Driver.new_card,
    "authenticate": Driver.authenticate,
}


def _whole_hour(at: datetime) -> datetime:
    at = at.astimezone(UTC)
    whole = at.replace(minute=0, second=0, microsecond=0)
    return whole if whole == at else whole + HOUR
