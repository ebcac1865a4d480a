"""Stripe's API as our port for payments."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import httpx
from stripe import StripeError

from app.domain.merchants import ProviderAccount
from app.domain.mirror import Invoice
from app.domain.notices import Notice
from app.domain.outcomes import Outcome, PayAnswer
from app.ports.clock import Clock
from app.ports.payments import (
    AccountRefused,
    EventPage,
    InvoiceReading,
    LastLook,
    OwingPage,
    ProviderRefused,
    ProviderUnavailable,
    RenewalReading,
    SubscriptionPage,
    Wallet,
)
from app.ports.secrets import Sealer
from app.providers.stripe.answers import answer_of_error, answer_of_invoice, owned, reading_of
from app.providers.stripe.backfill import page_of
from app.providers.stripe.cancelling import Cancelling
from app.providers.stripe.changing import Changing
from app.providers.stripe.charged import method_shown
from app.providers.stripe.connection import LAST_LOOK, TIMEOUT, Connections, json_of
from app.providers.stripe.credit_notes import has_notes, notes_behind
from app.providers.stripe.ends import (
    ENDED,
    close_invoice,
    end_subscription,
    name_method,
    unless_stands,
)
from app.providers.stripe.failures import MISSING, in_our_words
from app.providers.stripe.invoices import read_invoice
from app.providers.stripe.listing import events_of_span, owing
from app.providers.stripe.live import (
    MOST_LISTED,
    charges_behind,
    invoice_shown,
    kind_of,
    notices_of_object,
    object_shown,
    refunds_behind,
)
from app.providers.stripe.methods import LINK_MARK
from app.providers.stripe.movements import Moved
from app.providers.stripe.pacing import Limits, Pacer
from app.providers.stripe.reading import Json, ref, rows, text
from app.providers.stripe.renewals import RENEWAL, RESUMED, next_invoice, renewal_method, renewal_of
from app.providers.stripe.wallets import wallet_of

INTENT = "payments.data.payment.payment_intent"
READING = [
    "default_payment_method",
    "parent.subscription_details.subscription.default_payment_method",
    "customer.invoice_settings.default_payment_method",
    "customer.default_source",
]
NAMED = "pm_"  # what begins otherwise is a source of before 2018


class StripePayments(Cancelling, Changing, Moved):
    """`ports.payments.Payments` for Stripe. Belongs to one event loop; `close` at the end.

    Charges are sent once and never repeated by the SDK, so that the doubt of a timeout is ours to
    resolve; questions and harmless writes are repeated twice under one key, unless all the time
    for an answer passed without one.
    """

    def __init__(
        self,
        sealer: Sealer,
        clock: Clock,
        *,
        timeout: httpx.Timeout = TIMEOUT,
        limits: Limits | None = None,
    ) -> None:
        """Without `limits` no pace is kept: for a stepped clock, on which nobody waits."""
        pacer = Pacer(limits) if limits is not None else None
        self._connections = Connections(sealer, timeout=timeout, pacer=pacer)
        self._clock = clock

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close()

    async def read_invoice(
        self, account: ProviderAccount, invoice: str, *, every_attempt: bool = False
    ) -> InvoiceReading:
        """The live invoice, its payments with their latest charges, and the method to be charged
        next: the invoice's own, the subscription's, the customer's, in Stripe's order.

        All tries stand on one payment intent, which shows the latest alone: with `every_attempt`
        its charges are listed, the newest hundred. Credit notes are asked for where the invoice
        shows that there are any.
        """
        client = self._connections.client(account)
        with in_our_words():
            obj = await invoice_shown(client, invoice, READING)
            method = method_shown(obj)
            if isinstance(method, str):
                method = await json_of(client.v1.payment_methods.retrieve_async(method))
            charges = await charges_behind(client, obj) if every_attempt else None
            asked: Any = {"invoice": invoice, "limit": MOST_LISTED}
            listed = client.v1.credit_notes.list_async(asked) if has_notes(obj) else None
            notes = notes_behind(list(rows(await json_of(listed)))) if listed else ()
        reading = reading_of(obj, account, self._clock.now(), method=method or {}, charges=charges)
        if reading is None:
            raise ProviderUnavailable("the answer shows no invoice")
        return replace(reading, notes=notes)

    async def read_renewal(self, account: ProviderAccount, subscription: str) -> RenewalReading:
        """The live subscription and Stripe's preview of its next invoice."""
        client = self._connections.client(account)
        with in_our_words():
            obj = await json_of(client.v1.subscriptions.retrieve_async(subscription, RENEWAL))
            method = renewal_method(obj)
            if isinstance(method, str):
                method = await json_of(client.v1.payment_methods.retrieve_async(method))
            asked: Any = {"subscription": subscription}
            if obj.get("status") == "paused":
                asked |= RESUMED
            preview: Json | None = None
            if text(obj.get("status")) not in ENDED:
                preview = await next_invoice(client.v1.invoices.create_preview_async(asked))
        return renewal_of(obj, preview, method or {}, account, self._clock.now())

    async def read_wallet(self, account: ProviderAccount, customer: str) -> Wallet:
        """The customer and the cards attached to them, the newest hundred."""
        client = self._connections.client(account)
        with in_our_words():
            return await wallet_of(client, account, customer, self._clock.now())

    async def pay(
        self,
        account: ProviderAccount,
        invoice: str,
        *,
        key: str,
        method: str | None = None,
        last_look: LastLook | None = None,
    ) -> PayAnswer:
        """Charge an open invoice once, off-session, under `key`. See `answer_of_error`. An old
        source cannot be named as `method`: Stripe then takes its own choice."""
        try:
            client = self._connections.client(account)
        except AccountRefused as refused:
            return PayAnswer(
                outcome=Outcome.NOT_EXECUTED, reason=str(refused), account_refused=True
            )
        params: Any = {"off_session": True, "expand": [INTENT]}
        if method and method.startswith(NAMED):
            params["payment_method"] = method
        options: Any = {"idempotency_key": key, "max_network_retries": 0}
        looked = LAST_LOOK.set(last_look)
        try:
            obj = await json_of(client.v1.invoices.pay_async(invoice, params, options))
        except StripeError as error:
            return answer_of_error(error)
        finally:
            LAST_LOOK.reset(looked)
        return answer_of_invoice(obj, account, self._clock.now())

    async def stop_provider_retries(self, account: ProviderAccount, invoice: str) -> Invoice:
        """Set `auto_advance=false` (Stripe then neither retries nor writes), and read back."""
        return await self._advance(account, invoice, {"auto_advance": False})

    async def resume_provider_retries(self, account: ProviderAccount, invoice: str) -> Invoice:
        """Set `auto_advance=true` and read back; when Stripe tries next is its own choice."""
        return await self._advance(account, invoice, {"auto_advance": True})

    async def _advance(self, account: ProviderAccount, invoice: str, params: Any) -> Invoice:
        client = self._connections.client(account)
        with in_our_words():
            await client.v1.invoices.update_async(invoice, params)
            obj = await json_of(client.v1.invoices.retrieve_async(invoice))
        return self._invoice(obj, account)

    async def set_default_method(
        self,
        account: ProviderAccount,
        *,
        customer: str | None,
        subscriptions: tuple[str, ...],
        invoices: tuple[str, ...] = (),
        method: str,
        key: str,
    ) -> None:
        """The customer's default first, unless none is named, then each subscription's and each
        invoice's; what has ended or was paid is left."""
        client = self._connections.client(account)
        default: Any = {"invoice_settings": {"default_payment_method": method}}
        with in_our_words():
            if customer is not None:
                await client.v1.customers.update_async(customer, default, _under(key, customer))
        for subscription in subscriptions:
            params: Any = {"default_payment_method": method}
            update = client.v1.subscriptions.update_async(
                subscription, params, _under(key, subscription)
            )
            await unless_stands(client, subscription, update)
        for invoice in invoices:
            await name_method(client, invoice, method, f"{key}:{invoice}")

    async def card_page(
        self,
        account: ProviderAccount,
        *,
        customer: str,
        return_url: str,
        link: str,
        currency: str,
    ) -> str:
        """A Checkout in setup mode. `link` travels in the set-up's metadata and comes back with
        `setup_intent.succeeded`. Every call makes a new page; nothing is charged by it."""
        client = self._connections.client(account)
        params: Any = {
            "mode": "setup",
            "customer": customer,
            "currency": currency,
            "success_url": return_url,
            "cancel_url": return_url,
            "metadata": {LINK_MARK: link},
            "setup_intent_data": {"metadata": {LINK_MARK: link}},
        }
        with in_our_words():
            obj = await json_of(client.v1.checkout.sessions.create_async(params))
        url = text(obj.get("url"), 4096)
        if url is None:
            raise ProviderUnavailable("the answer shows no page")
        return url

    async def invoice_page(self, account: ProviderAccount, invoice: str) -> str | None:
        """The hosted page of the invoice; a fresh read gives an address that works."""
        client = self._connections.client(account)
        with in_our_words():
            obj = await json_of(client.v1.invoices.retrieve_async(invoice))
        return text(obj.get("hosted_invoice_url"), 4096)

    async def end_subscription(
        self, account: ProviderAccount, subscription: str, *, how: str, key: str
    ) -> None:
        """`cancel_now`, `cancel_at_period_end` or `pause`. See `ends.end_subscription`."""
        client = self._connections.client(account)
        await end_subscription(client, subscription, how=how, key=key)

    async def close_invoice(
        self, account: ProviderAccount, invoice: str, *, how: str, key: str
    ) -> Invoice:
        """`uncollectible` (may still be paid later) or `void` (final). The invoice after it; one
        that was closed or paid meanwhile comes back as it is."""
        client = self._connections.client(account)
        return self._invoice(await close_invoice(client, invoice, how=how, key=key), account)

    async def invoice_of_payment(self, account: ProviderAccount, payment: str) -> str | None:
        """The invoice an intent (or, in old accounts, a charge) settled: by the invoice payments,
        because since 2025-03-31 neither names it."""
        client = self._connections.client(account)
        with in_our_words():
            if payment.startswith(("ch_", "py_")):
                charge = await json_of(client.v1.charges.retrieve_async(payment))
                intent = ref(charge.get("payment_intent"))
                if intent is None:
                    return ref(charge.get("invoice"))
                payment = intent
            asked: Any = {"type": "payment_intent", "payment_intent": payment}
            obj = await json_of(
                client.v1.invoice_payments.list_async({"payment": asked, "limit": 1})
            )
        return ref(next(rows(obj), {}).get("invoice"))

    async def read_object(
        self,
        account: ProviderAccount,
        *,
        type: str,  # noqa: A002 - the port's word
        id: str,  # noqa: A002 - the port's word
        event: str,
        at: datetime,
    ) -> list[Notice]:
        """What an object is now, as notices of `event` at the instant `at`.

        The kind of each follows from the object's state. Its type is told by its id, else by
        `type`; one that we do not read gives no notice, nor does one that is gone (404).
        """
        kind = kind_of(type, id)
        if kind is None:
            return []
        client = self._connections.client(account)
        try:
            with in_our_words():
                obj = await object_shown(client, kind, id)
        except ProviderRefused as refused:
            if refused.code == MISSING:
                return []
            raise
        invoice = None
        if kind in {"payment_intent", "charge", "refund"}:
            payment = ref(obj.get("payment_intent")) or ref(obj.get("charge")) or id
            invoice = await self.invoice_of_payment(account, payment)
        with in_our_words():
            refunds = await refunds_behind(client, kind, obj)
        return notices_of_object(
            kind,
            obj,
            account,
            event=event,
            at=at,
            now=self._clock.now(),
            invoice=invoice,
            refunds=refunds,
        )

    async def list_subscriptions(
        self, account: ProviderAccount, *, after: str | None, limit: int
    ) -> SubscriptionPage:
        """One page of the account's subscriptions with their customers, newest first."""
        asked: Any = {"status": "all", "limit": limit}
        asked["expand"] = ["data.customer", "data.discounts.source.coupon"]
        if after is not None:
            asked["starting_after"] = after
        client = self._connections.client(account)
        with in_our_words():
            obj = await json_of(client.v1.subscriptions.list_async(asked))
        return page_of(obj, account, self._clock.now())

    async def list_events(
        self,
        account: ProviderAccount,
        *,
        since: datetime,
        until: datetime,
        after: str | None,
        limit: int,
    ) -> EventPage:
        """One page of the account's events between two instants, of the types in `EVENTS`."""
        client = self._connections.client(account)
        return await events_of_span(client, since=since, until=until, after=after, limit=limit)

    async def list_owing(
        self, account: ProviderAccount, *, after: str | None, limit: int
    ) -> OwingPage:
        """One page of open invoices, then of subscriptions past due and unpaid."""
        client = self._connections.client(account)
        return await owing(
            client, lambda obj: self._invoice(obj, account), after=after, limit=limit
        )

    def _invoice(self, obj: Json, account: ProviderAccount) -> Invoice:
        invoice = read_invoice(obj, seen_at=self._clock.now())
        if invoice is None:
            raise ProviderUnavailable("the answer shows no invoice")
        return owned(invoice, account)


def _under(key: str, subject: str) -> Any:
    """A key of its own for each of several writes that belong together."""
    return {"idempotency_key": f"{key}:{subject}"[:255]}
