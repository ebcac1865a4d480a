"""What Stripe answered, in our words: outcomes of a charge and readings of an invoice."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from stripe import StripeError

from app.domain.declines import Decline, DeclineKind
from app.domain.merchants import ProviderAccount
from app.domain.mirror import Customer, Invoice, InvoiceStatus, Payment, PaymentMethod
from app.domain.outcomes import Outcome, PayAnswer
from app.domain.records import changed
from app.ports.payments import InvoiceReading
from app.providers.stripe.declines import (
    charge_of,
    decline_of_error,
    decline_of_intent,
    latest_charge,
)
from app.providers.stripe.failures import (
    REFUSES_ACCOUNT,
    REFUSES_REQUEST,
    SLOW_DOWN,
    body_of,
    code_of,
    in_words,
    retry_after,
)
from app.providers.stripe.invoices import (
    intent_shown,
    payment_of,
    payment_row,
    read_invoice,
)
from app.providers.stripe.methods import read_method
from app.providers.stripe.payments import (
    intent_status,
    read_charge,
    read_intent,
    read_invoice_payment,
)
from app.providers.stripe.reading import Json, at, instant, ref, rows, table, text, whole

S = TypeVar("S", Customer, Invoice, Payment, PaymentMethod)

PAYMENT_REQUIRED = 402
# Stripe gives these refusals no code of their own, only a sentence.
SENTENCES = (
    ("already paid", "already_paid"),
    ("no attached payment source or default payment method", "no_payment_method"),
    ("no active card or default payment method", "no_payment_method"),
)
INTENT_OUTCOMES = {
    "succeeded": Outcome.APPROVED,
    "processing": Outcome.PROCESSING,
    "requires_action": Outcome.ACTION_REQUIRED,
    "failed": Outcome.DECLINED,
}


def owned(snapshot: S, account: ProviderAccount) -> S:
    """The snapshot with the account it belongs to."""
    return changed(snapshot, merchant_id=account.merchant_id, account_id=account.account_id)


def answer_of_invoice(obj: Json, account: ProviderAccount, now: datetime) -> PayAnswer:
    """The outcome of a `/pay` that was answered with the invoice.

    Paid is approved. An invoice still open says by its payment intent why: a bank debit is
    processing for days. One that shows neither, or only what paid a part of it before, is unknown
    and must be read.
    """
    invoice = read_invoice(obj, seen_at=now)
    if invoice is None:
        return PayAnswer(outcome=Outcome.UNKNOWN, reason="the answer shows no invoice")
    paid = invoice.status is InvoiceStatus.PAID
    shown = obj if paid or payment_row(obj).get("status") != "paid" else {}
    payment, charge = payment_of(shown)
    intent = table(intent_shown(shown))
    outcome = INTENT_OUTCOMES.get(intent_status(intent), Outcome.UNKNOWN)
    if paid:
        outcome = Outcome.APPROVED
    refused = outcome in {Outcome.DECLINED, Outcome.ACTION_REQUIRED}
    unknown = outcome is Outcome.UNKNOWN
    return PayAnswer(
        outcome=outcome,
        invoice=owned(invoice, account),
        decline=decline_of_intent(intent) if refused else None,
        payment_id=payment or charge,
        charge_id=charge,
        amount_minor=whole(intent.get("amount_received")) or None,
        reason=f"answered, but the invoice is {invoice.status}" if unknown else None,
    )


def answer_of_error(error: StripeError) -> PayAnswer:
    """The outcome of a `/pay` that was refused or not answered.

    402 is a refusal by the bank or a call for authentication. 400, 401, 403, 404 and 429 were
    not executed. Everything else (no connection, timeout, 409, 5xx, an answer that is no JSON)
    may have happened.
    """
    status = error.http_status
    if status == PAYMENT_REQUIRED:
        return _refusal(error)
    known = status in REFUSES_ACCOUNT or status in REFUSES_REQUEST or status == SLOW_DOWN
    return PayAnswer(
        outcome=Outcome.NOT_EXECUTED if known else Outcome.UNKNOWN,
        reason=in_words(error),
        code=_sentence(error) or code_of(error),
        retry_after_s=retry_after(error),
        account_refused=status in REFUSES_ACCOUNT,
    )


def _refusal(error: StripeError) -> PayAnswer:
    body = body_of(error)
    intent = table(body.get("payment_intent"))
    decline = _decline_of(body, intent)
    wants_action = decline.kind is DeclineKind.CUSTOMER_AUTHENTICATE
    charge = ref(body.get("charge")) or ref(intent.get("latest_charge"))
    return PayAnswer(
        outcome=Outcome.ACTION_REQUIRED if wants_action else Outcome.DECLINED,
        decline=decline,
        payment_id=ref(body.get("payment_intent")) or charge,
        charge_id=charge,
        reason=in_words(error),
        code=code_of(error),
    )


def _decline_of(body: Json, intent: Json) -> Decline:
    """The error's own words, and from an expanded charge what only that knows (a Radar block)."""
    decline = decline_of_error(body)
    charge = latest_charge(intent)
    if at(charge, "outcome", "type") == "blocked":
        return replace(decline, blocked=True)
    return decline


