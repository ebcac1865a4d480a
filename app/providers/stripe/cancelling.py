"""Ending subscriptions at Stripe by request, taking it back, and refunds."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from stripe import StripeClient

from app.domain.cancellations import GONE, Departing
from app.domain.merchants import ProviderAccount
from app.ports.clock import Clock
from app.ports.payments import ProviderRefused, ProviderUnavailable
from app.providers.stripe.answers import owned
from app.providers.stripe.connection import Connections, json_of
from app.providers.stripe.failures import in_our_words
from app.providers.stripe.invoices import read_invoice
from app.providers.stripe.pages import every_row
from app.providers.stripe.reading import Json, currency, ref, text, whole
from app.providers.stripe.subscriptions import read_subscription, waited_for

NO_LATER = timedelta(hours=1)  # within that a day that was wished for is the period's end
ALREADY_BACK = frozenset({"charge_already_refunded"})
PARTLY = ("open", "uncollectible")  # of these a part may have been paid
UNPAID = ("draft", "open")  # a draft is finalised and charged an hour after it was made


class Cancelling:
    """`ports.cancellations.Cancellations` for Stripe: a part of `StripePayments`."""

    _connections: Connections
    _clock: Clock

    async def read_departing(self, account: ProviderAccount, subscription: str) -> Departing:
        """The subscription, its invoices that are open or still drafts, and a preview of the next
        one where it has metered items: what was used is billed at the end of the period, whether it
        renews or not. Which invoice a change waits for the subscription alone tells."""
        client, now = self._connections.client(account), self._clock.now()
        with in_our_words():
            obj = await json_of(client.v1.subscriptions.retrieve_async(subscription))
            listed = [row for status in UNPAID for row in await _listed(client, obj, status)]
        shown = read_subscription(obj, seen_at=now)
        if shown is None:
            raise ProviderUnavailable("the answer shows no subscription")
        waited = waited_for(obj)
        found = [
            replace(one, pending_update=one.invoice_id == waited)
            for row in listed
            if (one := read_invoice(row, seen_at=now))
        ]
        upcoming = await _upcoming(client, subscription) if _is_metered(shown.items) else {}
        return Departing(
            subscription=replace(
                shown, merchant_id=account.merchant_id, account_id=account.account_id
            ),
            open_invoices=tuple(owned(one, account) for one in found if one.remaining_minor > 0),
            next_minor=whole(upcoming.get("amount_due")),
            next_currency=currency(upcoming.get("currency")),
        )

    async def cancel(
        self,
        account: ProviderAccount,
        subscription: str,
        *,
        at_once: bool,
        until: datetime | None = None,
        feedback: str | None,
        key: str,
    ) -> None:
        """`DELETE`, `cancel_at_period_end`, or `cancel_at`, whose last period is charged by the day
        (docs.stripe.com/api/subscriptions/update). Stripe gives a DELETE no idempotency key: that
        it was done already is caught by reading. A schedule would undo the end, so it goes first.
        """
        client = self._connections.client(account)
        details: Any = {"cancellation_details": {"feedback": feedback}} if feedback else {}
        with in_our_words():
            obj = await json_of(client.v1.subscriptions.retrieve_async(subscription))
            if text(obj.get("status")) in GONE:
                return
            await _release(client, obj, key)
        try:
            with in_our_words():
                if at_once:
                    await client.v1.subscriptions.cancel_async(subscription, details)
                else:
                    ending: Any = {**_end_of(obj, until, self._clock.now()), **details}
                    await client.v1.subscriptions.update_async(
                        subscription, ending, {"idempotency_key": key}
                    )
        except ProviderRefused:
            if not await _is_gone(client, subscription):
                raise

    async def uncancel(self, account: ProviderAccount, subscription: str, *, key: str) -> None:
        """Whichever field holds the end is taken back: the portal sets `cancel_at` and leaves the
        flag alone where billing is flexible. A schedule is let go for that alone."""
        client = self._connections.client(account)
        with in_our_words():
            obj = await json_of(client.v1.subscriptions.retrieve_async(subscription))
            if text(obj.get("status")) in GONE:
                raise ProviderRefused("the subscription has ended", "ended")
            if not (obj.get("cancel_at") or obj.get("cancel_at_period_end")):
                return
            await _release(client, obj, key)
            back: Any = {"cancel_at_period_end": False}
            if obj.get("cancel_at_period_end") is not True:
                back = {"cancel_at": ""}
            await client.v1.subscriptions.update_async(subscription, back, {"idempotency_key": key})

    async def paid_invoices(self, account: ProviderAccount, subscription: str) -> tuple[str, ...]:
        """All pages of them, and those of which but a part was paid, a transfer say."""
        client, owner = self._connections.client(account), {"id": subscription}
        with in_our_words():
            listed = await _listed(client, owner, "paid")
            partly = [row for status in PARTLY for row in await _listed(client, owner, status)]
        paid = [*listed, *(row for row in partly if whole(row.get("amount_paid")))]
        return tuple(found for row in paid if (found := ref(row)))

    async def refund(
        self,
        account: ProviderAccount,
        payment: str,
        *,
        key: str,
        amount_minor: int | None = None,
    ) -> None:
        """Refund a payment intent, or a charge where there is none."""
        client = self._connections.client(account)
        named = "charge" if payment.startswith(("ch_", "py_")) else "payment_intent"
        asked: Any = {named: payment, "reason": "requested_by_customer"}
        if amount_minor is not None:
            asked["amount"] = amount_minor
        try:
            with in_our_words():
                await client.v1.refunds.create_async(asked, {"idempotency_key": key})
        except ProviderRefused as refused:
            if refused.code not in ALREADY_BACK:
                raise


def _end_of(obj: Json, until: datetime | None, now: datetime) -> dict[str, Any]:
    """The field that plans the end: the period's, or a later instant."""
    shown = read_subscription(obj, seen_at=now)
    period_end = shown.period_end if shown else None
    if until is None or period_end is None or until - period_end <= NO_LATER:
        return {"cancel_at_period_end": True}
    return {"cancel_at": int(until.timestamp())}


async def _listed(client: StripeClient, subscription: Json, status: str) -> list[Json]:
    return await every_row(
        client.v1.invoices.list_async, subscription=ref(subscription), status=status
    )


async def _upcoming(client: StripeClient, subscription: str) -> Json:
    """The next invoice; empty where there is none to come (404)."""
    asked: Any = {"subscription": subscription}
    try:
        with in_our_words():
            return await json_of(client.v1.invoices.create_preview_async(asked))
    except ProviderRefused:
        return {}


async def _release(client: StripeClient, obj: Json, key: str) -> None:
    """Let a schedule go that governs the subscription, whoever made it."""
    schedule = ref(obj.get("schedule"))
    if schedule is not None:
        options: Any = {"idempotency_key": f"{key}:release"}
        await client.v1.subscription_schedules.release_async(schedule, None, options)


async def _is_gone(client: StripeClient, subscription: str) -> bool:
    with in_our_words():
        obj = await json_of(client.v1.subscriptions.retrieve_async(subscription))
    return text(obj.get("status")) in GONE


def _is_metered(items: tuple[Json, ...]) -> bool:
    return any(item.get("metered") for item in items)
