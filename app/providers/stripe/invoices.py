"""Invoices of every API version."""

from dataclasses import replace
from datetime import datetime

from app.domain.declines import Decline
from app.domain.mirror import Invoice, InvoiceStatus
from app.domain.notices import Notice, NoticeKind
from app.domain.records import quick
from app.providers.stripe.declines import charge_of, decline_of_charge, decline_of_intent
from app.providers.stripe.envelope import Event
from app.providers.stripe.reading import (
    Json,
    at,
    currency,
    first_ref,
    instant,
    ref,
    rows,
    table,
    text,
    whole,
)

# What is said of these is the invoice's end, or of one that is not there yet.
SAY_ENOUGH = frozenset({NoticeKind.INVOICE_DELETED, NoticeKind.INVOICE_UPCOMING})
STATUSES = {status.value: status for status in InvoiceStatus}
make_invoice = quick(Invoice)


def read_invoice(obj: Json, *, seen_at: datetime) -> Invoice | None:
    """The invoice as shown; None without an id.

    `tax_minor` is the tax in `due_minor`, `paid_minor` what the provider collected. What was
    settled elsewhere stands in `off_provider_minor`: `amount_paid_off_stripe` since 2026-05-27,
    where it was asked for, and the whole amount of an invoice marked `paid_out_of_band` before
    2025-03-31. Of what came between the two, and in events since, `paid_minor` counts all.
    """
    invoice_id = ref(obj)
    if invoice_id is None:
        return None
    due, paid, off = _amounts(obj)
    transitions = table(obj.get("status_transitions"))
    auto = obj.get("auto_advance")
    return make_invoice(
        merchant_id="",
        account_id="",
        invoice_id=invoice_id,
        customer_id=ref(obj.get("customer")),
        subscription_id=subscription_of(obj),
        status=status_of(obj),
        currency=currency(obj.get("currency")) or "usd",
        due_minor=due,
        paid_minor=paid,
        remaining_minor=remaining_of(obj),
        tax_minor=_tax_in(due, obj),
        off_provider_minor=off,
        credited_minor=whole(obj.get("pre_payment_credit_notes_amount")) or 0,
        credited_after_minor=whole(obj.get("post_payment_credit_notes_amount")) or 0,
        billing_reason=text(obj.get("billing_reason"), 60),
        collection_method=text(obj.get("collection_method") or obj.get("billing"), 60),
        attempt_count=whole(obj.get("attempt_count")) or 0,
        next_attempt_at=instant(obj.get("next_payment_attempt")),
        auto_advance=auto if isinstance(auto, bool) else None,
        number=text(obj.get("number"), 100),
        label=_label(obj),
        method_id=first_ref(obj.get("default_payment_method"), obj.get("default_source")),
        pending_update=_is_waited_for(obj),
        customer_email=text(obj.get("customer_email"), 320),
        customer_name=text(obj.get("customer_name"), 200),
        created_at=instant(obj.get("created")) or instant(obj.get("date")),
        due_at=instant(obj.get("due_date")),
        paid_at=instant(transitions.get("paid_at")),
        closed_reason=text(at(obj, "status_details", "uncollectible", "reason"), 60),
        seen_at=seen_at,
    )


def invoice_notice(event: Event, kind: NoticeKind) -> list[Notice]:
    """One notice of an invoice event.

    `amount_minor` is what was paid for `INVOICE_PAID`, else what remains. An upcoming invoice does
    not exist yet (in old versions it has no id): no snapshot. One that does not say how much it is
    about, or in which currency, is read live.
    """
    obj = event.object
    invoice = read_invoice(obj, seen_at=event.at)
    if invoice and kind is NoticeKind.INVOICE_DELETED:
        invoice = replace(invoice, status=InvoiceStatus.DELETED)
    if invoice is None:
        return [_without_id(event, kind)]
    paid, told = kind is NoticeKind.INVOICE_PAID, kind in SAY_ENOUGH or _tells_amounts(obj)
    payment, charge = payment_of(obj)
    return [
        event.notice(
            kind if told else NoticeKind.READ,
            object=invoice.invoice_id,
            customer=invoice.customer_id,
            invoice=invoice.invoice_id,
            subscription=invoice.subscription_id,
            payment=payment,
            charge=charge,
            method=invoice.method_id,
            amount_minor=invoice.paid_minor if paid else invoice.remaining_minor,
            currency=currency(obj.get("currency")),
            decline=_decline(obj) if kind is NoticeKind.INVOICE_FAILED else None,
            snapshot=None if kind is NoticeKind.INVOICE_UPCOMING or not told else invoice,
        )
    ]


def _tells_amounts(obj: Json) -> bool:
    """Whether it says what is asked for, and in which currency: neither is taken for granted."""
    amounts = (whole(obj.get("amount_due")), whole(obj.get("amount_remaining")))
    return currency(obj.get("currency")) is not None and amounts != (None, None)


def _without_id(event: Event, kind: NoticeKind) -> Notice:
    """An invoice that does not exist yet, or shows no id."""
    obj = event.object
    payment, charge = payment_of(obj)
    return event.notice(
        kind,
        customer=ref(obj.get("customer")),
        subscription=subscription_of(obj),
        payment=payment,
        charge=charge,
        method=first_ref(obj.get("default_payment_method"), obj.get("default_source")),
        amount_minor=0 if kind is NoticeKind.INVOICE_PAID else remaining_of(obj),
        currency=currency(obj.get("currency")),
        decline=_decline(obj) if kind is NoticeKind.INVOICE_FAILED else None,
    )


