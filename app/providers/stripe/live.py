"""Objects read live, as the notices their events would have been."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from stripe import StripeClient, StripeObject

from app.domain.merchants import ProviderAccount
from app.domain.mirror import DISPUTE_OVER, CreditNote, Dispute, InvoiceStatus
from app.domain.notices import Notice, NoticeKind
from app.ports.webhooks import BadEvent
from app.providers.stripe.answers import intents_tried
from app.providers.stripe.connection import json_of
from app.providers.stripe.declines import decline_of_intent
from app.providers.stripe.envelope import Event, opened
from app.providers.stripe.invoices import intent_shown, status_of
from app.providers.stripe.pages import every_row
from app.providers.stripe.payments import intent_status
from app.providers.stripe.reading import Json, at, ref, rows, whole
from app.providers.stripe.refunds import charge_in, failed_notices, given_back
from app.providers.stripe.translate import notices_of

Call = Callable[[StripeClient, str], Awaitable[StripeObject]]
# It alone tells whether a change of it waits for the invoice.
ELSEWHERE = "amount_paid_off_stripe"  # stands in no event, and in an answer where it is asked for
WITH_SUBSCRIPTION = ("parent.subscription_details.subscription",)
WITH_CHARGES: Any = {"expand": ["data.payment.payment_intent.latest_charge"]}
WITH_COUPONS: Any = {"expand": ["data.discounts.source.coupon"]}


def _expanding(*paths: str) -> Any:
    return {"expand": list(paths)}


LIVE: Mapping[str, Call] = {
    "subscription": lambda c, key: c.v1.subscriptions.retrieve_async(
        key, _expanding("discounts.source.coupon")
    ),
    "customer": lambda c, key: c.v1.customers.retrieve_async(key),
    "charge": lambda c, key: c.v1.charges.retrieve_async(key),
    "payment_intent": lambda c, key: c.v1.payment_intents.retrieve_async(
        key, _expanding("latest_charge")
    ),
    "payment_method": lambda c, key: c.v1.payment_methods.retrieve_async(key),
    "dispute": lambda c, key: c.v1.disputes.retrieve_async(key),
    "refund": lambda c, key: c.v1.refunds.retrieve_async(key, _expanding("charge")),
    "setup_intent": lambda c, key: c.v1.setup_intents.retrieve_async(key),
    "checkout.session": lambda c, key: c.v1.checkout.sessions.retrieve_async(
        key, _expanding("setup_intent")
    ),
    "invoice_payment": lambda c, key: c.v1.invoice_payments.retrieve_async(key),
    "credit_note": lambda c, key: c.v1.credit_notes.retrieve_async(key),
    "subscription_schedule": lambda c, key: c.v1.subscription_schedules.retrieve_async(key),
    "event": lambda c, key: c.v2.core.events.retrieve_async(key),
}
PREFIXES = {
    "evt_": "event",
    "in_": "invoice",
    "sub_sched_": "subscription_schedule",
    "sub_": "subscription",
    "cus_": "customer",
    "ch_": "charge",
    "py_": "charge",
    "pi_": "payment_intent",
    "pm_": "payment_method",
    "card_": "payment_method",
    "dp_": "dispute",
    "du_": "dispute",
    "re_": "refund",
    "pyr_": "refund",
    "seti_": "setup_intent",
    "cs_": "checkout.session",
    "inpay_": "invoice_payment",
    "cn_": "credit_note",
}
OUR_WORDS = {"payment": "payment_intent", "method": "payment_method"}

INVOICE_TYPES = {
    InvoiceStatus.PAID: "invoice.paid",
    InvoiceStatus.VOID: "invoice.voided",
    InvoiceStatus.UNCOLLECTIBLE: "invoice.marked_uncollectible",
    InvoiceStatus.DELETED: "invoice.deleted",
}
INTENT_TYPES = {
    "succeeded": "payment_intent.succeeded",
    "failed": "payment_intent.payment_failed",
    "requires_action": "payment_intent.requires_action",
    "canceled": "payment_intent.canceled",
}
CHARGE_TYPES = {"succeeded": "charge.succeeded", "failed": "charge.failed"}
SUBSCRIPTION_TYPES = {
    "canceled": "customer.subscription.deleted",
    "paused": "customer.subscription.paused",
}
SETUP_TYPES = {"succeeded": "setup_intent.succeeded"}
CHECKOUT_TYPES = {"complete": "checkout.session.completed"}
JOIN_TYPES = {"paid": "invoice_payment.paid"}
MOST_LISTED = 100  # refunds of a charge, charges of an intent; what was known beyond stays


def kind_of(word: str, key: str) -> str | None:
    """What an id names: by its prefix, else by the word given with it; None if we read no such."""
    found = next((kind for prefix, kind in PREFIXES.items() if key.startswith(prefix)), None)
    named = OUR_WORDS.get(word, word)
    return found or (named if named in LIVE or named == "invoice" else None)


def notices_of_object(
    kind: str,
    obj: Json,
    account: ProviderAccount,
    *,
    event: str,
    at: datetime,
    now: datetime,
    invoice: str | None,
    refunds: Sequence[Json] = (),
) -> list[Notice]:
    """The object's state as notices of `event`; snapshots belong to `account`, seen `now`.

    `invoice` is the one a payment belongs to, which new versions of it do not name; `refunds` are
    those of its charge. An event read itself tells what its notification left out.
    """
    if kind == "event":
        return _told_by(obj, account, event=event, at=at)
    if refunds or kind == "refund":
        kind, obj = "charge", {**charge_in(kind, obj), "amount_refunded": given_back(refunds)}
    if invoice and kind in {"charge", "payment_intent"}:
        obj = {**obj, "invoice": invoice}
    read = Event(
        id=event,
        type=TYPE_OF[kind](obj),
        at=now,
        live=None,
        account=None,
        api_version=None,
        object=obj,
        previous={},
        data={},
        related={},
        thin=False,
    )
    notices = [*notices_of(read), *failed_notices(read, refunds)]
    return [_dated(notice, account, at) for notice in notices]


async def object_shown(client: StripeClient, kind: str, key: str) -> Json:
    """An object with what its notices are read from. Raises what the calls raise."""
    if kind == "invoice":
        return await invoice_shown(client, key, WITH_SUBSCRIPTION)
    obj = await json_of(LIVE[kind](client, key))
    return await _with_items(client, obj) if kind == "subscription" else obj


async def invoice_shown(client: StripeClient, key: str, more: Sequence[str] = ()) -> Json:
    """The invoice, expanded by `more`, with its payments and what was tried last of each.

    Stripe refuses to expand more than four levels, and seen from an invoice the charge of a
    payment is the fifth: the payments are listed. What was paid between the two calls makes the
    invoice be read once more, so that it never asks for what its payments have brought.
    """
    asked: Any = {"expand": ["payments", ELSEWHERE, *more]}
    obj = await json_of(client.v1.invoices.retrieve_async(key, asked))
    if not any(rows(obj.get("payments"))):
        return obj
    asked_for: Any = {"invoice": key, "limit": MOST_LISTED, **WITH_CHARGES}
    listed = await json_of(client.v1.invoice_payments.list_async(asked_for))
    if _brought(listed) > (whole(obj.get("amount_paid")) or 0):
        obj = await json_of(client.v1.invoices.retrieve_async(key, asked))
    return {**obj, "payments": listed}


async def _with_items(client: StripeClient, subscription: Json) -> Json:
    """The subscription with all of its items and what their own discounts take off: more levels
    than Stripe expands from here. Asked for only where there is something to be seen."""
    items, own = subscription.get("items"), ref(subscription)
    discounted = any(row.get("discounts") for row in rows(items))
    if own is None or not (discounted or at(items, "has_more") is True):
        return subscription
    found = await every_row(
        lambda asked: client.v1.subscription_items.list_async(asked),
        subscription=own,
        **WITH_COUPONS,
    )
    return {**subscription, "items": {"data": found}}


def _brought(payments: Json) -> int:
    """What payments of the provider brought; a record of another processor's is none."""
    paid = (row for row in rows(payments) if row.get("status") == "paid")
    taken = (row for row in paid if at(row, "payment", "payment_intent"))
    return sum(whole(row.get("amount_paid")) or 0 for row in taken)


