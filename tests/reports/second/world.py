"""A random half year of a merchant with two accounts, as the rows that were written of it."""

import random
from dataclasses import fields, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.domain.declines import DeclineKind
from app.domain.dunning import Attempt, AttemptState, Case, CaseEvent, CaseKind, CaseState, Trigger
from app.domain.exchange import ExchangeRate
from app.domain.merchants import Merchant
from app.domain.mirror import Customer
from app.domain.recovery import Cause, EntryKind, Failure
from app.domain.redemptions import RedemptionState
from app.domain.saves import Rung, SaveStep
from tests.reports.builders import (
    ACCOUNT,
    JAN_1,
    MERCHANT,
    case,
    entry,
    failure,
    held_out,
    judged,
    moved,
    paid_at_once,
    payment,
    redemption,
    session,
    taking,
    the_account,
)
from tests.reports.second.facts import DAY
from tests.reports.second.lives import (
    COUNTRIES,
    CURRENCIES,
    FIRST,
    REASONS,
    Clock,
    Life,
    a_life,
    of_no_account,
)

K = EntryKind
TOLD = ((FIRST,), (FIRST,), (FIRST, JAN_1), (FIRST, JAN_1 + 90 * DAY))
REPORTING, RATES = ("eur", "jpy"), ("0.5", "1", "0.0061", "163.25", "3.141592653589")
OTHER = "acc_2"
BRANDS = (None, "visa", "mastercard")
WITHOUT_CASE = ("first_invoice", "first_invoice", "send_invoice", "zero_amount")
KINDS = (DeclineKind.INSUFFICIENT_FUNDS, DeclineKind.NEW_METHOD, None)
# What is ours in a row: of another account it has another name. Invoices, subscriptions and
# customers are the provider's, and two of its accounts may name them alike.
OURS = {
    *("entry_id", "movement_id", "record_id", "about", "taking_id", "case_id", "attempt_id"),
    *("event_id", "session_id", "redemption_id", "unit", "token_hash"),
}


def a_world(draw: random.Random, zone: ZoneInfo, *, lives: int = 14) -> list[Any]:
    """The rows, the merchant's own first."""
    clock = Clock(draw, zone)
    rows: list[Any] = [
        Merchant(
            merchant_id=MERCHANT,
            name="Kelp",
            time_zone=zone.key,
            attributes=("channel",),
            past_attributes=("size",),
            created_at=JAN_1,
        ),
        the_account(),
        the_account(OTHER),
    ]
    for account in (ACCOUNT, OTHER):
        found = [_customer(draw, n) for n in range(9)]
        for number in range(lives):
            life = a_life(draw, clock, number)
            found += [*life.rows, *of_no_account(draw, clock, number)]
            for nth in range(draw.randrange(1, 6)):
                found += _invoice(draw, clock, life, f"in_{number}_{nth}", number % 9)
            for nth in range(draw.randrange(3)):
                found += _session(draw, clock, life, f"ses_{number}_{nth}")
        rows += [row if account == ACCOUNT else of_account(row, account) for row in found]
    return [*rows, *_rates(draw)]


def _rates(draw: random.Random) -> list[ExchangeRate]:
    """In two currencies, of no day more than a week behind another; some are corrected."""
    found: list[ExchangeRate] = []
    for into in REPORTING:
        for currency in CURRENCIES:
            day = date(2025, 9, 1)
            while currency != into and day < date(2026, 12, 1):
                day += draw.randrange(1, 9) * DAY
                for at in draw.choice(TOLD):
                    found.append(
                        ExchangeRate(
                            rate_id=f"rate_{len(found)}",
                            merchant_id=MERCHANT,
                            currency=currency,
                            reporting=into,
                            day=day.isoformat(),
                            rate=draw.choice(RATES),
                            recorded_by="key_1",
                            recorded_at=at,
                        )
                    )
    return found


def of_account(row: Any, account: str) -> Any:
    """The same of another account."""
    names = {field.name for field in fields(row)}
    more: dict[str, Any] = {"account_id": account} if "account_id" in names else {}
    for name in names & OURS:
        if getattr(row, name) is not None:
            more[name] = f"{account}:{getattr(row, name)}"
    return replace(row, **more)


