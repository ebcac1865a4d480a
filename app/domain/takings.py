"""What the provider took for invoices and gave back, as it was told: payments as a ledger.

The mirror of a payment has no past. Here each change of it is a line of its own, so that what was
known at an instant can be asked for ever.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from app.domain.ids import derive_id
from app.domain.mirror import Invoice, Payment
from app.domain.records import Book, key_of, quick


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """By how much more was paid, or given back, of an invoice, since the line before, and how much
    of that came back because a refund failed; negative where a line is taken back because the
    payment turned out to be another.

    `occurred_at` is when the payment was made, of what was given back too: of its charge, and while
    none was heard of, when its success was told. `subscription_id` is the invoice's; a payment
    whose invoice or charge became known later is moved by two lines. `brand` is the card's, as far
    as it was known then.
    """

    KEY: ClassVar = ("taking_id",)
    UNIQUE: ClassVar = ()
    taking_id: str
    merchant_id: str
    account_id: str
    payment_id: str
    invoice_id: str
    subscription_id: str | None
    currency: str
    paid_minor: int
    refunded_minor: int
    occurred_at: datetime
    recorded_at: datetime
    brand: str | None = None
    came_back_minor: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where the money of a payment belongs."""

    invoice_id: str
    subscription_id: str | None
    currency: str
    occurred_at: datetime


make_taking = quick(Taking)
Told = tuple[Place | None, int, int, int]
NOTHING: Told = (None, 0, 0, 0)


def enter_takings(book: Book, at: datetime) -> None:
    """Write the lines of what payments in a book became, or where they belong. Called once for
    each book, before it is written; safe to repeat as the changes of the book are."""
    for old, payment, invoices in _moved(book):
        was, now = _told(old, invoices[0]), _told(payment, invoices[1])
        if was == now:
            continue
        if was[0] is None or was[0] != now[0]:
            _enter(book, payment, was, sign=-1, at=at)
            _enter(book, payment, now, sign=1, at=at)
        else:
            more = (now[1] - was[1], now[2] - was[2], now[3] - was[3])
            _enter(book, payment, (now[0], *more), sign=1, at=at)


Pair = tuple[Invoice | None, Invoice | None]


def _moved(book: Book) -> Iterator[tuple[Payment | None, Payment, Pair]]:
    """Payments that are other than they were, or whose invoice is; before and now."""
    changed = {key_of(row): row for row in book.changed(Payment)}
    for payment in changed.values():
        yield book.before(payment), payment, _invoices(book, payment)
    for invoice in book.changed(Invoice):
        if invoice.subscription_id is None or _belonged(book.before(invoice), invoice):
            continue
        about = {"account_id": invoice.account_id, "invoice_id": invoice.invoice_id}
        for payment in book.all(Payment, **about):
            if key_of(payment) not in changed:
                yield payment, payment, _invoices(book, payment)


def _belonged(old: Invoice | None, invoice: Invoice) -> bool:
    return old is not None and old.subscription_id == invoice.subscription_id


def _invoices(book: Book, payment: Payment) -> Pair:
    now = book.get(Invoice, payment.account_id, payment.invoice_id)
    if now is None:
        return None, None
    return book.was(now), now


def _told(payment: Payment | None, invoice: Invoice | None) -> Told:
    if payment is None or payment.status != "succeeded" or payment.invoice_id is None:
        return NOTHING
    occurred_at = payment.occurred_at or payment.seen_at
    if occurred_at is None:
        return NOTHING
    place = Place(
        invoice_id=payment.invoice_id,
        subscription_id=invoice.subscription_id if invoice else None,
        currency=payment.currency,
        occurred_at=occurred_at,
    )
    return place, payment.amount_minor, payment.given_back_minor, payment.came_back_minor


def _enter(book: Book, payment: Payment, told: Told, *, sign: int, at: datetime) -> None:
    place, paid, refunded, back = told
    if place is None or not (paid or refunded or back):
        return
    where = (place.invoice_id, place.subscription_id, place.currency, place.occurred_at)
    facts = (payment.account_id, payment.payment_id, *where, sign, paid, refunded)
    more = (back,) if back else ()
    book.add(
        make_taking(
            taking_id=derive_id("taking", at, *facts, *more),
            merchant_id=payment.merchant_id,
            account_id=payment.account_id,
            payment_id=payment.payment_id,
            invoice_id=place.invoice_id,
            subscription_id=place.subscription_id,
            currency=place.currency,
            paid_minor=sign * paid,
            refunded_minor=sign * refunded,
            occurred_at=place.occurred_at,
            recorded_at=at,
            brand=payment.brand,
            came_back_minor=sign * back,
        )
    )
