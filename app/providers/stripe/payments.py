"""Charges, payment intents, refunds, disputes: of every API version.

A `Payment` is keyed by its payment intent, or by the charge where there is none. Its status is one
of `succeeded`, `failed`, `processing`, `requires_action`, `canceled`, else Stripe's own word.
"""

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from app.domain.declines import Decline
from app.domain.mirror import DISPUTE_OVER, Dispute, Payment
from app.domain.notices import Notice, NoticeKind
from app.domain.records import quick
from app.providers.stripe.declines import (
    card_brand,
    charge_of,
    decline_of_charge,
    decline_of_intent,
    latest_charge,
)
from app.providers.stripe.envelope import Event
from app.providers.stripe.reading import (
    Json,
    at,
    currency,
    first_ref,
    instant,
    ref,
    table,
    text,
    whole,
)

CHARGE_STATUSES = {"pending": "processing", "paid": "succeeded"}
JOIN_STATUSES = {"paid": "succeeded", "canceled": "canceled"}
CLOSED_DISPUTES = {"won": NoticeKind.DISPUTE_WON, "lost": NoticeKind.DISPUTE_LOST}
UNDER_WAY = frozenset({"processing", "requires_action"})
ONLY_BY_CHARGE = frozenset({"succeeded", "processing"})  # of these an intent does not know when
make_payment = quick(Payment)


def read_charge(charge: Json, *, seen_at: datetime) -> Payment | None:
    """The payment a charge belongs to; None without an id."""
    charge_id = ref(charge)
    payment_id = first_ref(charge.get("payment_intent"), charge_id)
    if charge_id is None or payment_id is None:
        return None
    status = text(charge.get("status"), 40) or "unknown"
    failed = status == "failed"
    if status == "succeeded" and charge.get("captured") is False:
        status = "uncaptured"  # set aside at the bank, and not yet taken
    return make_payment(
        merchant_id="",
        account_id="",
        payment_id=payment_id,
        customer_id=ref(charge.get("customer")),
        invoice_id=invoice_of(charge),
        charge_id=charge_id,
        status=CHARGE_STATUSES.get(status, status),
        currency=currency(charge.get("currency")) or "usd",
        amount_minor=whole(charge.get("amount")) or 0,
        charged_minor=whole(charge.get("amount")) or 0,
        refunded_minor=whole(charge.get("amount_refunded")) or 0,
        method_id=_method_of(charge),
        fingerprint=_fingerprint(charge),
        brand=card_brand(charge),
        decline=plain(decline_of_charge(charge)) if failed else None,
        occurred_at=instant(charge.get("created")),
        seen_at=seen_at,
    )


def read_intent(intent: Json, *, seen_at: datetime) -> Payment | None:
    """A payment intent with what its latest charge adds where that is expanded; None without id.

    When it succeeded, or was begun, only the charge knows: the intent was made for the first try,
    which may have been refused days before. A mandate's debit has none until it is made, and the
    charge that was refused before it is not what is under way.
    """
    payment_id = ref(intent)
    if payment_id is None:
        return None
    status, charge = intent_status(intent), latest_charge(intent)
    refused_before = status in UNDER_WAY and charge.get("status") == "failed"
    charge = {} if refused_before else charge
    error = table(intent.get("last_payment_error"))
    method = intent.get("payment_method") or error.get("payment_method")
    card = at(method, "card")
    decline = decline_of_intent(intent)
    return make_payment(
        merchant_id="",
        account_id="",
        payment_id=payment_id,
        customer_id=ref(intent.get("customer")),
        invoice_id=invoice_of(intent) or invoice_of(charge),
        charge_id=None if refused_before else charge_of(intent),
        status=status,
        currency=currency(intent.get("currency")) or "usd",
        amount_minor=whole(intent.get("amount")) or 0,
        charged_minor=whole(intent.get("amount")) or 0,
        refunded_minor=whole(charge.get("amount_refunded")) or 0,
        method_id=ref(method) or ref(intent.get("source")) or _method_of(charge),
        fingerprint=_fingerprint(charge) or text(at(card, "fingerprint"), 100),
        brand=card_brand(charge) or text(at(card, "brand"), 40),
        decline=plain(decline) if decline and status == "failed" else None,
        occurred_at=instant(charge.get("created"))
        or (None if status in ONLY_BY_CHARGE else instant(intent.get("created"))),
        seen_at=seen_at,
    )


def intent_status(intent: Json) -> str:
    """Stripe leaves a refused intent in `requires_payment_method` (before 2019-02-11
    `requires_source`), which it also is before the first try: only an error tells them apart."""
    status = text(intent.get("status"), 40) or "unknown"
    status = status.replace("requires_source_action", "requires_action")
    waiting = status in {"requires_payment_method", "requires_source"}
    return "failed" if waiting and decline_of_intent(intent) else status


def plain(decline: Decline) -> dict[str, Any]:
    """A decline as stored: the fields of `Decline`, the kind as its word."""
    return {**asdict(decline), "kind": decline.kind.value}


def charge_notice(event: Event, kind: NoticeKind) -> list[Notice]:
    """One notice of a charge: with the cumulative refund for `PAYMENT_REFUNDED`."""
    charge = event.object
    refund = kind is NoticeKind.PAYMENT_REFUNDED
    failed = kind is NoticeKind.PAYMENT_FAILED
    return [
        event.notice(
            kind,
            object=ref(charge),
            customer=ref(charge.get("customer")),
            invoice=invoice_of(charge),
            payment=first_ref(charge.get("payment_intent"), ref(charge)),
            charge=ref(charge),
            method=_method_of(charge),
            amount_minor=whole(charge.get("amount_refunded" if refund else "amount")),
            currency=currency(charge.get("currency")),
            decline=decline_of_charge(charge) if failed else None,
            snapshot=read_charge(charge, seen_at=event.at),
        )
    ]


