"""Whom a preview is played with: one subscriber, made of what the preview assumes."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from app.domain.declines import Decline
from app.domain.merchants import CollectionMode, Merchant, ProviderAccount
from app.domain.mirror import Customer, Invoice, InvoiceStatus, PaymentMethod, Subscription
from app.domain.openings import failed_invoice
from app.domain.policies import Policy
from app.domain.records import Book
from app.domain.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """The failure of a preview: what was refused, why, and with whom. Every later attempt is
    refused for the same reason. `rail` is the method's type, `country` the card's."""

    at: datetime
    decline: Decline
    amount_minor: int = 3000
    currency: str = "usd"
    plan: str | None = None
    interval: str | None = "month"
    trial_conversion: bool = False
    rail: str = "card"
    country: str | None = None
    time_zone: str = "UTC"
    segment: dict[str, str] = field(default_factory=dict)


def opened(
    policy: Policy, failure: Assumed, merchant: Merchant, mode: CollectionMode
) -> tuple[Book, Terms, PaymentMethod]:
    """A book in which the assumed failure has just been reported, its terms, and the method that
    was refused. Nobody is held out, so that the preview shows the policy and not a draw."""
    own: dict[str, Any] = {"merchant_id": merchant.merchant_id, "account_id": "preview"}
    account = ProviderAccount(**own, mode=mode)
    terms = Terms(
        merchant=replace(merchant, holdout_percent=0),
        account=account,
        policy=policy,
        now=failure.at,
    )
    brand = failure.decline.brand
    method = PaymentMethod(
        **own,
        method_id="method",
        customer_id="customer",
        type=failure.rail,
        brand=brand,
        fingerprint="card",
        country=failure.country,
    )
    book = Book()
    book.know([method])
    book.know(
        [Customer(**own, customer_id="customer", email="preview", time_zone=failure.time_zone)]
    )
    book.know(
        [
            Subscription(
                **own,
                subscription_id="subscription",
                customer_id="customer",
                status="past_due",
                plan=failure.plan,
                interval=failure.interval,
                metadata=dict(failure.segment),
            )
        ]
    )
    invoice = _invoice(failure, own)
    book.know([invoice])
    failed_invoice(book, invoice, failure.at, failure.amount_minor, terms)
    return book, terms, method


def _invoice(failure: Assumed, own: dict[str, Any]) -> Invoice:
    return Invoice(
        **own,
        invoice_id="invoice",
        customer_id="customer",
        subscription_id="subscription",
        status=InvoiceStatus.OPEN,
        currency=failure.currency,
        due_minor=failure.amount_minor,
        remaining_minor=failure.amount_minor,
        billing_reason="subscription_cycle",
        attempt_count=1,
        trial_conversion=failure.trial_conversion,
        created_at=failure.at,
        seen_at=failure.at,
    )