def _customer(draw: random.Random, number: int) -> Customer:
    return Customer(
        merchant_id=MERCHANT,
        account_id=ACCOUNT,
        customer_id=f"cus_{number}",
        country=draw.choice(COUNTRIES),
    )


def _invoice(
    draw: random.Random, clock: Clock, life: Life, invoice: str, customer: int
) -> list[Any]:
    """Paid at once, or refused; some of it both, as was learned one after the other."""
    at, minor = clock.after(JAN_1 - 60 * DAY, 200), draw.randrange(1, 9_000)
    keys: dict[str, Any] = {
        "currency": life.currency,
        "plan": life.plan,
        "interval": life.interval,
    }
    rows: list[Any] = []
    if draw.random() < 0.35:
        known = clock.learned(at)
        country = draw.choice(COUNTRIES)
        told = {"subscription_id": life.name, "country": country, "recorded_at": known}
        rows.append(paid_at_once(invoice, minor, at=at, **keys | told))
        rows.append(payment(minor, at=at, invoice=invoice, brand="amex"))
        rows.append(_told(draw, life, invoice, minor, at, clock))
        if draw.random() < 0.7:
            return rows
    failed = Failed(draw, clock, life, invoice, customer, at, minor)
    return rows + failed.rows(keys)


def _told(
    draw: random.Random, life: Life, invoice: str, minor: int, at: datetime, clock: Clock
) -> Any:
    """What was told of a payment."""
    told = {"subscription_id": life.name, "currency": life.currency, "brand": draw.choice(BRANDS)}
    return taking(minor, at=at, invoice=invoice, recorded_at=clock.learned(at), **told)


