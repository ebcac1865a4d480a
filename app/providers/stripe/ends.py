"""How a subscription or an invoice of Stripe's is ended, and what of a refusal is fine."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from stripe import StripeClient, StripeObject

from app.domain.mirror import InvoiceStatus
from app.ports.payments import ProviderRefused
from app.providers.stripe.connection import json_of
from app.providers.stripe.failures import MISSING, in_our_words
from app.providers.stripe.invoices import status_of
from app.providers.stripe.reading import Json, ref, text

ENDED = frozenset({"canceled", "incomplete_expired"})
End = Callable[[StripeClient, str, Any], Awaitable[StripeObject]]

# By Stripe's own default a pause gives back what is left of the period, be it paid for or not.
REAL_PAUSE: Any = {
    "type": "subscription",
    "bill_for": {
        "unused_time_from": {"type": "none"},
        "outstanding_usage_through": {"type": "now"},
    },
    "invoicing_behavior": "pending_invoice_item",
}
# Stripe gives a DELETE no idempotency key; cancelling twice is caught by reading.
ENDS: Mapping[str, End] = {
    "cancel_now": lambda c, own, _: c.v1.subscriptions.cancel_async(own),
    "cancel_at_period_end": lambda c, own, under: c.v1.subscriptions.update_async(
        own, {"cancel_at_period_end": True}, under
    ),
    "pause": lambda c, own, under: c.v1.subscriptions.pause_async(own, REAL_PAUSE, under),
}
STANDS: Mapping[str, frozenset[str]] = {"pause": ENDED | {"paused"}}


async def end_subscription(client: StripeClient, subscription: str, *, how: str, key: str) -> None:
    """`cancel_now`, `cancel_at_period_end` or `pause`; one that stands so already is fine.

    A schedule owns the end of its subscription: Stripe refuses to plan another one and to pause
    until it is released (docs.stripe.com/billing/subscriptions/subscription-schedules). What it
    had planned for later would not come any more, so it is let go, under a key of its own.
    `pause` is refused for subscriptions in classic billing mode: `ProviderRefused`.
    """
    if how not in ENDS:
        raise ValueError(f"no way to end a subscription is called {how!r}")
    fine, under = STANDS.get(how, ENDED), {"idempotency_key": key}
    try:
        with in_our_words():
            await ENDS[how](client, subscription, under)
    except ProviderRefused:
        found = await _read(client, subscription)
        if found is None or text(found.get("status")) in fine:
            return
        schedule = ref(found.get("schedule"))
        if schedule is None:
            raise
        await _let_go(client, schedule, f"{key}:release")
        again = ENDS[how](client, subscription, {"idempotency_key": f"{key}:released"})
        await unless_stands(client, subscription, again, fine=fine)


async def unless_stands(
    client: StripeClient,
    subscription: str,
    change: Awaitable[StripeObject],
    *,
    fine: frozenset[str] = ENDED,
) -> None:
    """Change a subscription. A refusal is fine if it is gone or stands as wanted already."""
    try:
        with in_our_words():
            await change
    except ProviderRefused:
        found = await _read(client, subscription)
        if found is not None and text(found.get("status")) not in fine:
            raise


CLOSES: Mapping[str, End] = {
    "uncollectible": lambda c, own, under: c.v1.invoices.mark_uncollectible_async(own, None, under),
    "void": lambda c, own, under: c.v1.invoices.void_invoice_async(own, None, under),
}
OPEN = frozenset({InvoiceStatus.DRAFT, InvoiceStatus.OPEN, InvoiceStatus.UNKNOWN})
PAYABLE = OPEN | {InvoiceStatus.UNCOLLECTIBLE}


async def close_invoice(client: StripeClient, invoice: str, *, how: str, key: str) -> Json:
    """`uncollectible` or `void`; the invoice after it. One that was closed or paid meanwhile comes
    back as it is.

    The draft of a subscription cannot be deleted (docs.stripe.com/api/invoices/delete): it is
    finalised without being collected, and closed then, under another key than the one refused.
    """
    if how not in CLOSES:
        raise ValueError(f"no way to close an invoice is called {how!r}")
    try:
        return await _closed(client, invoice, how, key)
    except ProviderRefused:
        found = await _invoice(client, invoice)
        if status_of(found) is InvoiceStatus.DRAFT:
            found = await _finalised(client, invoice, f"{key}:finalize")
            if status_of(found) in OPEN:
                return await _closed(client, invoice, how, f"{key}:finalized")
        if status_of(found) in OPEN:
            raise
        return found


async def name_method(client: StripeClient, invoice: str, method: str, key: str) -> None:
    """What an open invoice is charged to from now on; one that was closed or paid is left."""
    named: Any = {"default_payment_method": method}
    try:
        with in_our_words():
            await client.v1.invoices.update_async(invoice, named, {"idempotency_key": key})
    except ProviderRefused:
        if status_of(await _invoice(client, invoice)) in PAYABLE:
            raise


async def _closed(client: StripeClient, invoice: str, how: str, key: str) -> Json:
    with in_our_words():
        return await json_of(CLOSES[how](client, invoice, {"idempotency_key": key}))


async def _finalised(client: StripeClient, invoice: str, key: str) -> Json:
    """The invoice, its draft closed; one finalised by somebody else meanwhile is refused."""
    alone: Any = {"auto_advance": False}
    try:
        with in_our_words():
            asked = client.v1.invoices.finalize_invoice_async(
                invoice, alone, {"idempotency_key": key}
            )
            return await json_of(asked)
    except ProviderRefused:
        return await _invoice(client, invoice)


async def _invoice(client: StripeClient, invoice: str) -> Json:
    with in_our_words():
        return await json_of(client.v1.invoices.retrieve_async(invoice))


async def _let_go(client: StripeClient, schedule: str, key: str) -> None:
    """Release a schedule; one released meanwhile is refused, which the next call will tell."""
    try:
        with in_our_words():
            await client.v1.subscription_schedules.release_async(
                schedule, None, {"idempotency_key": key}
            )
    except ProviderRefused:
        return


async def _read(client: StripeClient, subscription: str) -> Json | None:
    """The live subscription; None for one that does not exist (any more)."""
    try:
        with in_our_words():
            return await json_of(client.v1.subscriptions.retrieve_async(subscription))
    except ProviderRefused as refused:
        if refused.code == MISSING:
            return None
        raise
