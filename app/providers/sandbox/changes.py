"""Changing what a running subscription costs: items, quantities, intervals, trials, pauses."""

from typing import Any

from app.providers.sandbox import collection, cycles, lines, signups, standing
from app.providers.sandbox.core import Core
from app.providers.sandbox.errors import ApiError, Thing, no_such, refused
from app.providers.sandbox.records import HIDDEN

Rest = tuple[int, int]
"""Now and the period's end: the time a proration is for."""


def apply(core: Core, subscription: Thing, given: Thing) -> Thing:
    """Carry out `items`, `trial_end` and `billing_cycle_anchor` of an update.

    Returns the former values of what changed.
    """
    former: Thing = {}
    if given.get("items"):
        former |= _change_items(core, subscription, given)
    if given.get("trial_end") is not None:
        former |= _change_trial(core, subscription, given["trial_end"])
    return former


def _change_items(core: Core, subscription: Thing, given: Thing) -> Thing:
    before = subscription["items"]
    old, new = cycles.items_of(subscription), wished_items(core, subscription, given["items"])
    behaviour = given.get("proration_behavior", "create_prorations")
    kept = {
        name: subscription[name] for name in ("items", "billing_cycle_anchor", "latest_invoice")
    }
    restarts = rhythm(old) != rhythm(new)
    if behaviour != "none" and subscription["status"] != "trialing":
        _prorate(core, subscription, old, new, given.get("proration_date"), whole_new=restarts)
    _put_items(core, subscription, new)
    if restarts and subscription["status"] != "trialing":
        _restart(core, subscription)
    if restarts or behaviour == "always_invoice":
        made = cycles.period_lines(core, subscription) if restarts else []
        _charge_change(core, subscription, given, made, kept)
    return {"items": before} if subscription["items"] != before else {}


def require_pendable(given: Thing) -> None:
    """Refuse what a pending update may not change (docs.stripe.com, pending updates reference)."""
    if given.get("payment_behavior") == "pending_if_incomplete" and set(given) - PENDABLE:
        named = ", ".join(sorted(set(given) - PENDABLE))
        raise refused(f"An update that may be pending takes no {named}.", param="payment_behavior")


PENDABLE = {
    "add_invoice_items",
    "billing_cycle_anchor",
    "expand",
    "items",
    "payment_behavior",
    "proration_behavior",
    "proration_date",
    "trial_end",
}


def wished_items(core: Core, subscription: Thing, wishes: list[Thing]) -> list[Thing]:
    """The items after the wishes.

    A wish without an item's id adds an item; one that names a price without a quantity sets the
    quantity to 1.
    """
    found = {item["id"]: item for item in cycles.items_of(subscription)}
    for wish in wishes:
        ident = wish.get("id")
        if ident is not None and ident not in found:
            raise no_such("subscription item", ident, "items[0][id]")
        if ident and wish.get("deleted"):
            del found[ident]
        elif ident:
            found[ident] = _changed_item(core, subscription, found[ident], wish)
        else:
            start = cycles.items_of(subscription)[0]["current_period_start"]
            end = cycles.ends_at(subscription)
            made = signups.new_item(core, subscription["id"], wish, start, end)
            found[made["id"]] = made
    return list(found.values())


def _changed_item(core: Core, subscription: Thing, item: Thing, wish: Thing) -> Thing:
    if wish.get("price") or wish.get("price_data"):
        start, end = item["current_period_start"], item["current_period_end"]
        made = signups.new_item(core, subscription["id"], wish, start, end)
        return {**made, "id": item["id"], "created": item["created"]}
    return {**item, "quantity": wish.get("quantity", item["quantity"])}


def rhythm(items: list[Thing]) -> tuple[Any, Any]:
    """How often these items are billed."""
    every = items[0]["price"]["recurring"]
    return every["interval"], every["interval_count"]


def _put_items(core: Core, subscription: Thing, items: list[Thing]) -> None:
    core.change(
        subscription,
        items=cycles.item_list(subscription["id"], items),
        plan=items[0]["plan"],
        quantity=items[0]["quantity"],
    )


def _prorate(
    core: Core,
    subscription: Thing,
    old: list[Thing],
    new: list[Thing],
    date: int | None,
    *,
    whole_new: bool,
) -> None:
    at = date or core.now
    _require_within(core, old, at)
    for item in old:
        _proration(core, subscription, item, at, sign=-1, word="Unused time on")
    for item in [] if whole_new else new:
        _proration(core, subscription, item, at, sign=1, word="Remaining time on")


