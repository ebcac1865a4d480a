"""Invoices that were paid without a refusal: what the rate of payment failures is a share of."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from app.domain.mirror import Customer, Invoice, InvoiceStatus, Subscription
from app.domain.records import Book, quick
from app.domain.recovery import Failure
from app.domain.terms import Terms

BY_HAND = "send_invoice"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstPayment:
    """An invoice whose automatic payment went through at once, as far as was known then; a failure
    that is learned of later counts instead.

    `amount_minor` is what was paid. Plan, interval and country are those of that time.
    """

    KEY: ClassVar = ("account_id", "invoice_id")
    UNIQUE: ClassVar = ()
    merchant_id: str
    account_id: str
    invoice_id: str
    subscription_id: str | None
    currency: str
    amount_minor: int
    plan: str | None
    interval: str | None
    country: str | None
    paid_at: datetime
    recorded_at: datetime


make_first_payment = quick(FirstPayment)


def paid_at_once(book: Book, invoice: Invoice, terms: Terms) -> None:
    """Report: how an invoice stands. Writes its line when it is paid and was never refused; safe
    to repeat. Invoices sent by mail are paid by hand, and nothing is no payment."""
    at = invoice.paid_at
    if invoice.status is not InvoiceStatus.PAID or at is None or invoice.paid_minor <= 0:
        return
    about = {"account_id": invoice.account_id, "invoice_id": invoice.invoice_id}
    if invoice.collection_method == BY_HAND or any(book.all(Failure, **about)):
        return
    if book.get(FirstPayment, invoice.account_id, invoice.invoice_id):
        return
    subscription = book.get(Subscription, invoice.account_id, invoice.subscription_id)
    customer = book.get(Customer, invoice.account_id, invoice.customer_id)
    book.add(
        make_first_payment(
            merchant_id=terms.merchant.merchant_id,
            account_id=invoice.account_id,
            invoice_id=invoice.invoice_id,
            subscription_id=invoice.subscription_id,
            currency=invoice.currency,
            amount_minor=invoice.paid_minor,
            plan=(subscription.plan if subscription else None) or invoice.label,
            interval=subscription.interval if subscription else None,
            country=customer.country if customer else None,
            paid_at=at,
            recorded_at=terms.now,
        )
    )
