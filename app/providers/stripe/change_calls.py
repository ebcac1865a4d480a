"""The changes that offers ask for, each as its requests to Stripe."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from hashlib import sha256
from typing import Any

from stripe import StripeClient

from app.domain.changes import (
    AddDiscount,
    ChangeItems,
    DropPending,
    DropPlan,
    GiveCredit,
    MoveTrialEnd,
    Pause,
    PlanEnd,
    PlanItems,
    ReleaseSchedule,
    RemoveDiscount,
    Resume,
    TakeBackEnd,
    Wanted,
)
from app.ports.payments import ProviderRefused
from app.providers.stripe.connection import json_of
from app.providers.stripe.ends import REAL_PAUSE
from app.providers.stripe.failures import in_our_words
from app.providers.stripe.phases import item_of, phases_of
from app.providers.stripe.reading import Json, ref, rows, table
from app.providers.stripe.standings import MARK, STANDING, standing_of

EXISTS, MISSING = "resource_already_exists", "resource_missing"
WHEN_UNPAID = {"hold": "pending_if_incomplete", "refuse": "error_if_incomplete"}


class Call:
    """One change on its way: whose subscription, and under which key."""

    def __init__(
        self, client: StripeClient, subscription: str, customer: str | None, key: str
    ) -> None:
        self.client, self.subscription, self.customer = client, subscription, customer
        self.key = key

    def under(self, part: str = "") -> Any:
        """The key of this change, or of a part of it."""
        return {"idempotency_key": f"{self.key}:{part}" if part else self.key}

    async def update(self, part: str = "", /, **params: Any) -> None:
        """Update the subscription."""
        given: Any = params
        await self.client.v1.subscriptions.update_async(self.subscription, given, self.under(part))

    async def read(self) -> Json:
        """The subscription as it is."""
        return await json_of(
            self.client.v1.subscriptions.retrieve_async(self.subscription, STANDING)
        )


async def _add_discount(call: Call, change: AddDiscount) -> None:
    await have_coupon(call.client, change)
    await call.update(discounts=discounts_with(change), metadata={MARK: change.mark})


def discounts_with(change: AddDiscount | PlanItems) -> list[dict[str, str]]:
    """The list replaces what stands, so what is to stay is named again."""
    new = [{"coupon": change.coupon}] if change.coupon else []
    return [*({"discount": ident} for ident in change.keep), *new]


async def have_coupon(client: StripeClient, change: AddDiscount | PlanItems) -> None:
    """The coupon of these terms, made when it is first needed. Its id is its key: made twice at
    once, the second is refused and finds the first."""
    try:
        with in_our_words():
            await client.v1.coupons.retrieve_async(change.coupon or "")
            return
    except ProviderRefused as refused:
        if refused.code != MISSING:
            raise
    params: Any = {"id": change.coupon, "duration": "once"}
    if change.months is not None:
        params |= {"duration": "repeating", "duration_in_months": change.months}
    if isinstance(change, AddDiscount) and change.percent is not None:
        params["percent_off"] = change.percent
    else:
        off = change.amount_minor if isinstance(change, AddDiscount) else change.off_minor
        params |= {"amount_off": off, "currency": change.currency}
    try:
        with in_our_words():
            await client.v1.coupons.create_async(params)
    except ProviderRefused as refused:
        if refused.code != EXISTS:
            raise


async def _remove_discount(call: Call, change: RemoveDiscount) -> None:
    """All but that coupon's. Read first: what stands beside it is to stay. Repeated, something
    else may stand there, and Stripe refuses a key that comes with another list: so each list has
    a key of its own."""
    standing = standing_of(await call.read())
    stays = [d.id for d in standing.discounts if d.coupon != change.coupon]
    named = sha256(" ".join(stays).encode()).hexdigest()[:16]
    await call.update(named, discounts=[{"discount": ident} for ident in stays] or "")


async def _release_schedule(call: Call, change: ReleaseSchedule) -> None:
    await _release(call, change.schedule)


async def _release(call: Call, schedule: str) -> None:
    await call.client.v1.subscription_schedules.release_async(schedule, None, call.under())


async def _take_back_end(call: Call, change: TakeBackEnd) -> None:
    stays: dict[str, Any] = {"cancel_at_period_end": False} if change.flagged else {"cancel_at": ""}
    await call.update(**stays)


async def _plan_end(call: Call, change: PlanEnd) -> None:
    if change.at is None:
        await call.update(cancel_at_period_end=True)
    else:
        await call.update(cancel_at=seconds(change.at))


async def _change_items(call: Call, change: ChangeItems) -> None:
    """Nobody sits in front of the bank's page: the charge is off-session, and one that wants the
    customer waits on the invoice's page. A change that is held until it is paid may not say so:
    `off_session` is none of the attributes that docs.stripe.com names for pending updates."""
    params: dict[str, Any] = {
        "items": items_with(change.items),
        "proration_behavior": change.proration,
    }
    if change.when_unpaid is not None:
        params["payment_behavior"] = WHEN_UNPAID[change.when_unpaid]
    if change.when_unpaid != "hold":
        params["off_session"] = True
    if change.dated is not None and change.proration != "none":
        params["proration_date"] = seconds(change.dated)
    await call.update(**params)


def items_with(wanted: Iterable[Wanted]) -> list[dict[str, Any]]:
    """With its id, or it would be one item more; with its quantity, or that would be one."""
    return [item_of(one, id=one.id) for one in wanted]


async def _drop_pending(call: Call, change: DropPending) -> None:
    """A pending update goes with the invoice it waits for."""
    await call.client.v1.invoices.void_invoice_async(change.invoice, None, call.under())


async def _plan_items(call: Call, change: PlanItems) -> None:
    """A schedule is made from the subscription by one request and gets its phases and our mark by
    another; a schedule left half made is taken up again."""
    if change.coupon is not None:
        await have_coupon(call.client, change)
    schedule = await _schedule_of(call)
    begun = next(rows(schedule.get("phases")), {})
    params: Any = {
        "end_behavior": "release",
        "proration_behavior": "none",
        "metadata": {MARK: change.mark},
        "phases": phases_of(change, begun, discounts_with(change)),
    }
    found = ref(schedule) or ""
    await call.client.v1.subscription_schedules.update_async(found, params, call.under("phases"))


async def _schedule_of(call: Call) -> Json:
    params: Any = {"from_subscription": call.subscription}
    try:
        with in_our_words():
            making = call.client.v1.subscription_schedules.create_async(params, call.under())
            return await json_of(making)
    except ProviderRefused:
        attached = table((await call.read()).get("schedule"))
        if len(list(rows(attached.get("phases")))) != 1 or attached.get("metadata"):
            raise
        return attached


async def _drop_plan(call: Call, change: DropPlan) -> None:
    standing = standing_of(await call.read())
    if standing.schedule is not None and standing.schedule_mark == change.mark:
        await _release(call, standing.schedule)


async def _pause(call: Call, change: Pause) -> None:
    """The real pause, or that of collection."""
    if change.collection:
        until = seconds(change.until)
        await call.update(pause_collection={"behavior": "void", "resumes_at": until})
        return
    await call.client.v1.subscriptions.pause_async(call.subscription, REAL_PAUSE, call.under())


async def _resume(call: Call, change: Resume) -> None:
    """A charge that is refused on resuming leaves the subscription past due, which is ours to
    collect; waiting for it would leave a customer without what they came back for."""
    if change.collection:
        await call.update(pause_collection="")
        return
    anchor = {"billing_cycle_anchor": {"type": "now" if change.anew else "unchanged"}}
    params: Any = {**anchor, "payment_behavior": "resume_on_payment_attempt"}
    if not change.anew:
        params["proration_behavior"] = "none"
    await call.client.v1.subscriptions.resume_async(call.subscription, params, call.under())


async def _move_trial_end(call: Call, change: MoveTrialEnd) -> None:
    await call.update(trial_end=seconds(change.at), proration_behavior="none")


async def _give_credit(call: Call, change: GiveCredit) -> None:
    """At Stripe a negative amount is a credit."""
    params: Any = {
        "amount": -change.amount_minor,
        "currency": change.currency,
        "metadata": {MARK: change.mark},
    }
    if call.customer is None:
        raise ProviderRefused("there is no customer to give credit to")
    await call.client.v1.customers.balance_transactions.create_async(
        call.customer, params, call.under()
    )


def seconds(at: datetime) -> int:
    """An instant as Stripe writes it."""
    return int(at.timestamp())


CALLS: dict[type[Any], Callable[[Call, Any], Awaitable[None]]] = {
    AddDiscount: _add_discount,
    RemoveDiscount: _remove_discount,
    ReleaseSchedule: _release_schedule,
    TakeBackEnd: _take_back_end,
    PlanEnd: _plan_end,
    ChangeItems: _change_items,
    DropPending: _drop_pending,
    PlanItems: _plan_items,
    DropPlan: _drop_plan,
    Pause: _pause,
    Resume: _resume,
    MoveTrialEnd: _move_trial_end,
    GiveCredit: _give_credit,
}