def _proration(
    core: Core, subscription: Thing, item: Thing, at: int, *, sign: int, word: str
) -> None:
    amount = sign * rest_of(item, at)
    product = core.get(item["price"]["product"]) or {"name": ""}
    if amount:
        lines.invoice_item(
            core,
            subscription["customer"],
            amount,
            subscription["currency"],
            subscription=subscription["id"],
            proration=True,
            description=f"{word} {item['quantity']} x {product['name']}",
            period={"start": at, "end": item["current_period_end"]},
        )


def proration_lines(
    core: Core, subscription: Thing, old: list[Thing], new: list[Thing], at: int
) -> list[Thing]:
    """The lines that prorations would be, without making any."""
    _require_within(core, old, at)
    settled: Thing = {"discountable": False, "proration": True}
    gone = [(item, -rest_of(item, at)) for item in old]
    come = [] if rhythm(old) != rhythm(new) else [(item, rest_of(item, at)) for item in new]
    return [
        lines.subscription_line(core, subscription, item, amount=amount, **settled)
        for item, amount in (*gone, *come)
        if amount
    ]


def _require_within(core: Core, items: list[Thing], at: int) -> None:
    """Refuse a proration for another time than the period that runs."""
    begun = min(item["current_period_start"] for item in items)
    over = max(item["current_period_end"] for item in items)
    if at != core.now and not begun <= at <= over:
        why = "Cannot specify proration date outside of current subscription period"
        raise refused(why, param="proration_date")


