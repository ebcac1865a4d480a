"""A subscription's time: its periods, renewals, trials, pauses and planned end."""

from app.providers.sandbox import collection, lines, standing
from app.providers.sandbox.calendar import DAY, add_interval, period_end
from app.providers.sandbox.core import Core
from app.providers.sandbox.discounts import still_valid, without_used
from app.providers.sandbox.drafting import blank_invoice, draft
from app.providers.sandbox.errors import Thing
from app.providers.sandbox.records import HIDDEN
from app.providers.sandbox.render import listed

INCOMPLETE_FOR = 23 * 3600
TRIAL_NOTICE = 3 * DAY


def items_of(subscription: Thing) -> list[Thing]:
    """The subscription's items."""
    found: list[Thing] = subscription["items"]["data"]
    return found


def item_list(subscription_id: str, items: list[Thing]) -> Thing:
    """Items as the subscription carries them."""
    made = listed(items, f"/v1/subscription_items?subscription={subscription_id}")
    return {**made, "total_count": len(items)}


def ends_at(subscription: Thing) -> int:
    """When the current period ends."""
    return int(items_of(subscription)[0]["current_period_end"])


def with_period(subscription: Thing, start: int, end: int) -> Thing:
    """The item list in another period."""
    moved = [
        {**item, "current_period_start": start, "current_period_end": end}
        for item in items_of(subscription)
    ]
    return item_list(subscription["id"], moved)


def next_end(subscription: Thing, start: int) -> int:
    """The end of the period that begins at `start`."""
    every = items_of(subscription)[0]["price"]["recurring"]
    anchor = subscription["billing_cycle_anchor"]
    if anchor > start:
        return int(anchor)
    return period_end(anchor, start, every["interval"], every["interval_count"])


def plan_ahead(core: Core, subscription: Thing) -> None:
    """Put what the current period brings into the book: renewal, notices, end."""
    end = ends_at(subscription)
    notice = end - core.settings["upcoming_days"] * DAY
    trial = subscription["trial_end"]
    warn = trial - TRIAL_NOTICE if trial and subscription["status"] == "trialing" else None
    core.schedule(
        subscription,
        renew=end,
        upcoming=notice if notice > core.now else None,
        trial_will_end=None if warn is None else max(warn, core.now),
        cancel=subscription["cancel_at"],
    )


def bill(
    core: Core,
    subscription: Thing,
    *,
    reason: str,
    made_lines: list[Thing],
    auto_advance: bool = True,
) -> Thing:
    """A draft for the subscription with these lines and what waits; it becomes the latest."""
    customer = core.find("customer", subscription["customer"])
    items = lines.pending_items(core, customer["id"], subscription["currency"])
    first = items_of(subscription)[0]
    invoice = draft(
        core,
        customer,
        subscription["currency"],
        reason=reason,
        subscription=subscription,
        items=items,
        made_lines=made_lines,
        auto_advance=auto_advance,
        period_start=first["current_period_start"],
        period_end=first["current_period_end"],
        collection_method=subscription["collection_method"],
    )
    core.change(
        subscription,
        latest_invoice=invoice["id"],
        discounts=_discounts_left(core, subscription),
    )
    return invoice


def _discounts_left(core: Core, subscription: Thing) -> list[str]:
    return without_used(core, subscription["discounts"])


def period_lines(core: Core, subscription: Thing, *, until: int | None = None) -> list[Thing]:
    """A line per item for the current period: for a part of it, where an end is planned within."""
    return [
        lines.subscription_line(core, subscription, item, amount=_worth(item, until))
        for item in items_of(subscription)
    ]