async def charges_behind(client: StripeClient, invoice: Json) -> list[Json]:
    """The charges of the invoice's payment intents, those that were tried at all."""
    found: list[Json] = []
    for intent in intents_tried(invoice):
        asked: Any = {"payment_intent": intent, "limit": MOST_LISTED}
        found += rows(await json_of(client.v1.charges.list_async(asked)))
    return found


async def refunds_behind(client: StripeClient, kind: str, obj: Json) -> list[Json]:
    """The refunds of the charge concerned; none where nothing hints at a refund. A charge that is
    read itself may have been: once all of them have failed, it says so no more."""
    charge = charge_in(kind, obj)
    charge_id = ref(charge)
    hinted = kind in {"refund", "charge"} or whole(charge.get("amount_refunded"))
    if charge_id is None or not hinted or charge.get("status") == "failed":
        return []
    asked: Any = {"charge": charge_id, "limit": MOST_LISTED}
    return list(rows(await json_of(client.v1.refunds.list_async(asked))))


def _told_by(obj: Json, account: ProviderAccount, *, event: str, at: datetime) -> list[Notice]:
    """Not what asks for a read again: it would say no more the next time."""
    try:
        told = notices_of(opened(obj))
    except BadEvent:
        return []
    said = (notice for notice in told if notice.kind is not NoticeKind.READ)
    return [_dated(replace(notice, event=event), account, at) for notice in said]


