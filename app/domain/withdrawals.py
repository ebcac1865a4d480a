"""Withdrawing from a contract within 14 days of its conclusion: it ends now, and what was paid
comes back, all of it; less what was used only where the customer had asked for an early start.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from fractions import Fraction
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from app.domain.cancellations import (
    GONE,
    REFUNDED,
    Choice,
    Departing,
    Preview,
    forgiving,
)
from app.domain.compliance.places import EU, country_of
from app.domain.mirror import Invoice, Payment, Subscription

DAYS = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """That a customer wanted the service to begin at once and knew that they then pay for what was
    used (Directive 2011/83/EU, Art. 7(3), 8(8) and 14(3)). `wording` is what they agreed to."""

    KEY: ClassVar = ("consent_id",)
    UNIQUE: ClassVar = (("account_id", "subscription_id"),)
    consent_id: str
    merchant_id: str
    account_id: str
    subscription_id: str
    wording: str
    given_at: datetime
    recorded_at: datetime
    recorded_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidInvoice:
    """An invoice that was paid, wholly or in part, with its payments, as read live."""

    invoice: Invoice
    payments: tuple[Payment, ...] = ()

    @property
    def captured(self) -> tuple[Payment, ...]:
        """What was taken and not given back."""
        taken = (p for p in self.payments if p.status == "succeeded")
        return tuple(p for p in taken if p.refunded_minor < p.amount_minor)

    @property
    def elsewhere_minor(self) -> int:
        """What was paid without a payment that we could give back: by balance, or outside."""
        through = sum(p.amount_minor for p in self.payments if p.status == "succeeded")
        paid = self.invoice.paid_minor + self.invoice.off_provider_minor
        return max(paid - through, 0)


def withdrawal_until(concluded_at: datetime, zone: ZoneInfo) -> datetime:
    """Until when one may withdraw: the end of the 14th day after the day on which the contract was
    concluded, where the customer lives.

    Source: Directive 2011/83/EU, Art. 9; Regulation (EEC, Euratom) 1182/71, Art. 3.
    """
    day_after = concluded_at.astimezone(zone).date() + timedelta(days=DAYS + 1)
    return datetime.combine(day_after, time(), tzinfo=zone)


def may_withdraw(
    subscription: Subscription, place: str | None, zone: ZoneInfo, now: datetime
) -> bool:
    """Whether there is a right to withdraw: in the EU, while the 14 days run."""
    begun = subscription.started_at
    if begun is None or subscription.status in GONE or place is None:
        return False
    return country_of(place) in EU and now < withdrawal_until(begun, zone)


def withdrawal(
    standing: Departing, paid: Iterable[PaidInvoice], consent: Consent | None, now: datetime
) -> Preview:
    """What withdrawing now would do: nothing is owed any more, and so much comes back."""
    kept = _used(standing.subscription, now) if consent else Fraction(0)
    rows = [row for one in paid if (row := _back(one, kept))]
    return Preview(
        choice=Choice.WITHDRAWAL,
        access_until=now,
        currency=standing.subscription.currency or "usd",
        invoices=(*forgiving(standing.open_invoices), *rows),
        refund_minor=sum(row["amount_minor"] for row in rows),
    )


def _used(subscription: Subscription, now: datetime) -> Fraction:
    """The share of what is paid for that was used so far, in whole days: what is told of a
    withdrawal holds while one reads it."""
    begun, end = subscription.started_at, subscription.period_end
    if begun is None or end is None or end <= begun:
        return Fraction(0)
    days = (now - begun) // A_DAY
    return min(
        max(Fraction(days * A_DAY // SECOND, (end - begun) // SECOND), Fraction(0)), Fraction(1)
    )


A_DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


def _back(paid: PaidInvoice, kept: Fraction) -> dict[str, Any] | None:
    """What comes back of one invoice, a payment each. What is kept is rounded down."""
    back = []
    for payment in paid.captured:
        keeps = payment.amount_minor * kept.numerator // kept.denominator
        amount = min(payment.amount_minor - keeps, payment.amount_minor - payment.refunded_minor)
        if amount > 0:
            before = payment.refunded_minor
            named = {"payment": payment.payment_id, "amount_minor": amount, "before": before}
            back.append(named)
    if not back:
        return None
    return {
        "invoice": paid.invoice.invoice_id,
        "number": paid.invoice.number,
        "currency": paid.invoice.currency,
        "amount_minor": sum(one["amount_minor"] for one in back),
        "outcome": REFUNDED,
        "payments": back,
    }