class Failed:
    """A failed invoice: its versions, its case, and what came in and went out again."""

    def __init__(
        self,
        draw: random.Random,
        clock: Clock,
        life: Life,
        invoice: str,
        customer: int,
        at: datetime,
        minor: int,
    ) -> None:
        self.draw, self.clock, self.life, self.invoice = draw, clock, life, invoice
        self.customer, self.at, self.minor = customer, at, minor
        self.known = clock.learned(at)
        self.versions: list[Failure] = []

    def rows(self, keys: dict[str, Any]) -> list[Any]:
        has_case = self.draw.random() < 0.85
        found: list[Any] = self._versions(keys, has_case=has_case)
        if not has_case:
            return [
                *found,
                _told(self.draw, self.life, self.invoice, 70, self.at + DAY, self.clock),
            ]
        return [*found, *self._case(keys), *self._money(keys)]

    def _versions(self, keys: dict[str, Any], *, has_case: bool) -> list[Failure]:
        """Some are learned of again, as earlier ones and of another amount."""
        about = {
            "case_id": f"case_{self.invoice}" if has_case else None,
            "exclusion": None if has_case else WITHOUT_CASE[self.minor % len(WITHOUT_CASE)],
            "customer_id": f"cus_{self.customer}",
            "subscription_id": self.life.name,
            "trial_conversion": self.draw.random() < 0.15,
        }
        found = []
        for version in range(1, self.draw.choice((2, 2, 3))):
            at = self.at - (version - 1) * timedelta(hours=30)
            country = self.draw.choice(COUNTRIES)
            told = {"version": version, "recorded_at": self.known, "country": country}
            told |= about | keys
            found.append(failure(self.minor, at=at, invoice=self.invoice, **told))
            later = self.draw.choice((1, 600, 60 * 24 * 40))
            self.known += timedelta(minutes=later)
            self.minor += 100 * (version % 2)
        self.at, self.minor = found[-1].failed_at, found[-1].amount_minor
        self.known, self.versions = found[0].recorded_at, found
        return found

    def _case(self, keys: dict[str, Any]) -> list[Any]:
        draw, name = self.draw, f"case_{self.invoice}"
        kind, moves = draw.choice(KINDS), self._moves()
        state = CaseState(moves[-1].type) if moves else CaseState.ACTIVE
        by_hand = draw.random() < 0.1
        case_row: Case = case(
            self.invoice,
            opened_at=self.at,
            subscription_id=self.life.name,
            customer_id=f"cus_{self.customer}",
            state=state,
            decline_kind=kind,
            kind=CaseKind.INVOICE if by_hand else CaseKind.PAYMENT,
            **keys,
        )
        attempt = self._refused(
            Attempt(
                attempt_id=f"att_{self.invoice}",
                merchant_id=MERCHANT,
                account_id=ACCOUNT,
                case_id=name,
                number=1,
                trigger=Trigger.PROVIDER,
                state=AttemptState.DECLINED,
                currency=self.life.currency,
                amount_minor=self.minor,
                brand=draw.choice(BRANDS),
                decline_kind=kind,
                intent_at=self.at,
            )
        )
        customer = f"cus_{self.customer}"
        arm = "holdout" if self.customer % 3 == 0 else "treated"
        return [case_row, attempt, *moves, held_out(self.invoice, customer, arm)]

    def _refused(self, attempt: Attempt) -> Attempt:
        """What was told of it first, at once or later, or never; what is told now may differ."""
        wait = self.draw.choice((0, 0, 600, 3 * 86_400, 50 * 86_400, None))
        if attempt.decline_kind is None or wait is None:
            return attempt
        told = attempt.refused(attempt.decline_kind, at=self.known + timedelta(seconds=wait))
        return replace(told, decline_kind=self.draw.choice(KINDS), brand="amex")

    def _moves(self) -> list[CaseEvent]:
        """Soon over, or past due for long; parked and taken up again."""
        at, found = self.at, []
        for _ in range(self.draw.choice((0, 1, 1, 2, 3))):
            at = self.clock.after(at, self.draw.choice((3, 25, 50)))
            state = self.draw.choice(list(CaseState))
            found.append(moved(state, at=at, invoice=self.invoice))
        return found

    def _money(self, keys: dict[str, Any]) -> list[Any]:
        """In parts, later and more than asked for; refunded and disputed when W is long over."""
        draw, rows, known = self.draw, list[Any](), self.known
        kinds = [K.RECOVERED, K.RECOVERED, K.SETTLED_OTHER, K.CREDITED]
        for nth in range(draw.choice((0, 1, 1, 2, 3))):
            at = self.clock.after(self.at, draw.choice((6, 35, 95)))
            known = max(self.clock.learned(at), known) + timedelta(seconds=1)
            minor, kind = draw.choice((self.minor, draw.randrange(1, 5_000))), draw.choice(kinds)
            rows.append(self._entry(minor, kind, at, known, f"{nth}", keys))
            if kind is K.RECOVERED and draw.random() < 0.9:
                rows.append(_told(draw, self.life, self.invoice, minor, at, self.clock))
            back = self.clock.after(at, 100)
            told = max(self.clock.learned(back), known) + timedelta(seconds=1)
            if kind is K.CREDITED and draw.random() < 0.4:
                rows.append(self._entry(-minor, K.CREDIT_VOIDED, back, told, f"{nth}v", keys))
            elif kind is K.RECOVERED and draw.random() < 0.5:
                rows += self._taken_back(minor, at, back, told, nth, keys)
        return rows

    def _taken_back(
        self,
        minor: int,
        at: datetime,
        back: datetime,
        told: datetime,
        nth: int,
        keys: dict[str, Any],
    ) -> list[Any]:
        part = self.draw.randrange(1, minor + 1)
        lost = self.draw.random() < 0.4
        kinds = (K.DISPUTE_LOST, K.DISPUTE_WON) if lost else (K.REFUNDED, K.REFUND_FAILED)
        rows: list[Any] = [self._entry(-part, kinds[0], back, told, f"{nth}b", keys)]
        if not lost and self.draw.random() < 0.9:
            where = {"subscription_id": self.life.name, "currency": self.life.currency}
            back_told = {"refunded_minor": part, "recorded_at": told, **where}
            rows.append(taking(0, at=at, invoice=self.invoice, **back_told))
        if self.draw.random() < 0.4:
            again = back + 9 * DAY
            rows.append(self._entry(part, kinds[1], again, told + 9 * DAY, f"{nth}a", keys))
            if not lost:
                where = {"subscription_id": self.life.name, "currency": self.life.currency}
                back_told = {"came_back_minor": part, "recorded_at": told + 9 * DAY, **where}
                rows.append(taking(0, at=at, invoice=self.invoice, **back_told))
        return rows

    def _entry(
        self,
        minor: int,
        kind: EntryKind,
        at: datetime,
        known: datetime,
        ref: str,
        keys: dict[str, Any],
    ) -> Any:
        return entry(
            minor,
            kind,
            at=at,
            ref=f"{self.invoice}:{ref}",
            invoice_id=self.invoice,
            case_id=f"case_{self.invoice}",
            cause=self.draw.choice(list(Cause)),
            failed_at=min(v.failed_at for v in self.versions if v.recorded_at <= known),
            recorded_at=known,
            **keys,
        )