def rest_of(item: Thing, at: int) -> int:
    """What the rest of the period is worth, in minor units, rounded to the nearest."""
    start, end = item["current_period_start"], item["current_period_end"]
    full = item["price"]["unit_amount"] * item["quantity"]
    left = max(0, end - max(at, start))
    return int((2 * full * left + (end - start)) // (2 * (end - start))) if end > start else 0


def _restart(core: Core, subscription: Thing) -> None:
    core.change(subscription, billing_cycle_anchor=core.now)
    end = cycles.next_end(subscription, core.now)
    core.change(subscription, items=cycles.with_period(subscription, core.now, end))
    cycles.plan_ahead(core, subscription)


def _charge_change(
    core: Core, subscription: Thing, given: Thing, made: list[Thing], kept: Thing
) -> None:
    behaviour = given.get("payment_behavior", "allow_incomplete")
    invoice = cycles.bill(core, subscription, reason="subscription_update", made_lines=made)
    collection.finalize(core, invoice)
    if invoice["status"] != "open" or behaviour == "default_incomplete":
        return
    method = collection.method_for(core, invoice)
    off_session = bool(given.get("off_session", False))
    outcome = "failed"
    if method is not None:
        hold = behaviour == "pending_if_incomplete"
        if hold:
            core.change(subscription, latest_invoice=kept["latest_invoice"])
        outcome = collection.charge(core, invoice, method, off_session=off_session, automatic=False)
        if hold and outcome == "succeeded":
            core.change(subscription, latest_invoice=invoice["id"])
    if outcome not in ("failed", "requires_action"):
        return
    if behaviour == "error_if_incomplete":
        detail = collection.payment_error(core, invoice, outcome)
        raise ApiError(402, {"type": "card_error", **detail})
    if behaviour == "pending_if_incomplete":
        _keep_pending(core, subscription, invoice, kept)


def _keep_pending(core: Core, subscription: Thing, invoice: Thing, kept: Thing) -> None:
    wanted = subscription["items"]
    expires = core.now + cycles.INCOMPLETE_FOR
    anchor = subscription["billing_cycle_anchor"]
    core.change(subscription, **kept)
    core.change(
        subscription,
        latest_invoice=invoice["id"],
        pending_update={
            "billing_cycle_anchor": anchor,
            "expires_at": expires,
            "subscription_items": wanted["data"],
            "trial_end": None,
        },
    )
    core.hide(subscription, pending={"items": wanted, "anchor": anchor, "invoice": invoice["id"]})
    cycles.plan_ahead(core, subscription)
    core.schedule(subscription, drop_pending=expires)


def apply_pending(core: Core, subscription: Thing, invoice: Thing) -> None:
    """The pending change's invoice was paid: the change takes place."""
    pending = subscription[HIDDEN].get("pending")
    if not pending or pending["invoice"] != invoice["id"]:
        return
    core.schedule(subscription, drop_pending=None)
    core.hide(subscription, pending=None)
    former = core.change(
        subscription,
        items=pending["items"],
        billing_cycle_anchor=pending["anchor"],
        pending_update=None,
    )
    cycles.plan_ahead(core, subscription)
    core.emit("customer.subscription.pending_update_applied", subscription)
    core.emit("customer.subscription.updated", subscription, former)


def forget_pending(core: Core, invoice: Thing) -> None:
    """The invoice a pending change waits for was voided: nothing waits any longer."""
    subscription = standing.subscription_of(core, invoice)
    if subscription is None:
        return
    pending = subscription[HIDDEN].get("pending")
    if pending and pending["invoice"] == invoice["id"]:
        core.schedule(subscription, drop_pending=None)
        core.hide(subscription, pending=None)
        standing.move(core, subscription, pending_update=None)


def drop_pending(core: Core, subscription: Thing) -> None:
    """The pending change was not paid for in time."""
    pending = subscription[HIDDEN].get("pending") or {}
    core.schedule(subscription, drop_pending=None)
    core.hide(subscription, pending=None)
    core.change(subscription, pending_update=None)
    invoice = core.get(pending.get("invoice", ""))
    if invoice is not None and invoice["status"] == "open":
        collection.void(core, invoice)
    core.emit("customer.subscription.pending_update_expired", subscription)


def _change_trial(core: Core, subscription: Thing, wanted: int | str) -> Thing:
    if isinstance(wanted, str) or wanted <= core.now:
        return _end_trial(core, subscription)
    former = core.change(
        subscription,
        status="trialing",
        trial_start=subscription["trial_start"] or core.now,
        trial_end=wanted,
        billing_cycle_anchor=wanted,
        items=cycles.with_period(subscription, core.now, wanted),
    )
    cycles.plan_ahead(core, subscription)
    return former


def _end_trial(core: Core, subscription: Thing) -> Thing:
    if subscription["status"] != "trialing":
        return {}
    former = core.change(
        subscription, trial_end=core.now, billing_cycle_anchor=core.now, status="active"
    )
    end = cycles.next_end(subscription, core.now)
    former |= core.change(subscription, items=cycles.with_period(subscription, core.now, end))
    made = cycles.period_lines(core, subscription)
    invoice = cycles.bill(core, subscription, reason="subscription_cycle", made_lines=made)
    cycles.plan_ahead(core, subscription)
    cycles.finalize(core, invoice)
    return former


def credit_rest(core: Core, subscription: Thing) -> None:
    """Credit the unused rest of the current period on the next invoice."""
    for item in cycles.items_of(subscription):
        _proration(core, subscription, item, core.now, sign=-1, word="Unused time on")


def bill_waiting(core: Core, subscription: Thing) -> None:
    """Invoice what waits, now."""
    waiting = lines.pending_items(core, subscription["customer"], subscription["currency"])
    if waiting:
        invoice = cycles.bill(core, subscription, reason="subscription_update", made_lines=[])
        cycles.finalize(core, invoice)


def resume(core: Core, subscription: Thing, *, anew: bool, needs_money: bool) -> None:
    """End a real pause, with a new period when asked or when the old one is over."""
    if not anew and cycles.ends_at(subscription) > core.now:
        wake(core, subscription)
        return
    core.change(subscription, billing_cycle_anchor=core.now)
    end = cycles.next_end(subscription, core.now)
    core.change(subscription, items=cycles.with_period(subscription, core.now, end))
    made = cycles.period_lines(core, subscription)
    invoice = cycles.bill(core, subscription, reason="subscription_update", made_lines=made)
    core.hide(subscription, wakes_with=invoice["id"])
    if not needs_money:
        wake(core, subscription)
    cycles.finalize(core, invoice)


def wake(core: Core, subscription: Thing) -> None:
    """The subscription is active again."""
    core.hide(subscription, wakes_with=None)
    core.change(subscription, status="active", status_details=None)
    cycles.plan_ahead(core, subscription)
    core.emit("customer.subscription.resumed", subscription)


def after_payment(core: Core, invoice: Thing) -> None:
    """What else an invoice's payment sets going: a pending change, the end of a pause, renewals."""
    subscription = standing.subscription_of(core, invoice)
    if subscription is None or subscription["status"] in standing.ENDED:
        return
    apply_pending(core, subscription, invoice)
    if subscription[HIDDEN].get("wakes_with") == invoice["id"]:
        wake(core, subscription)
    elif subscription["status"] != "paused":
        signups.activate(core, subscription)
