"""Random lives of subscriptions as the ledgers tell of them: whatever may happen to one, in an
order in which it can, some of it known only later."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.domain.churn import ChurnCause, ChurnEntry, ChurnKind, ChurnOrigin, ChurnRecord
from app.domain.mirror import Subscription
from app.domain.mrr import MovementKind as M
from app.domain.mrr import MrrMovement
from tests.reports.builders import ACCOUNT, JAN_1, MERCHANT, churned, movement
from tests.reports.second.facts import DAY, starts

E = ChurnEntry
FIRST, LAST = JAN_1 - 90 * DAY, JAN_1 + 180 * DAY
# Of no, of two and of three decimals.
CURRENCIES = ("usd", "eur", "jpy", "kwd")
PLANS, INTERVALS = (None, "basic", "pro"), ("month", "year")
# Two that the merchant named, one of them no more, and one that never was.
ATTRIBUTES = (None, '{"channel":"web"}', '{"channel":"shop","size":"s"}', '{"other":"x"}')
COUNTRIES, REASONS = (None, "DE", "US"), (None, "price", "bugs")
LEFT = {
    ChurnKind.VOLUNTARY: M.CHURN_VOLUNTARY,
    ChurnKind.INVOLUNTARY: M.CHURN_INVOLUNTARY,
    ChurnKind.MERCHANT: M.CHURN_MERCHANT,
}


@dataclass
class Clock:
    """Draws instants: of any microsecond, and some of the very midnight."""

    draw: random.Random
    zone: ZoneInfo

    def after(self, at: datetime, days: int) -> datetime:
        found = at + timedelta(microseconds=self.draw.randrange(1, days * 86_400 * 10**6))
        if self.draw.random() < 0.2:
            return starts((found + DAY).astimezone(self.zone).date(), self.zone)
        return found if self.draw.random() < 0.2 else found.replace(microsecond=0) + _SECOND

    def learned(self, at: datetime) -> datetime:
        """When something was written: at once, soon, or after days."""
        wait = self.draw.choice((0, 0, 0, 40, 20_000, 9 * 86_400))
        return at + timedelta(seconds=wait)


_SECOND = timedelta(seconds=1)


@dataclass
class Life:
    """A subscription while it is lived; `rows` are what was written of it."""

    draw: random.Random
    clock: Clock
    name: str
    currency: str
    at: datetime
    mrr: int = 0
    plan: str | None = None
    interval: str = "month"
    country: str | None = None
    attributes: str | None = None
    began: datetime = FIRST
    known: datetime = FIRST
    rested: int = 0
    stands: ChurnRecord | None = None  # the plan of an end, if there is one
    ended: ChurnRecord | None = None
    left: int = 0
    rows: list[Any] = field(default_factory=list)

    def learn(self) -> None:
        """What happens now is written later than all before it."""
        self.known = max(self.clock.learned(self.at), self.known + timedelta(microseconds=1))

    def move(self, minor: int, kind: M, *, at: datetime | None = None, **more: Any) -> None:
        place = {"plan": self.plan, "interval": self.interval, "country": self.country}
        about = {"subscription_id": self.name, "currency": self.currency} | place | more
        about |= {"attributes": self.attributes, "recorded_at": self.known}
        about |= {"source": f"{self.name}-{len(self.rows)}"}
        line = movement(minor, kind, at=at or self.at, **about)
        # what former releases wrote says nothing of who pays
        paying = self.draw.choice((None, self._begins(line)))
        self.rows.append(replace(line, paying=paying))

    def _begins(self, line: MrrMovement) -> int:
        """Whether MRR begins with this line (1), ends with it (-1), or neither."""
        lines = [row for row in self.rows if isinstance(row, MrrMovement)]
        who = (line.subscription_id, line.currency)
        left = sum(one.delta_minor for one in lines if (one.subscription_id, one.currency) == who)
        return (left + line.delta_minor > 0) - (left > 0)

    def tell(self, entry: ChurnEntry, kind: ChurnKind, **more: Any) -> ChurnRecord:
        tenure = max((self.at - self.began).days, 0)
        row = churned(
            self.name,
            at=self.at,
            entry=entry,
            kind=kind,
            minor=self.mrr or self.rested,
            currency=self.currency,
            plan=self.plan,
            interval=self.interval,
            country=self.country,
            attributes=self.attributes,
            segment=self.draw.choice((None, "smb")),
            reason=self.draw.choice(REASONS),
            cause=self.draw.choice(list(ChurnCause)),
            while_past_due=self.draw.random() < 0.3,
            started_at=self.draw.choice((self.began, self.began, None)),
            tenure_days=self.draw.choice((tenure, None)),
            source=f"{self.name}-{len(self.rows)}",
            recorded_at=self.known,
        )
        return self.note(replace(row, **more))

    def note(self, row: ChurnRecord) -> ChurnRecord:
        """A line, under a name of its own."""
        row = replace(row, record_id=f"rec_{self.name}_{len(self.rows)}")
        self.rows.append(row)
        return row

    def take_back(self, row: ChurnRecord, entry: ChurnEntry, at: datetime) -> None:
        back = replace(row, entry=entry, count=-1, mrr_minor=-row.mrr_minor, occurred_at=at)
        source = f"{self.name}-{len(self.rows)}"
        self.note(replace(back, about=row.record_id, recorded_at=self.known, source=source))

    # what may happen

    def grow(self) -> None:
        self.move(minor := self.draw.randrange(1, 3_000), M.EXPANSION)
        self.mrr += minor

    def shrink(self) -> None:
        """By some, or by all of it: a discount of 100 %."""
        minor = self.mrr if self.draw.random() < 0.3 else self.draw.randrange(self.mrr)
        if minor:
            self.move(-minor, M.CONTRACTION)
            self.mrr -= minor

    def rest(self) -> None:
        self.move(-self.mrr, M.PAUSE)
        self.rested, self.mrr = self.mrr, 0

    def resume(self) -> None:
        self.move(self.rested, M.RESUME)
        self.mrr, self.rested = self.rested, 0

    def change_currency(self) -> None:
        other = self.draw.choice([c for c in CURRENCIES if c != self.currency])
        self.move(-self.mrr, M.FX)
        self.currency, self.mrr = other, self.draw.randrange(1, 9_000)
        self.move(self.mrr, M.FX)

    def switch(self) -> None:
        """To another plan, and perhaps for more."""
        self.move(-self.mrr, M.SWITCH)
        self.plan, self.interval = self.draw.choice(PLANS), self.draw.choice(INTERVALS)
        self.attributes = self.draw.choice(ATTRIBUTES)
        self.move(self.mrr, M.SWITCH)
        if self.draw.random() < 0.5:
            self.grow()

    def plan_end(self) -> None:
        kind = self.draw.choice((ChurnKind.VOLUNTARY, ChurnKind.VOLUNTARY, ChurnKind.MERCHANT))
        self.stands = self.tell(E.PENDING, kind)

    def move_plan(self) -> None:
        """To another day: told anew, dated as it was."""
        assert self.stands
        former = self.stands
        self.take_back(former, E.WITHDRAWN, self.at)
        source = f"{self.name}-{len(self.rows)}"
        self.stands = self.note(replace(former, recorded_at=self.known, source=source))

    def stay(self) -> None:
        assert self.stands
        self.take_back(self.stands, E.WITHDRAWN, self.at)
        self.stands = None

    def end(self) -> None:
        """For whatever reason; what rested is lost at its end."""
        kind = self.draw.choice(list(LEFT))
        if self.rested:
            self.resume()
        plan = self.stands.record_id if self.stands else None
        self.left, minor = self.mrr, self.mrr
        self.ended = self.tell(E.CHURNED, kind, about=plan, mrr_minor=minor)
        if minor:
            self.move(-minor, LEFT[kind])
        self.mrr, self.stands = 0, None

    def come_back(self) -> None:
        assert self.ended
        self.take_back(self.ended, E.REVERSED, self.at)
        if self.left:
            self.move(self.left, M.REACTIVATION)
        self.mrr, self.ended = self.left, None

    def turn_out_migrated(self) -> None:
        """An end that is seen to have made room for another subscription: told anew."""
        assert self.ended
        end = self.ended
        self.take_back(end, E.RESTATED, end.occurred_at)
        source = f"{self.name}-{len(self.rows)}"
        anew = replace(end, kind=ChurnKind.MIGRATION, recorded_at=self.known, source=source)
        self.note(anew)
        if self.left:
            self.move(self.left, LEFT[end.kind], at=end.occurred_at)
            self.move(-self.left, M.MIGRATION, at=end.occurred_at)
        self._follow(M.NEW, began=end.occurred_at)
        self.ended, self.at = None, LAST

    def migrate(self) -> None:
        """To another subscription, which was told as new before."""
        plan = self.stands.record_id if self.stands else None
        self.tell(E.CHURNED, ChurnKind.MIGRATION, about=plan)
        self.move(-self.mrr, M.MIGRATION)
        self._follow(M.NEW, began=self.at)
        self.mrr, self.stands, self.at = 0, None, LAST

    def _follow(self, kind: M, *, began: datetime) -> None:
        minor, name = self.draw.randrange(1, 9_000), f"{self.name}_next"
        self.move(minor, kind, at=began, subscription_id=name)
        self.learn()
        self.move(-minor, kind, at=began, subscription_id=name)
        self.move(minor, M.MIGRATION, at=began, subscription_id=name)

    def possible(self) -> list[Callable[[], None]]:
        """What may happen next."""
        if self.ended:
            ways = [self.come_back]
            return ways + [self.turn_out_migrated] * (self.ended.kind is ChurnKind.VOLUNTARY)
        ways = [self.end, self.stay, self.move_plan] if self.stands else [self.end, self.plan_end]
        if self.rested:
            return [*ways, self.resume]
        if self.mrr:
            ways += [self.shrink, self.rest, self.change_currency, self.switch, self.migrate]
        return [*ways, self.grow]

    def live(self) -> None:
        while self.at < LAST:
            self.at = self.clock.after(self.at, self.draw.choice((3, 20, 70)))
            if self.at < LAST:
                self.learn()
                self.draw.choice(self.possible())()


def a_life(draw: random.Random, clock: Clock, number: int) -> Life:
    """One that was there when we came, or began later: to pay at once, after a trial, or for
    nothing."""
    began = clock.after(FIRST, 200) if draw.random() < 0.6 else FIRST - 200 * DAY
    trial = draw.choice((0, 0, 14, 40)) * DAY
    life = Life(
        draw,
        clock,
        name=f"sub_{number}",
        currency=draw.choice(CURRENCIES),
        at=began + trial if began > FIRST else FIRST,
        plan=draw.choice(PLANS),
        interval=draw.choice(INTERVALS),
        country=draw.choice(COUNTRIES),
        attributes=draw.choice(ATTRIBUTES),
        began=began,
    )
    life.learn()
    if draw.random() < 0.85:
        life.mrr = draw.randrange(1, 9_000)
        life.move(life.mrr, M.NEW if began > FIRST else M.OPENING)
    life.live()
    life.rows.append(
        Subscription(
            merchant_id=MERCHANT,
            account_id=ACCOUNT,
            subscription_id=life.name,
            customer_id=f"cus_{number % 9}",
            status="active",
            started_at=began,
        )
    )
    return life


def of_no_account(draw: random.Random, clock: Clock, number: int) -> list[Any]:
    """Ends that never count: of a trial, and from before us."""
    at = clock.after(FIRST, 200)
    told: dict[str, Any] = {"minor": 500, "recorded_at": clock.learned(at)}
    return [
        churned(f"trial_{number}", at=at, trial=True, **told),
        churned(f"old_{number}", at=at, origin=ChurnOrigin.HISTORY, **told),
    ]