def _worth(item: Thing, until: int | None) -> int:
    """What the period is worth until the planned end, rounded to the nearest ("If set during a
    future period, this will always cause a proration for that period": the API's word on
    `cancel_at`)."""
    full = int(item["price"]["unit_amount"]) * int(item["quantity"])
    start, end = item["current_period_start"], item["current_period_end"]
    if until is None or not start < until < end:
        return full
    return int((2 * full * (until - start) + (end - start)) // (2 * (end - start)))


def renew(core: Core, subscription: Thing) -> None:
    """A new period begins: an invoice that is finalised an hour later, and charged."""
    start = ends_at(subscription)
    if _trial_ends_without_method(core, subscription):
        return
    former = core.change(
        subscription, items=with_period(subscription, start, next_end(subscription, start))
    )
    unpaid = subscription["status"] == "unpaid"
    former |= {"latest_invoice": subscription["latest_invoice"]}
    invoice = bill(
        core,
        subscription,
        reason="subscription_cycle",
        made_lines=period_lines(core, subscription, until=subscription["cancel_at"]),
        auto_advance=not unpaid,
    )
    if subscription["status"] == "trialing":
        former |= core.change(subscription, status="active")
    core.emit("customer.subscription.updated", subscription, former)
    plan_ahead(core, subscription)
    if not unpaid:
        _await_finalizing(core, subscription, invoice)


def _trial_ends_without_method(core: Core, subscription: Thing) -> bool:
    wish = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    if subscription["status"] != "trialing" or wish == "create_invoice":
        return False
    customer = core.find("customer", subscription["customer"])
    methods = (
        subscription["default_payment_method"],
        subscription["default_source"],
        customer["invoice_settings"]["default_payment_method"],
        customer["default_source"],
    )
    if any(methods):
        return False
    if wish == "pause":
        standing.pause(core, subscription, why="trial_end_without_payment_method")
    else:
        standing.end(core, subscription, reason=None)
    return True


def _await_finalizing(core: Core, subscription: Thing, invoice: Thing) -> None:
    pause = subscription["pause_collection"]
    if pause and pause["behavior"] == "keep_as_draft":
        core.change(invoice, auto_advance=False)
        return
    at = core.now + core.settings["finalize_after"]
    core.change(invoice, automatically_finalizes_at=at)
    core.schedule(invoice, finalize=at)


def finalize(core: Core, invoice: Thing) -> None:
    """The hour is over: close the draft and charge it, unless collection is paused."""
    subscription = standing.subscription_of(core, invoice)
    collection.finalize(core, invoice)
    if invoice["status"] != "open":
        return
    pause = (subscription or {}).get("pause_collection")
    if pause and pause["behavior"] == "void":
        collection.void(core, invoice)
    elif pause and pause["behavior"] == "mark_uncollectible":
        collection.write_off(core, invoice, "subscription_paused")
    elif invoice["collection_method"] == "charge_automatically":
        collection.collect(core, invoice)


def tell_upcoming(core: Core, subscription: Thing) -> None:
    """`invoice.upcoming`, some days before the renewal; the invoice does not exist yet."""
    core.schedule(subscription, upcoming=None)
    if subscription["cancel_at"] or subscription["pause_collection"]:
        return
    core.emit("invoice.upcoming", preview(core, subscription))


def preview(core: Core, subscription: Thing) -> Thing:
    """The next invoice as it would be; nothing is kept of it."""
    start = ends_at(subscription)
    ahead = {
        **subscription,
        "items": with_period(subscription, start, next_end(subscription, start)),
    }
    customer = core.find("customer", subscription["customer"])
    waiting = lines.pending_items(core, customer["id"], subscription["currency"])
    renewed = period_lines(core, ahead, until=subscription["cancel_at"])
    made = [*(lines.item_line(core, i) for i in waiting), *renewed]
    return imagined(core, subscription, made, start)


def imagined(core: Core, subscription: Thing, made: list[Thing], at: int) -> Thing:
    """An invoice of these lines that is never kept."""
    invoice = blank_invoice(core, core.find("customer", subscription["customer"]), subscription)
    invoice["id"] = f"upcoming_in_{subscription['id'].removeprefix('sub_')}"
    lasting = still_valid(core, subscription["discounts"], at)
    invoice |= {"discounts": lasting, "billing_reason": "upcoming"}
    invoice |= {"created": at, "next_payment_attempt": at + core.settings["finalize_after"]}
    invoice |= {"period_start": core.now, "period_end": at, HIDDEN: {}}
    invoice |= lines.totals(core, invoice, made)
    balance = core.find("customer", subscription["customer"])["balance"]
    due = max(0, invoice["total"] + balance)
    return {**invoice, "starting_balance": balance, "amount_due": due, "amount_remaining": due}


def warn_of_trial_end(core: Core, subscription: Thing) -> None:
    """`trial_will_end`, three days before."""
    core.schedule(subscription, trial_will_end=None)
    core.emit("customer.subscription.trial_will_end", subscription)


def cancel(core: Core, subscription: Thing) -> None:
    """The planned end is here."""
    standing.end(core, subscription, reason="cancellation_requested")


def expire(core: Core, subscription: Thing) -> None:
    """An incomplete subscription was not paid for in time."""
    core.schedule(subscription, expire=None)
    if subscription["status"] != "incomplete":
        return
    invoice = core.find("invoice", subscription["latest_invoice"])
    if invoice["status"] == "open":
        collection.void(core, invoice)
    nothing_due = dict.fromkeys(subscription[HIDDEN].get("due", {}))
    core.schedule(subscription, **nothing_due)
    standing.move(core, subscription, status="incomplete_expired", ended_at=core.now)


def resume_collection(core: Core, subscription: Thing) -> None:
    """The pause of collection ends by itself."""
    core.schedule(subscription, resume_collection=None)
    standing.move(core, subscription, pause_collection=None)


def first_period(core: Core, start: int, every: Thing) -> tuple[int, int]:
    """The period of a subscription that begins now."""
    return start, add_interval(start, every["interval"], every["interval_count"])