def _dated(notice: Notice, account: ProviderAccount, at: datetime) -> Notice:
    snapshot = notice.snapshot
    if snapshot is not None and not isinstance(snapshot, CreditNote | Dispute):
        snapshot = replace(snapshot, merchant_id=account.merchant_id, account_id=account.account_id)
    return replace(notice, occurred_at=at, snapshot=snapshot)


def _invoice_type(obj: Json) -> str:
    """An open invoice whose automatic payment was refused has failed; one merely open, or whose
    payment is under way, has not."""
    status = status_of(obj)
    if status is InvoiceStatus.OPEN and whole(obj.get("attempt_count")):
        return "invoice.payment_failed" if _is_refused(obj) else "invoice.updated"
    return INVOICE_TYPES.get(status, "invoice.updated")


def _is_refused(obj: Json) -> bool:
    intent = intent_shown(obj)
    if not isinstance(intent, dict):
        return obj.get("attempted") is True
    return decline_of_intent(intent) is not None and intent.get("status") != "processing"


def _charge_type(charge: Json) -> str:
    if whole(charge.get("amount_refunded")):
        return "charge.refunded"
    return CHARGE_TYPES.get(str(charge.get("status")), "charge.updated")


def _method_type(method: Json) -> str:
    """One that belongs to nobody (any more) was taken off; a customer of Accounts v2 is named
    elsewhere."""
    named = method.get("customer_account") or method.get("customer", "not told")
    return f"payment_method.{'updated' if named else 'detached'}"


def _dispute_type(status: str) -> str:
    return f"charge.dispute.{'closed' if status in DISPUTE_OVER else 'updated'}"


# The event that would have told this state of an object.
TYPE_OF: Mapping[str, Callable[[Json], str]] = {
    "invoice": _invoice_type,
    "subscription": lambda obj: SUBSCRIPTION_TYPES.get(
        str(obj.get("status")), "customer.subscription.updated"
    ),
    "customer": lambda obj: "customer.deleted" if obj.get("deleted") else "customer.updated",
    "charge": _charge_type,
    "payment_intent": lambda obj: INTENT_TYPES.get(intent_status(obj), "payment_intent.processing"),
    "payment_method": _method_type,
    "dispute": lambda obj: _dispute_type(str(obj.get("status"))),
    "setup_intent": lambda obj: SETUP_TYPES.get(str(obj.get("status")), "setup_intent.created"),
    "checkout.session": lambda obj: CHECKOUT_TYPES.get(
        str(obj.get("status")), "checkout.session.expired"
    ),
    "invoice_payment": lambda obj: JOIN_TYPES.get(str(obj.get("status")), "invoice_payment.open"),
    "credit_note": lambda obj: "credit_note.updated",
    "subscription_schedule": lambda obj: "subscription_schedule.updated",
}