def _session(draw: random.Random, clock: Clock, life: Life, name: str) -> list[Any]:
    """Left without a word, or an offer accepted, applied or not, and judged at each rung."""
    at, reason = clock.after(JAN_1 - 60 * DAY, 200), draw.choice(REASONS)
    begun = replace(session(name, at=at, reason=reason), subscription_id=life.name)
    first = replace(
        judged(name, Rung.ACCEPTED, at=at, kept=True, subscription=life.name),
        offer_id=draw.choice(("half", "rest")),
        offer_kind=draw.choice(("discount", "pause")),
        reason=reason,
        plan=life.plan,
        interval=life.interval,
        currency=life.currency,
        mrr_minor=draw.randrange(9_000),
        cost_minor=draw.randrange(3_000),
        recorded_at=clock.learned(at),
    )
    if draw.random() < 0.25:
        gone = replace(first, rung=Rung.ABANDONED, kept=False, cost_minor=0)
        return [begun, replace(gone, offer_id=None, offer_kind=None)]
    state = draw.choice((*RedemptionState, *[RedemptionState.APPLIED] * 6))
    settles = state in {RedemptionState.APPLIED, RedemptionState.FAILED, RedemptionState.PARKED}
    taken = redemption(
        name,
        at=at,
        offer=first.offer_id or "",
        state=state,
        cost_minor=first.cost_minor,
        subscription_id=life.name,
        settled_at=first.recorded_at if settles else None,
        given_reason=reason,
        plan=life.plan,
        interval=life.interval,
    )
    taken = replace(taken, kind=first.offer_kind or "", currency=first.currency)
    if state is not RedemptionState.APPLIED:
        return [begun, taken]
    return [begun, taken, first, *_rungs(draw, clock, first)]


def _rungs(draw: random.Random, clock: Clock, first: SaveStep) -> list[SaveStep]:
    found = []
    for rung, wait in ((Rung.DEFLECTED_24H, 1), (Rung.SAVED_30D, 30), (Rung.SAVED_90D, 90)):
        due = first.begun_at + wait * DAY
        known = max(clock.learned(due), first.recorded_at)
        if draw.random() < 0.9:
            later = replace(first, rung=rung, kept=draw.random() < 0.6, cost_minor=0)
            found.append(replace(later, due_at=due, recorded_at=known))
    return found


def many_customers(draw: random.Random, zone: ZoneInfo) -> list[Any]:
    """Enough in both arms for the effect of treatment; some fail more than once."""
    clock, rows = Clock(draw, zone), list[Any]()
    rows += [Merchant(merchant_id=MERCHANT, name="Kelp", time_zone=zone.key), the_account()]
    for nth in range(360):
        invoice, who = f"in_{nth}", nth if nth < 230 else draw.randrange(230)
        arm, at = ("holdout", "treated")[who % 2], clock.after(JAN_1, 60)
        minor = draw.randrange(1, 9_000)
        told: dict[str, Any] = {"case_id": f"case_{invoice}", "customer_id": f"cus_{who}"}
        rows += [case(invoice, opened_at=at), held_out(invoice, f"cus_{who}", arm)]
        rows.append(failure(minor, at=at, invoice=invoice, **told))
        if draw.random() < (0.7 if arm == "treated" else 0.4):
            paid = clock.after(at, 40)
            part = draw.choice((minor, draw.randrange(1, minor + 1)))
            rows.append(entry(part, at=paid, invoice_id=invoice, ref=invoice, failed_at=at))
    return rows
