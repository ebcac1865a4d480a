"""Rows about subscriptions that may contradict each other: whatever a ledger holds adds up."""

import random
from datetime import datetime, timedelta
from typing import Any

from app.domain.churn import ChurnEntry, ChurnKind
from app.domain.declines import DeclineKind
from app.domain.dunning import CaseState
from app.domain.mirror import Subscription
from app.domain.mrr import MovementKind
from app.domain.recovery import EntryKind
from app.domain.redemptions import RedemptionState
from app.domain.saves import Rung
from tests.reports.builders import (
    ACCOUNT,
    JAN_1,
    MERCHANT,
    case,
    churned,
    entry,
    failure,
    held_out,
    judged,
    moved,
    movement,
    paid_at_once,
    record_id,
    redemption,
    refused,
    session,
    taking,
)

PLANS = (None, "basic", "pro")
COUNTRIES = (None, "DE", "US")
ATTRIBUTES = (None, '{"channel":"web"}', '{"channel":"shop","size":"s"}')
E = ChurnEntry


def some_time(draw: random.Random, days: int = 30) -> datetime:
    """An instant of the year's first months."""
    return JAN_1 + timedelta(seconds=draw.randrange(days * 86_400))


def taken(draw: random.Random, invoice: str, minor: int, at: datetime) -> list[Any]:
    """What was told of a payment, sooner or later, or never; some of it was given back."""
    known = at + timedelta(seconds=draw.choice((0, 0, 50_000)))
    told: list[Any] = [taking(minor, at=at, invoice=invoice, recorded_at=known)]
    if draw.random() < 0.3:
        later = known + timedelta(days=draw.randrange(20))
        told.append(taking(0, at=at, invoice=invoice, refunded_minor=7, recorded_at=later))
        told.append(entry(-7, EntryKind.REFUNDED, at=later, invoice_id=invoice))
    return told if draw.random() < 0.8 else []


def leaving(draw: random.Random, count: int) -> list[Any]:
    """Ends, plans and returns of subscriptions, some of them recorded long after."""
    rows: list[Any] = []
    for number in range(count):
        at, name = some_time(draw), f"sub_{number}"
        entry = draw.choice((E.PENDING, E.CHURNED, E.CHURNED))
        told: dict[str, Any] = {
            "currency": draw.choice(("usd", "eur")),
            "plan": draw.choice(PLANS),
            "country": draw.choice(COUNTRIES),
            "attributes": draw.choice(ATTRIBUTES),
            "reason": draw.choice((None, "price", "bugs")),
            "kind": draw.choice((ChurnKind.VOLUNTARY, ChurnKind.INVOLUNTARY)),
            "started_at": draw.choice((None, at - timedelta(days=draw.randrange(-3, 500)))),
            "case_id": draw.choice((None, f"case_late_{number}")),
            "minor": draw.randrange(1, 9_000),
        }
        known = at + timedelta(seconds=draw.choice((0, 40, 9 * 86_400)))
        rows.append(churned(name, at=at, entry=entry, recorded_at=known, **told))
        if draw.random() < 0.6:
            undoing = E.WITHDRAWN if entry is E.PENDING else draw.choice((E.REVERSED, E.RESTATED))
            later = at + timedelta(seconds=draw.randrange(60 * 86_400))
            about = record_id(name, entry, at)
            rows.append(churned(name, at=later, entry=undoing, about=about, **told))
    return rows


def paying(draw: random.Random, count: int) -> list[Any]:
    """MRR that comes, moves and goes."""
    rows: list[Any] = []
    for number in range(count):
        began, plan = some_time(draw), draw.choice(PLANS)
        place = {"plan": plan, "country": draw.choice(COUNTRIES)}
        place["attributes"] = draw.choice(ATTRIBUTES)
        for kind in draw.sample(list(MovementKind), 3):
            at = began + timedelta(days=draw.randrange(40))
            minor = draw.randrange(-500, 9_000)
            rows.append(movement(minor, kind, at=at, subscription_id=f"sub_{number}", **place))
    return rows


