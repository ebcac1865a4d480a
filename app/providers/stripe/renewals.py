"""What the next renewal of a subscription will charge, and to which method."""

from collections.abc import Awaitable
from dataclasses import replace
from datetime import datetime
from typing import Any

from stripe import StripeObject

from app.domain.merchants import ProviderAccount
from app.domain.mirror import PaymentMethod
from app.ports.payments import ProviderRefused, ProviderUnavailable, RenewalReading
from app.providers.stripe.answers import owned
from app.providers.stripe.connection import json_of
from app.providers.stripe.failures import in_our_words
from app.providers.stripe.methods import read_method
from app.providers.stripe.reading import Json, at, currency, ref, whole
from app.providers.stripe.subscriptions import read_subscription

RENEWAL: Any = {
    "expand": [
        "default_payment_method",
        "customer.invoice_settings.default_payment_method",
        "customer.default_source",
    ]
}

# Of a paused subscription: the invoice with which it will go on.
RESUMED: Any = {"subscription_details": {"resume_at": "now"}}
NO_INVOICE = "invoice_upcoming_none"


def renewal_method(obj: Json) -> Json | str | None:
    """The method of the next charge, expanded or as its id: the subscription's own default wins
    over the customer's, and a payment method over a legacy source."""
    places = (
        obj.get("default_payment_method"),
        obj.get("default_source"),
        at(obj, "customer", "invoice_settings", "default_payment_method"),
        at(obj, "customer", "default_source"),
    )
    for place in places:
        found = ref(place)
        if found is not None:
            return place if isinstance(place, dict) else found
    return None


async def next_invoice(asked: Awaitable[StripeObject]) -> Json | None:
    """The previewed invoice; None where the subscription ends before there is one."""
    try:
        with in_our_words():
            return await json_of(asked)
    except ProviderRefused as refused:
        if refused.code != NO_INVOICE:
            raise
    return None


def renewal_of(
    obj: Json, preview: Json | None, method: Json, account: ProviderAccount, now: datetime
) -> RenewalReading:
    """The reading of a subscription and its previewed invoice.

    Raises `ProviderUnavailable` where the answer shows no subscription.
    """
    subscription = read_subscription(obj, seen_at=now)
    if subscription is None:
        raise ProviderUnavailable("the answer shows no subscription")
    return RenewalReading(
        subscription=replace(
            subscription, merchant_id=account.merchant_id, account_id=account.account_id
        ),
        method=_method(method, account, now),
        amount_minor=whole((preview or {}).get("amount_due")),
        currency=currency((preview or {}).get("currency")),
    )


def _method(method: Json, account: ProviderAccount, now: datetime) -> PaymentMethod | None:
    found = read_method(method, seen_at=now)
    return owned(found, account) if found else None
