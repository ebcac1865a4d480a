"""What offers change at Stripe, each change as its requests, and the preview of one."""

from collections.abc import Awaitable, Callable
from typing import Any

from stripe import StripeClient

from app.domain.changes import (
    AddDiscount,
    Change,
    PlanEnd,
    ReleaseSchedule,
    RemoveDiscount,
    TakeBackEnd,
)
from app.domain.merchants import ProviderAccount
from app.domain.standing import Forecast, Price, Standing
from app.ports.payments import ProviderRefused
from app.providers.stripe.connection import Connections, json_of
from app.providers.stripe.failures import in_our_words
from app.providers.stripe.reading import Json, rows
from app.providers.stripe.standings import (
    MARK,
    STANDING,
    forecast_of,
    price_of,
    standing_of,
)

EXISTS, MISSING = "resource_already_exists", "resource_missing"
CREDITS_READ = 20


class Changing:
    """The part of `StripePayments` that offers need."""

    _connections: Connections

    async def read_standing(
        self, account: ProviderAccount, subscription: str, *, credits_of: str | None = None
    ) -> Standing:
        """The live subscription with its discounts, schedule and latest invoice."""
        client = self._connections.client(account)
        found: list[Json] = []
        with in_our_words():
            obj = await json_of(client.v1.subscriptions.retrieve_async(subscription, STANDING))
            if credits_of is not None:
                asked: Any = {"limit": CREDITS_READ}
                listing = client.v1.customers.balance_transactions.list_async(credits_of, asked)
                found = list(rows(await json_of(listing)))
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
        self, account: ProviderAccount, standing: Standing, change: Change | None
    ) -> Forecast:
        """Stripe's own preview. A coupon that it needs is made first: by itself it costs nobody
        anything, and without it Stripe could not say what taxes and rounding make of it."""
        client = self._connections.client(account)
        asked: Any = {"subscription": standing.subscription_id}
        if standing.ends:  # else there is no next invoice to be seen
            stays: Any = {"cancel_at_period_end": False} if standing.cancel_at_period_end else None
            asked["subscription_details"] = stays or {"cancel_at": ""}
        with in_our_words():
            if isinstance(change, AddDiscount):
                await _have_coupon(client, change)
                asked["discounts"] = _discounts(change)
            return forecast_of(await json_of(client.v1.invoices.create_preview_async(asked)))


class Call:
    """One change on its way: whose subscription, and under which key."""

    def __init__(
        self, client: StripeClient, subscription: str, customer: str | None, key: str
    ) -> None:
        self.client, self.subscription, self.customer = client, subscription, customer
        self.options: Any = {"idempotency_key": key}

    async def update(self, **params: Any) -> None:
        """Update the subscription."""
        given: Any = params
        await self.client.v1.subscriptions.update_async(self.subscription, given, self.options)


async def _add_discount(call: Call, change: AddDiscount) -> None:
    await _have_coupon(call.client, change)
    await call.update(discounts=_discounts(change), metadata={MARK: change.mark})


def _discounts(change: AddDiscount) -> list[dict[str, str]]:
    """The list replaces what stands, so what is to stay is named again."""
    return [*({"discount": ident} for ident in change.keep), {"coupon": change.coupon}]


async def _have_coupon(client: StripeClient, change: AddDiscount) -> None:
    """The coupon of these terms, made when it is first needed. Its id is its key: made twice at
    once, the second is refused and finds the first."""
    try:
        with in_our_words():
            await client.v1.coupons.retrieve_async(change.coupon)
            return
    except ProviderRefused as refused:
        if refused.code != MISSING:
            raise
    params: Any = {"id": change.coupon, "duration": "once"}
    if change.months is not None:
        params |= {"duration": "repeating", "duration_in_months": change.months}
    if change.percent is not None:
        params["percent_off"] = change.percent
    else:
        params |= {"amount_off": change.amount_minor, "currency": change.currency}
    try:
        with in_our_words():
            await client.v1.coupons.create_async(params)
    except ProviderRefused as refused:
        if refused.code != EXISTS:
            raise


async def _remove_discount(call: Call, change: RemoveDiscount) -> None:
    """All but that coupon's. Read first: what stands beside it is to stay."""
    obj = await json_of(call.client.v1.subscriptions.retrieve_async(call.subscription, STANDING))
    stays = [d.id for d in standing_of(obj).discounts if d.coupon != change.coupon]
    await call.update(discounts=[{"discount": ident} for ident in stays] or "")


async def _release_schedule(call: Call, change: ReleaseSchedule) -> None:
    await call.client.v1.subscription_schedules.release_async(change.schedule, None, call.options)


async def _take_back_end(call: Call, change: TakeBackEnd) -> None:
    stays: dict[str, Any] = {"cancel_at_period_end": False} if change.flagged else {"cancel_at": ""}
    await call.update(**stays)


async def _plan_end(call: Call, change: PlanEnd) -> None:
    if change.at is None:
        await call.update(cancel_at_period_end=True)
    else:
        await call.update(cancel_at=int(change.at.timestamp()))


CALLS: dict[type[Any], Callable[[Call, Any], Awaitable[None]]] = {
    AddDiscount: _add_discount,
    RemoveDiscount: _remove_discount,
    ReleaseSchedule: _release_schedule,
    TakeBackEnd: _take_back_end,
    PlanEnd: _plan_end,
}
