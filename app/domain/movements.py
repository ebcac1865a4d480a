"""How a subscription's notices move MRR. The first notice of a subscription opens its balance."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.attributes import attributes_of
from app.domain.dunning import Case
from app.domain.ids import derive_id
from app.domain.mirror import Customer, Subscription
from app.domain.mrr import MovementKind, MrrMovement
from app.domain.notices import FROM_HISTORY, Notice, NoticeKind
from app.domain.records import Book, quick
from app.domain.terms import Terms

PAYING = frozenset({"active", "past_due"})
UNBORN = frozenset({"incomplete", "incomplete_expired"})
# After the provider's last try. Where a merchant wants it, it pauses at the first failure already,
# and goes on trying.
PAUSED_AT_THE_END = "final_payment_failure"
INVOLUNTARY_PAUSES = frozenset({PAUSED_AT_THE_END, "first_payment_failure"})
make_movement = quick(MrrMovement)
# Plan, interval, country, attributes.
Place = tuple[str | None, str | None, str | None, str | None]
CHURNS = frozenset(
    {
        MovementKind.CHURN_VOLUNTARY,
        MovementKind.CHURN_INVOLUNTARY,
        MovementKind.CHURN_MERCHANT,
        MovementKind.MIGRATION,
    }
)


class Phase(StrEnum):
    """What a subscription is to the ledgers.

    `UNBORN`: its first payment is not there yet, or never came. `RESTS`: paused because somebody
    wanted it, or not collected. `LOST`: given up by us or the provider, though not ended. `GONE`:
    ended at the provider, for good.
    """

    UNBORN = "unborn"
    TRIAL = "trial"
    RUNS = "runs"
    RESTS = "rests"
    LOST = "lost"
    GONE = "gone"


OVER = frozenset({Phase.LOST, Phase.GONE})


def phase_of(subscription: Subscription, *, ours: bool = False) -> Phase:
    """The phase by the provider's words; `ours` says that an end of ours paused it. A status that
    we have not met rests: nothing is lost by a new word."""
    status = subscription.status
    if status in UNBORN:
        return Phase.UNBORN
    if status == "canceled":
        return Phase.GONE
    if status == "unpaid":
        return Phase.LOST
    if status == "paused":
        return (
            Phase.LOST if ours or subscription.pause_reason in INVOLUNTARY_PAUSES else Phase.RESTS
        )
    if status == "trialing":
        return Phase.TRIAL
    if status in PAYING and not subscription.collection_paused:
        return Phase.RUNS
    return Phase.RESTS


def mrr_of(subscription: Subscription | None) -> int:
    """MRR that counts now: zero for trials, pauses, ends, and what nobody pays any more."""
    if subscription is None or subscription.currency is None:
        return 0
    return subscription.mrr_minor if phase_of(subscription) is Phase.RUNS else 0


def lines_of(book: Book, subscription: Subscription) -> list[MrrMovement]:
    """The movements of a subscription that the book knows, oldest first."""
    about = {
        "account_id": subscription.account_id,
        "subscription_id": subscription.subscription_id,
    }
    return sorted(book.all(MrrMovement, **about), key=lambda line: line.recorded_at)


def balances(lines: Iterable[MrrMovement], before: Subscription | None) -> dict[str, int]:
    """What its lines say a subscription brings a month, by currency; of one without a line what
    the mirror said before."""
    found: dict[str, int] = {}
    for line in lines:
        found[line.currency] = found.get(line.currency, 0) + line.delta_minor
    if not found and before is not None and before.currency and (known := mrr_of(before)):
        found[before.currency] = known
    return found


def move_mrr(
    book: Book,
    before: Subscription | None,
    after: Subscription,
    notice: Notice,
    terms: Terms,
    *,
    kind: MovementKind | None,
) -> None:
    """Write what the ledger lacks, so that its lines add up to what the mirror says now.

    `kind` is why it begins or ends, None where it does neither. Safe to repeat: where both agree
    nothing is written, so the order of reports and their number make no difference to the sum.
    """
    write = Pen(book, after, notice, terms)
    known, now = balances(lines_of(book, after), before), mrr_of(after)
    currency = after.currency
    for other, left in known.items():
        if left and other != currency and currency is not None:
            write.line(MovementKind.FX, other, -left, tag=f"fx:{other}")
    if currency is None:
        return
    was = known.get(currency, 0)
    if was and now:
        write.switch(currency, was)
    if now == was:
        _end_of_rest(write, kind, currency)
    elif not was and any(left for other, left in known.items() if other != currency):
        write.line(MovementKind.FX, currency, now - was)
    else:
        kind = kind or _kind(lines_of(book, after), before, after, was, now, notice)
        write.line(kind, currency, now - was)


@dataclass(frozen=True, slots=True)
class Pen:
    """Writes lines about one subscription, because of one notice."""

    book: Book
    about: Subscription
    notice: Notice
    terms: Terms

    def line(
        self,
        kind: MovementKind,
        currency: str,
        delta: int,
        *,
        tag: str = "",
        at: datetime | None = None,
    ) -> None:
        """A line; `tag` tells apart what one notice writes, `at` is when it happened."""
        source = self._source(f"{self.notice.event}:{tag}" if tag else self.notice.event)
        place = self.place() if delta > 0 else self._stood() or self.place()
        self._add(kind, currency, delta, source, place, at or self.notice.occurred_at)

    def switch(self, currency: str, minor: int) -> None:
        """Take MRR from the place where it is to where the subscription is now, unless that is the
        same."""
        stood, place = self._stood(), self.place()
        if stood is None or stood == place:
            return
        for delta, at, tag in ((-minor, stood, "from"), (minor, place, "to")):
            source = self._source(f"{self.notice.event}:{tag}")
            when = self.notice.occurred_at
            self._add(MovementKind.SWITCH, currency, delta, source, at, when)

    def place(self) -> Place:
        """Where the subscription is: of a customer that is not at hand, what was known last."""
        about = self.about
        customer = self.book.get(Customer, about.account_id, about.customer_id)
        stood = self._stood() if customer is None else None
        country = customer.country if customer else stood and stood[2]
        names = self.terms.merchant.attributes
        attributes = attributes_of(names, about, customer, stood and stood[3])
        return about.plan, about.interval, country, attributes

    def _stood(self) -> Place | None:
        """Where its MRR is by the ledger, or was last; None of one without a line."""
        left: dict[Place, int] = {}
        for line in lines_of(self.book, self.about):
            left[line.place] = left.pop(line.place, 0) + line.delta_minor
        return next((place for place, minor in left.items() if minor), None) or next(
            reversed(left), None
        )

    def _add(
        self,
        kind: MovementKind,
        currency: str,
        delta: int,
        source: str,
        place: Place,
        when: datetime,
    ) -> None:
        about = self.about
        plan, interval, country, attributes = place
        self.book.add(
            make_movement(
                movement_id=derive_id(
                    "movement", when, about.account_id, about.subscription_id, source
                ),
                merchant_id=about.merchant_id,
                account_id=about.account_id,
                subscription_id=about.subscription_id,
                customer_id=about.customer_id,
                kind=kind,
                currency=currency,
                delta_minor=delta,
                source=source,
                occurred_at=when,
                effective_at=when,
                recorded_at=self.terms.now,
                plan=plan,
                interval=interval,
                country=country,
                attributes=attributes,
                paying=self._paying(currency, delta),
            )
        )

    def _paying(self, currency: str, delta: int) -> int:
        """Whether MRR begins with this line (1), ends with it (-1), or neither."""
        mine = (line for line in lines_of(self.book, self.about) if line.currency == currency)
        left = sum(line.delta_minor for line in mine)
        return (left + delta > 0) - (left > 0)

    def _source(self, wanted: str) -> str:
        """A name that no line has yet: what is read live comes under one name again and again."""
        taken = {line.source for line in lines_of(self.book, self.about)}
        if wanted not in taken:
            return wanted
        names = (f"{wanted}#{n}" for n in range(2, len(taken) + 2))
        return next(name for name in names if name not in taken)


def _end_of_rest(write: Pen, kind: MovementKind | None, currency: str) -> None:
    """What was paused and ends was lost at its end: the pause is taken back for it."""
    lines = lines_of(write.book, write.about)
    if kind not in CHURNS or not lines or lines[-1].kind is not MovementKind.PAUSE:
        return
    rested = -lines[-1].delta_minor
    write.line(MovementKind.RESUME, currency, rested, tag="resumed")
    write.line(kind, currency, -rested)


def _kind(
    lines: Iterable[MrrMovement],
    before: Subscription | None,
    after: Subscription,
    was: int,
    now: int,
    notice: Notice,
) -> MovementKind:
    if phase_of(after) is not Phase.RUNS:
        return MovementKind.PAUSE
    if was:
        return MovementKind.EXPANSION if now > was else MovementKind.CONTRACTION
    left = [
        line.kind for line in lines if line.delta_minor < 0 and line.kind is not MovementKind.SWITCH
    ]
    if left:
        return RETURNS.get(left[-1], MovementKind.EXPANSION)
    return _first(before, after, notice)


RETURNS = {
    MovementKind.PAUSE: MovementKind.RESUME,
    **dict.fromkeys(CHURNS, MovementKind.REACTIVATION),
}


def _first(before: Subscription | None, after: Subscription, notice: Notice) -> MovementKind:
    """Why the first line of a subscription is written. Of one that runs with discounts that were
    only named nothing was known until they were read."""
    if before is None or (before.discounts_hidden and phase_of(before) is Phase.RUNS):
        begun = after.started_at
        long_ago = begun is not None and begun < notice.occurred_at - REPORTED_WITHIN
        told = notice.kind is NoticeKind.SUBSCRIPTION_STARTED
        old = notice.event.startswith(FROM_HISTORY) or long_ago
        return MovementKind.OPENING if old and not told else MovementKind.NEW
    if before.trial_end and before.period_end and before.period_end <= before.trial_end:
        return MovementKind.NEW  # paused when its trial was over: nobody ever paid
    again = {
        Phase.RESTS: MovementKind.RESUME,
        Phase.LOST: MovementKind.REACTIVATION,
    }
    return again.get(phase_of(before), MovementKind.NEW)


# Committed before the end is carried out at the provider, so that its own reports of that end,
# which may overtake our commit, are not taken for a customer leaving.
ENDING = "ending"
ENDED = "the window is over"
LEAVE = "leave"
PAID_AFTER = "paid after "
REPORTED_WITHIN = timedelta(days=1)


def intended_end(how: str, close: str) -> str:
    """The reason of a case while its end is carried out: what happens to subscription and
    invoice (`leave`: nothing)."""
    return f"{ENDING}: subscription {how}, invoice {close}"


def intent_of(case: Case) -> tuple[str, str] | None:
    """What was intended for subscription and invoice, or None where no end was begun."""
    words = (case.reason or "").removeprefix(f"{ENDING}: subscription ").split(", invoice ")
    return (words[0], words[1]) if is_ending(case) and len(words) == 2 else None


def what_became(case: Case, planned: str) -> str:
    """What the end did to the subscription, else what is planned for it."""
    left = f"{ENDED}: subscription {LEAVE}"
    return LEAVE if (case.reason or "").startswith(left) else planned


def is_ending(case: Case) -> bool:
    """Whether our own end of this case was begun and its outcome is not recorded yet."""
    return (case.reason or "").startswith(ENDING)


def reason_when_paid(case: Case) -> str:
    """The reason of a case that is paid: an end of ours stays told, since its subscription may
    end only later and the provider will call that requested."""
    return f"{PAID_AFTER}{case.reason}" if _our_words(case) else "paid"


def ended_by_us(book: Book, subscription: Subscription, at: datetime) -> bool:
    """Whether a case of ours ended or paused this subscription; then that is involuntary,
    although the provider says `cancellation_requested` or `pause_requested` (it was, by us).

    `at` is when it was reported. What was asked for a day after our case was closed is another's
    doing: the subscription was kept, and its customer leaves by themselves.
    """
    asked = subscription.canceled_at or at
    return any(
        case.account_id == subscription.account_id
        and f"subscription {LEAVE}" not in _our_words(case)
        and _our_words(case) != ""
        and (case.closed_at is None or asked <= case.closed_at + REPORTED_WITHIN)
        for case in book.all(Case, subscription_id=subscription.subscription_id)
    )


def _our_words(case: Case) -> str:
    """How our own end of this case was recorded; empty where there was none."""
    words = (case.reason or "").removeprefix(PAID_AFTER)
    return words if words.startswith((ENDING, ENDED)) else ""