def unpaid(draw: random.Random, count: int) -> list[Any]:
    """Cases of these subscriptions; some are closed, some before they were 30 days old."""
    rows: list[Any] = []
    for number in range(count):
        at, invoice = some_time(draw), f"late_{number}"
        rows.append(
            Subscription(
                merchant_id=MERCHANT,
                account_id=ACCOUNT,
                subscription_id=f"sub_{number}",
                status="active",
                started_at=at - timedelta(days=draw.randrange(300)),
            )
        )
        closed = at + timedelta(days=draw.choice((3, 29, 31, 50)))
        over = draw.random() < 0.7
        state = CaseState.EXHAUSTED if over else CaseState.ACTIVE
        told: dict[str, Any] = {"subscription_id": f"sub_{number}"}
        rows.append(case(invoice, opened_at=at, state=state, **told))
        told |= {"case_id": f"case_{invoice}", "recorded_at": at + timedelta(hours=1)}
        rows.append(failure(draw.randrange(1, 9_000), at=at, invoice=invoice, **told))
        rows.append(refused_some_time(draw, invoice, at))
        arm = draw.choice(("holdout", "treated"))
        rows.append(held_out(invoice, draw.choice((None, "cus_1", "cus_2")), arm))
        if draw.random() < 0.5:
            paid = at + timedelta(days=draw.randrange(40))
            rows.append(entry(50, at=paid, invoice_id=invoice, case_id=f"case_{invoice}"))
            rows += taken(draw, invoice, 50, paid)
        if over:
            rows.append(moved(CaseState.EXHAUSTED, at=closed, invoice=invoice))
    return rows


def refused_some_time(draw: random.Random, invoice: str, at: datetime) -> Any:
    """A refusal whose reason is told sooner or later."""
    kind = draw.choice((DeclineKind.NEVER, DeclineKind.NEW_METHOD, DeclineKind.RETRY_LATER))
    told_at = at + timedelta(seconds=draw.choice((0, 3_600, 90_000, 12 * 86_400, 25 * 86_400)))
    return refused(invoice, kind, draw.choice(("visa", "amex")), at=at, told_at=told_at)


def saving(draw: random.Random, count: int) -> list[Any]:
    """Sessions that climbed the save ladder."""
    rows: list[Any] = []
    for number in range(count):
        at, name, life = some_time(draw), f"ses_{number}", f"sub_{number}"
        rows.append(session(name, at=at))
        for rung in draw.sample(list(Rung), 3):
            kept = draw.random() < 0.5
            rows.append(judged(name, rung, at=at, kept=kept, subscription=life))
        state = draw.choice((RedemptionState.APPLIED, RedemptionState.FAILED))
        told: dict[str, Any] = {"plan": draw.choice(PLANS), "subscription_id": life}
        settled = at + timedelta(days=draw.randrange(9))
        rows.append(redemption(name, at=at, state=state, settled_at=settled, **told))
        for nth in range(draw.randrange(3)):
            paid = at + timedelta(days=draw.randrange(-1, 100))
            invoice = f"kept_{number}_{nth}"
            rows.append(taking(900, at=paid, invoice=invoice, subscription_id=life))
    return rows


def billed(draw: random.Random, count: int) -> list[Any]:
    """Invoices that went through, some of which had been refused, as was learned later."""
    rows: list[Any] = []
    for number in range(count):
        at, invoice, plan = some_time(draw), f"billed_{number}", draw.choice(PLANS)
        if draw.random() < 0.8:
            known = at + timedelta(days=draw.randrange(20))
            place = {"plan": plan, "country": draw.choice(COUNTRIES)}
            rows.append(paid_at_once(invoice, 900, at=at, recorded_at=known, **place))
        for minor in range(draw.randrange(3)):
            known, brand = (
                at + timedelta(days=draw.randrange(20)),
                draw.choice((None, "visa", "jcb")),
            )
            told: dict[str, Any] = {"recorded_at": known, "brand": brand}
            rows.append(taking(900 + minor, at=at, invoice=invoice, **told))
        for version in range(1, draw.randrange(4)):
            minor, known = draw.randrange(1, 9_000), at + timedelta(days=10 * version)
            failed = at - timedelta(hours=draw.choice((0, 30)) * (version - 1))
            rows.append(
                failure(
                    minor,
                    at=failed,
                    invoice=invoice,
                    version=version,
                    recorded_at=known,
                    plan=plan,
                    country=draw.choice(COUNTRIES),
                    case_id=f"case_{invoice}",
                )
            )
        rows += [case(invoice, opened_at=at), refused_some_time(draw, invoice, at)]
        rows += some_money(draw, invoice, at)
    return rows


def some_money(draw: random.Random, invoice: str, at: datetime) -> list[Any]:
    """What came in, told before its failure was, between two tellings of that, or after all."""
    rows: list[Any] = []
    for nth in range(draw.randrange(3)):
        paid = at + timedelta(hours=draw.randrange(1, 40 * 24))
        known = paid + timedelta(days=draw.choice((0, 0, 3)))
        kind = draw.choice((EntryKind.RECOVERED, EntryKind.SETTLED_OTHER, EntryKind.CREDITED))
        told: dict[str, Any] = {"invoice_id": invoice, "recorded_at": known, "failed_at": at}
        rows.append(entry(50 + nth, kind, at=paid, ref=f"{invoice}:{nth}", **told))
    return rows


def everything(draw: random.Random, count: int) -> list[Any]:
    """All of it."""
    kinds = (unpaid, leaving, paying, saving, billed)
    return [row for make in kinds for row in make(draw, count)]