def status_of(obj: Json) -> InvoiceStatus:
    """The status. Before 2018-11-08 there was none, only `paid`, `forgiven` and `closed`."""
    status = obj.get("status")
    if isinstance(status, str):
        return STATUSES.get(status, InvoiceStatus.UNKNOWN)
    flags = (
        ("paid", InvoiceStatus.PAID),
        ("forgiven", InvoiceStatus.UNCOLLECTIBLE),
        ("closed", InvoiceStatus.VOID),
        ("attempted", InvoiceStatus.OPEN),
    )
    told = next((status for flag, status in flags if obj.get(flag) is True), None)
    if told is not None:
        return told
    return InvoiceStatus.DRAFT if "closed" in obj else InvoiceStatus.UNKNOWN


def remaining_of(obj: Json) -> int:
    """What is owed. Old versions do not say it: what was due less what was paid."""
    remaining = whole(obj.get("amount_remaining"))
    if remaining is not None:
        return remaining
    if obj.get("paid") is True:
        return 0
    due, paid = whole(obj.get("amount_due")) or 0, whole(obj.get("amount_paid")) or 0
    return max(due - paid, 0)


def subscription_of(obj: Json) -> str | None:
    """The subscription an invoice belongs to.

    Since 2025-03-31 under `parent`, before it at the top. Where one of the two stands and is null,
    the invoice belongs to none, whatever its lines say; the lines are asked only without both.
    """
    named = ref(_subscription(obj))
    if named is not None or "subscription" in obj or "parent" in obj:
        return named
    for line in rows(obj.get("lines")):
        own = line.get("id") if line.get("type") == "subscription" else None
        old_style = own if isinstance(own, str) and own.startswith("sub_") else None
        found = first_ref(
            at(line, "parent", "subscription_item_details", "subscription"),
            line.get("subscription"),
            old_style,
        )
        if found:
            return found
    return None


def payment_of(obj: Json) -> tuple[str | None, str | None]:
    """Payment intent and charge as the invoice shows them: at the top in old versions, in
    `payments` (only where it was expanded) in new ones."""
    intent = intent_shown(obj)
    charge = first_ref(obj.get("charge"), at(payment_row(obj), "payment", "charge"))
    return ref(intent), charge or (charge_of(intent) if isinstance(intent, dict) else None)


def payment_row(obj: Json) -> Json:
    """The invoice payment that counts among several: of a paid invoice one that paid, of another
    one that is still to, since a part may be paid; of those the one by default, else the newest."""
    over = status_of(obj) is InvoiceStatus.PAID

    def weight(row: Json) -> tuple[bool, bool, int]:
        status = text(row.get("status"), 40)
        counts = status == "paid" if over else status not in {"paid", "canceled"}
        return counts, row.get("is_default") is True, whole(row.get("created")) or 0

    return max(rows(obj["payments"]), key=weight, default={}) if obj.get("payments") else {}


def intent_shown(obj: Json) -> object:
    """The payment intent of an invoice, an id or expanded."""
    return at(payment_row(obj), "payment", "payment_intent") or obj.get("payment_intent")


def _subscription(obj: Json) -> object:
    return at(obj, "parent", "subscription_details", "subscription") or obj.get("subscription")


def _is_waited_for(obj: Json) -> bool:
    """Whether a change of the subscription waits for this invoice, as far as it was expanded."""
    shown = table(_subscription(obj))
    newest = ref(shown.get("latest_invoice"))
    return bool(table(shown.get("pending_update"))) and newest in (None, ref(obj))


def _amounts(obj: Json) -> tuple[int, int, int]:
    due = whole(obj.get("amount_due")) or 0
    off = whole(obj.get("amount_paid_off_stripe")) or 0
    paid = whole(obj.get("amount_paid"))
    if paid is None:
        paid = due if obj.get("paid") is True else 0
    if obj.get("paid_out_of_band") is True and not off:
        return due, 0, paid
    return due, max(paid - off, 0), off  # since 2025-03-31 what came elsewhere counts as paid


def _tax_in(due: int, obj: Json) -> int:
    """The tax in what is asked for, where the customer's credit took off a part of the total."""
    tax, total = _tax(obj), whole(obj.get("total")) or 0
    return tax * due // total if due < total else tax


def _tax(obj: Json) -> int:
    old = whole(obj.get("tax"))
    if old is not None:
        return old
    parts = (*rows(obj.get("total_taxes")), *rows(obj.get("total_tax_amounts")))
    return sum(whole(part.get("amount")) or 0 for part in parts)


def _label(obj: Json) -> str | None:
    """What the invoice is for, in the words of its first line."""
    line = next(rows(obj.get("lines")), {})
    plan = at(line, "plan", "nickname") or at(line, "plan", "name")
    return text(line.get("description") or plan or obj.get("description"), 200)


def _decline(obj: Json) -> Decline | None:
    """The refusal, where an expanded charge or payment intent tells it (by itself none does)."""
    charge = obj.get("charge")
    if isinstance(charge, dict) and charge.get("status") == "failed":
        return decline_of_charge(charge)
    intent = intent_shown(obj)
    return decline_of_intent(intent) if isinstance(intent, dict) else None