def _sentence(error: StripeError) -> str | None:
    message = (text(body_of(error).get("message")) or "").lower()
    return next((code for words, code in SENTENCES if words in message), None)


def reading_of(
    obj: Json,
    account: ProviderAccount,
    now: datetime,
    *,
    method: Json,
    charges: Sequence[Json] | None = None,
) -> InvoiceReading | None:
    """The invoice with its payments, newest first; None where the answer shows no invoice.
    `charges` are all those of its payment intents, where they were asked for."""
    invoice = read_invoice(obj, seen_at=now)
    if invoice is None:
        return None
    subscription = subscription_shown(obj)
    charged = read_method(method, seen_at=now)
    return InvoiceReading(
        invoice=owned(invoice, account),
        payments=tuple(owned(p, account) for p in payments_of(obj, now, charges or ())),
        method=owned(charged, account) if charged else None,
        subscription_status=text(subscription.get("status"), 40),
        subscription_default_method=ref(subscription.get("default_payment_method"))
        or ref(subscription.get("default_source")),
        every_attempt=charges is not None,
    )


def payments_of(obj: Json, now: datetime, charges: Sequence[Json] = ()) -> list[Payment]:
    """The invoice's payments, newest first: a list since 2025-03-31, one before. Of `charges`
    those that no payment shows come as payments of their own."""
    found = [_payment_in(row, now) for row in rows(obj.get("payments"))]
    if not payment_row(obj):
        found = [_old_payment(obj, now)]
    # of an intent that was given up, as that of a void invoice, nothing shows that it was refused
    stands = (payment for payment in found if payment and payment.status != "canceled")
    shown = {payment.charge_id for payment in stands}
    found += [read_charge(charge, seen_at=now) for charge in charges if ref(charge) not in shown]
    own = [
        replace(payment, invoice_id=ref(obj), customer_id=payment.customer_id or _customer(obj))
        for payment in found
        if payment is not None
    ]
    oldest = instant(0) or now
    return sorted(own, key=lambda payment: payment.occurred_at or oldest, reverse=True)


def intents_tried(obj: Json) -> list[str]:
    """The payment intents of an invoice that have a charge."""
    intents = (table(at(row, "payment", "payment_intent")) for row in rows(obj.get("payments")))
    return [found for intent in intents if charge_of(intent) and (found := ref(intent))]


def subscription_shown(obj: Json) -> Json:
    """The invoice's subscription where it was expanded."""
    new = at(obj, "parent", "subscription_details", "subscription")
    return table(new) or table(obj.get("subscription"))


def _payment_in(row: Json, now: datetime) -> Payment | None:
    """What was paid with a payment may be more than went to this invoice."""
    payment = table(row.get("payment"))
    intent, charge = payment.get("payment_intent"), payment.get("charge")
    found = read_invoice_payment(row, seen_at=now)
    if isinstance(intent, dict):
        found = read_intent(intent, seen_at=now)
    elif isinstance(charge, dict):
        found = read_charge(charge, seen_at=now)
    paid = whole(row.get("amount_paid"))
    return replace(found, amount_minor=paid) if found and paid else found


def _old_payment(obj: Json, now: datetime) -> Payment | None:
    intent, charge = obj.get("payment_intent"), obj.get("charge")
    if isinstance(intent, dict):
        expanded = {**intent, "latest_charge": charge} if isinstance(charge, dict) else intent
        return read_intent(expanded, seen_at=now)
    return read_charge(charge, seen_at=now) if isinstance(charge, dict) else None


def _customer(obj: Json) -> str | None:
    return ref(obj.get("customer"))
