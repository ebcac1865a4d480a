"""Moving mirror rows forward, never back: by status rank first, then by the event's instant."""

from typing import Any, TypeVar, cast

from app.domain.mirror import (
    STATUS_RANK,
    Customer,
    Dispute,
    Invoice,
    Payment,
    PaymentMethod,
    Subscription,
)
from app.domain.personal import as_of_erased
from app.domain.records import Book, changed, key_of
from app.domain.terms import Terms

M = TypeVar("M", bound=Customer | Dispute | Invoice | Payment | PaymentMethod | Subscription)

# Fields a later snapshot may leave out without meaning that they are gone.
KEPT: dict[type[Any], tuple[str, ...]] = {
    Customer: (
        "email",
        "name",
        "language",
        "country",
        "region",
        "time_zone",
        "default_method_id",
        "metadata",
    ),
    Subscription: (
        "customer_id",
        "currency",
        "plan",
        "interval",
        "metadata",
        "started_at",
        "period_end",
        "pinned_method_id",
    ),
    Invoice: (
        "customer_id",
        "subscription_id",
        "billing_reason",
        "collection_method",
        "number",
        "label",
        "method_id",
        "customer_email",
        "customer_name",
        "created_at",
        "paid_at",
    ),
    PaymentMethod: (
        "customer_id",
        "brand",
        "last4",
        "exp_month",
        "exp_year",
        "fingerprint",
        "country",
        "added_at",
        "network_updated_at",
    ),
    Payment: (
        "customer_id",
        "invoice_id",
        "charge_id",
        "method_id",
        "fingerprint",
        "brand",
        "decline",
        "occurred_at",
        "refunds_failed",
    ),
    Dispute: ("customer_id", "invoice_id", "charge_id", "payment_id"),
}


# What is once known to be true of a row, whatever reports say that cannot tell.
STANDING: dict[type[Any], tuple[str, ...]] = {
    Customer: ("deleted",),
    Invoice: ("pending_update", "own_offer"),
}
# A subscription that ended never comes back; two events of one second may come in any order.
ENDED = frozenset({"canceled", "incomplete_expired"})
# And one whose first payment went through never waits for it again.
UNBORN, UNKNOWN = "incomplete", "unknown"


def forward(book: Book, snapshot: M, terms: Terms) -> M:
    """Let a snapshot move our mirror row, if it is newer; the row as it is now.

    An older one still tells what the row does not know, so that the order of reports does not
    matter: the join of a payment to its invoice may come after a later event of the payment. One
    that names no instant, such as a customer by what their invoice says of them, tells no more than
    that either. Of somebody who was erased it brings nothing back.
    """
    row = changed(
        snapshot, merchant_id=terms.merchant.merchant_id, account_id=terms.account.account_id
    )
    row = as_of_erased(book, row)
    old = book.get(type(row), *key_of(row))
    if isinstance(row, Subscription) and row.discounts_hidden:
        row = cast("M", _priced(row, old if isinstance(old, Subscription) else None))
    if old is None:
        book.put(row)
        return row
    if isinstance(old, Customer) and old.erased:
        return old
    row = _filled(old, row) if _is_older(row, old) else _filled(row, old)
    if row == old:
        return old
    book.put(row)
    return row


def _priced(row: Subscription, old: Subscription | None) -> Subscription:
    """What it brings a month, where its discounts are only named: as it was, which is right as long
    as neither they nor the prices have changed; nothing yet where nothing was known."""
    if old is None:
        return changed(row, mrr_minor=0)
    same = (row.discount_ids, row.list_minor) == (old.discount_ids, old.list_minor)
    known = same and not old.discounts_hidden
    return changed(row, mrr_minor=old.mrr_minor, discounts_hidden=None if known else True)


def _is_older(row: M, old: M) -> bool:
    rank, was = _rank(row), _rank(old)
    if rank != was:
        return rank < was
    if _is_unborn_again(row, old):
        return True
    if row.seen_at is None or old.seen_at is None:
        return old.seen_at is not None  # else the next late report would pass for the newest
    return (row.seen_at, _tries(row)) < (old.seen_at, _tries(old))


def _tries(row: M) -> int:
    """Which of two reports of one second came first: an invoice is finalized, tried and refused in
    one, and only the last tells when the provider tries again (seed 1018029)."""
    return row.attempt_count if isinstance(row, Invoice) else 0


def _rank(row: M) -> int:
    """How far a row has come on a way that none goes back. A payment that went through was perhaps
    refused before, which a look of ours may have seen by a clock that is ahead of the provider's
    (seed 530067)."""
    match row:
        case Invoice():
            return STATUS_RANK[row.status]
        case Dispute():
            return row.rank
        case Subscription():
            return row.status in ENDED
        case Payment():
            return row.status == "succeeded"
        case _:
            return 0


def _is_unborn_again(row: M, old: M) -> bool:
    if not isinstance(row, Subscription) or not isinstance(old, Subscription):
        return False
    return row.status == UNBORN and old.status not in {UNBORN, UNKNOWN}


def _filled(row: M, old: M) -> M:
    kept = {
        name: getattr(old, name)
        for name in KEPT[type(row)]
        if getattr(row, name) is None and getattr(old, name) is not None
    }
    for name in STANDING.get(type(row), ()):
        if getattr(old, name) and not getattr(row, name):
            kept[name] = True
    if isinstance(row, Payment) and isinstance(old, Payment):
        kept["refunded_minor"] = max(row.refunded_minor, old.refunded_minor)
        kept |= {"amount_minor": _part(row, old), "charged_minor": _charged(row, old)}
        if row.charge_id and old.charge_id and row.charge_id != old.charge_id:
            kept["occurred_at"] = row.occurred_at  # that was another try of the same payment
    return changed(row, **kept) if kept else row


def _part(row: Payment, old: Payment) -> int:
    """What of a payment went to its invoice: a charge that tells only of the whole does not raise
    what is known of that. A refused try may have asked for another amount."""
    both = row.status == old.status == "succeeded" and row.invoice_id in {None, old.invoice_id}
    told = both and old.knows_its_part and old.amount_minor < (row.charged_minor or 0)
    if told and not row.knows_its_part:
        return old.amount_minor or row.amount_minor
    return row.amount_minor or old.amount_minor


def _charged(row: Payment, old: Payment) -> int | None:
    return old.charged_minor if row.charged_minor is None else row.charged_minor
