"""What offers read, preview and change at Stripe."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from stripe import StripeClient

from app.domain.changes import (
    AddDiscount,
    Change,
    ChangeItems,
    GiveCredit,
    MoveTrialEnd,
    PlanItems,
)
from app.domain.merchants import ProviderAccount
from app.domain.standing import Forecast, Price, Standing
from app.ports.clock import Clock
from app.ports.payments import ProviderRefused
from app.providers.stripe.change_calls import (
    CALLS,
    MISSING,
    Call,
    discounts_with,
    have_coupon,
    items_with,
    seconds,
)
from app.providers.stripe.connection import Connections, json_of
from app.providers.stripe.failures import in_our_words
from app.providers.stripe.pages import every_row
from app.providers.stripe.reading import Json, at, instant, ref, whole
from app.providers.stripe.standings import STANDING, forecast_of, price_of, standing_of

# An offer is applied or given up within days; a credit older than this is none we look for.
CREDITS_WITHIN = timedelta(days=31)


class Changing:
    """The part of `StripePayments` that offers need."""

    _connections: Connections
    _clock: Clock

    async def read_standing(
        self, account: ProviderAccount, subscription: str, *, credits_of: str | None = None
    ) -> Standing:
        """The live subscription with its discounts, schedule and latest invoice."""
        client = self._connections.client(account)
        found: list[Json] = []
        with in_our_words():
            obj = await json_of(client.v1.subscriptions.retrieve_async(subscription, STANDING))
            if credits_of is not None:
                since = self._clock.now() - CREDITS_WITHIN
                found = await every_row(
                    lambda asked: client.v1.customers.balance_transactions.list_async(
                        credits_of, asked
                    ),
                    enough=lambda row: (instant(row.get("created")) or since) < since,
                )
        return standing_of(obj, found)

    async def read_prices(
        self, account: ProviderAccount, prices: tuple[str, ...]
    ) -> dict[str, Price]:
        """Each price that exists, is active and recurs."""
        client = self._connections.client(account)
        found: dict[str, Price] = {}
        for price in prices:
            try:
                with in_our_words():
                    obj = await json_of(client.v1.prices.retrieve_async(price))
            except ProviderRefused as refused:
                if refused.code == MISSING:
                    continue
                raise
            if obj.get("active") is True and obj.get("recurring"):
                found[price] = price_of(obj)
        return found

    async def change(
        self,
        account: ProviderAccount,
        subscription: str,
        change: Change,
        *,
        customer: str | None,
        key: str,
    ) -> None:
        """The requests of one change, the last of them under `key`."""
        client = self._connections.client(account)
        with in_our_words():
            await CALLS[type(change)](Call(client, subscription, customer, key), change)

    async def preview_change(
        self,
        account: ProviderAccount,
        standing: Standing,
        changes: tuple[Change, ...],
        *,
        discounts: tuple[str, ...] | None = None,
    ) -> Forecast:
        """Stripe's own preview. A coupon that it needs is made first: by itself it costs nobody
        anything, and without it Stripe could not say what taxes and rounding make of it. Credit
        that was not given yet Stripe cannot foresee; it is set off here."""
        client = self._connections.client(account)
        with in_our_words():
            asked = await _asked(client, standing, changes, discounts)
            shown = await json_of(client.v1.invoices.create_preview_async(asked))
            shown = await _with_lines(client, shown)
        metered = [item.price.id for item in standing.items if item.price.metered]
        forecast = forecast_of(shown, metered=metered)
        given = sum(one.amount_minor for one in changes if isinstance(one, GiveCredit))
        return replace(forecast, due_minor=max(0, forecast.due_minor - given))


async def _with_lines(client: StripeClient, preview: Json) -> Json:
    """The preview with all of its lines; of itself it shows ten. They are asked for anew from the
    first, a hundred at a time, because lines of a preview may have other ids in another answer."""
    own = ref(preview)
    if own is None or at(preview, "lines", "has_more") is not True:
        return preview
    found = await every_row(lambda asked: client.v1.invoices.line_items.list_async(own, asked))
    total = whole(at(preview, "lines", "total_count"))
    whole_list = total is None or total == len(found)
    return {**preview, "lines": {"data": found, "has_more": not whole_list}}


async def _asked(
    client: StripeClient,
    standing: Standing,
    changes: Iterable[Change],
    discounts: tuple[str, ...] | None,
) -> Any:
    """What Stripe is asked to imagine."""
    asked: dict[str, Any] = {"subscription": standing.subscription_id}
    if discounts is not None:
        asked["discounts"] = [{"discount": ident} for ident in discounts] or ""
    details: dict[str, Any] = {}
    if standing.ends:  # else there is no next invoice to be seen
        stays: dict[str, Any] = {"cancel_at_period_end": False}
        details |= stays if standing.cancel_at_period_end else {"cancel_at": ""}
    for change in changes:
        if isinstance(change, AddDiscount | PlanItems) and change.coupon is not None:
            await have_coupon(client, change)
            asked["discounts"] = discounts_with(change)
        elif type(change) in DETAILS:
            details |= DETAILS[type(change)](change)
    if details:
        asked["subscription_details"] = details
    return asked


def _items(change: ChangeItems) -> dict[str, Any]:
    dated = change.dated is not None and change.proration != "none"
    return {
        "items": items_with(change.items),
        "proration_behavior": change.proration,
        **({"proration_date": seconds(change.dated)} if dated and change.dated else {}),
    }


# What alters the next invoice, in the words of a preview.
DETAILS: dict[type[Any], Callable[[Any], dict[str, Any]]] = {
    ChangeItems: _items,
    PlanItems: lambda one: {"items": items_with(one.items), "proration_behavior": "none"},
    MoveTrialEnd: lambda one: {"trial_end": seconds(one.at), "proration_behavior": "none"},
}