def intent_notice(event: Event, kind: NoticeKind) -> list[Notice]:
    """One notice of a payment intent."""
    intent = event.object
    payment = read_intent(intent, seen_at=event.at)
    failed = kind is NoticeKind.PAYMENT_FAILED
    paid = kind is NoticeKind.PAYMENT_SUCCEEDED and whole(intent.get("amount_received"))
    return [
        event.notice(
            kind,
            object=ref(intent),
            customer=ref(intent.get("customer")),
            invoice=payment.invoice_id if payment else None,
            payment=ref(intent),
            charge=charge_of(intent),
            method=payment.method_id if payment else None,
            amount_minor=paid or whole(intent.get("amount")),
            currency=currency(intent.get("currency")),
            decline=decline_of_intent(intent) if failed else None,
            snapshot=payment,
        )
    ]


def read_invoice_payment(row: Json, *, seen_at: datetime) -> Payment | None:
    """The join of a payment with its invoice; it knows neither customer nor method. None where it
    names no payment (a payment record of another processor)."""
    payment_id = first_ref(at(row, "payment", "payment_intent"), at(row, "payment", "charge"))
    if payment_id is None:
        return None
    paid = whole(row.get("amount_paid"))
    return make_payment(
        merchant_id="",
        account_id="",
        payment_id=payment_id,
        invoice_id=ref(row.get("invoice")),
        charge_id=ref(at(row, "payment", "charge")),
        status=JOIN_STATUSES.get(text(row.get("status"), 40) or "", "unknown"),
        currency=currency(row.get("currency")) or "usd",
        amount_minor=(whole(row.get("amount_requested")) or 0) if paid is None else paid,
        occurred_at=instant(at(row, "status_transitions", "paid_at")),
        seen_at=seen_at,
    )


def invoice_payment_notice(event: Event, kind: NoticeKind) -> list[Notice]:
    """A payment was joined to the invoice it paid (since 2025-05-28)."""
    row = event.object
    payment = read_invoice_payment(row, seen_at=event.at)
    return [
        event.notice(
            kind,
            object=ref(row),
            invoice=ref(row.get("invoice")),
            payment=payment.payment_id if payment else None,
            charge=payment.charge_id if payment else None,
            amount_minor=payment.amount_minor if payment else whole(row.get("amount_paid")),
            currency=currency(row.get("currency")),
            snapshot=payment,
        )
    ]


def dispute_notice(event: Event, kind: NoticeKind) -> list[Notice]:
    """One notice of a dispute. A closed one is won, lost, or (a withdrawn inquiry) neither."""
    obj = event.object
    dispute = read_dispute(obj)
    if event.type == "charge.dispute.closed" and dispute is not None:
        kind = CLOSED_DISPUTES.get(dispute.status, NoticeKind.DISPUTE_UPDATED)
        if dispute.status not in DISPUTE_OVER:  # a hold must not outlive what it was for
            dispute = replace(dispute, status="closed")
    charge = table(obj.get("charge"))
    return [
        event.notice(
            kind,
            object=ref(obj),
            customer=ref(charge.get("customer")),
            invoice=invoice_of(charge),
            payment=first_ref(obj.get("payment_intent"), obj.get("charge")),
            charge=ref(obj.get("charge")),
            amount_minor=whole(obj.get("amount")),
            currency=currency(obj.get("currency")),
            snapshot=dispute,
        )
    ]


def read_dispute(obj: Json) -> Dispute | None:
    """The dispute as shown; None without an id."""
    dispute_id = ref(obj)
    if dispute_id is None:
        return None
    return Dispute(
        dispute_id=dispute_id,
        charge_id=ref(obj.get("charge")),
        payment_id=first_ref(obj.get("payment_intent"), obj.get("charge")),
        amount_minor=whole(obj.get("amount")) or 0,
        currency=currency(obj.get("currency")) or "usd",
        status=text(obj.get("status"), 40) or "unknown",
    )


def fraud_warning_notice(event: Event, kind: NoticeKind) -> list[Notice]:
    """A network's early warning about a charge."""
    obj = event.object
    return [
        event.notice(
            kind,
            object=ref(obj),
            payment=first_ref(obj.get("payment_intent"), obj.get("charge")),
            charge=ref(obj.get("charge")),
        )
    ]


def invoice_of(obj: Json) -> str | None:
    """The invoice of a charge or intent: `invoice` before 2025-03-31; after it at most
    `payment_details.order_reference`, which merchants may also fill with something else."""
    old = first_ref(obj.get("invoice"), at(obj, "payment_intent", "invoice"))
    reference = ref(at(obj, "payment_details", "order_reference"))
    looks_like_one = reference is not None and reference.startswith("in_")
    return old or (reference if looks_like_one else None)


def _method_of(charge: Json) -> str | None:
    return first_ref(charge.get("payment_method"), charge.get("source"), charge.get("card"))


def _fingerprint(charge: Json) -> str | None:
    details = table(charge.get("payment_method_details"))
    places = (
        at(details, str(details.get("type")), "fingerprint"),
        at(charge, "source", "fingerprint"),
        at(charge, "source", "card", "fingerprint"),
        at(charge, "card", "fingerprint"),
    )
    return next((found for place in places if (found := text(place, 100))), None)
