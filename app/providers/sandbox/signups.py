"""How a subscription begins: its items, its trial, its first invoice."""

from app.providers.sandbox import blanks, catalogue, collection, cycles
from app.providers.sandbox.calendar import DAY, add_interval
from app.providers.sandbox.core import Core
from app.providers.sandbox.discounts import redeem
from app.providers.sandbox.errors import ApiError, Thing, invalid, refused
from app.providers.sandbox.records import HIDDEN
from app.providers.sandbox.shapes import plan_of


def new_item(core: Core, subscription_id: str, given: Thing, start: int, end: int) -> Thing:
    """A subscription item of one price.

    Raises:
        ApiError: unknown price, or one that does not recur.
    """
    if given.get("price_data"):
        price = catalogue.new_price(core, given["price_data"])
    else:
        price = core.find("price", given.get("price") or given.get("plan"), "items[0][price]")
    if not price["recurring"]:
        raise invalid("The price specified is set to `type=one_time`.", param="items[0][price]")
    shown = {name: value for name, value in price.items() if name != HIDDEN}
    return {
        "id": core.new_id("si", subscription_id),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": core.now,
        "current_period_end": end,
        "current_period_start": start,
        "discounts": [],
        "metadata": given.get("metadata") or {},
        "plan": plan_of(price),
        "price": shown,
        "quantity": given.get("quantity", 1),
        "subscription": subscription_id,
        "tax_rates": [],
    }


def create(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    """POST /v1/subscriptions.

    Raises:
        ApiError: 402 with payment_behavior=error_if_incomplete, and then nothing was made.
    """
    customer = core.find("customer", given["customer"], "customer")
    subscription = _new(core, customer, given)
    core.emit("customer.subscription.created", subscription)
    if subscription["status"] == "trialing":
        invoice = cycles.bill(
            core, subscription, reason="subscription_create", made_lines=_free(core, subscription)
        )
        collection.finalize(core, invoice)
    else:
        first_invoice(core, subscription, given)
    if subscription["status"] != "incomplete":
        cycles.plan_ahead(core, subscription)
    return subscription


def _free(core: Core, subscription: Thing) -> list[Thing]:
    made = cycles.period_lines(core, subscription)
    return [{**line, "amount": 0, "subtotal": 0} for line in made]


def _new(core: Core, customer: Thing, given: Thing) -> Thing:
    ident = core.new_id("sub", customer["id"])
    trial_end = _trial_end(core, given)
    items, anchor = _first_items(core, ident, given, trial_end)
    currency = items[0]["price"]["currency"]
    core.change(customer, currency=customer["currency"] or currency)
    wishes = given.get("discounts") or []
    return core.add(
        {
            **blanks.SUBSCRIPTION,
            "id": ident,
            "billing_cycle_anchor": anchor,
            "created": core.now,
            "currency": currency,
            "customer": customer["id"],
            "discounts": [
                redeem(core, wish, customer=customer["id"], subscription=ident) for wish in wishes
            ],
            "items": cycles.item_list(ident, items),
            "metadata": given.get("metadata") or {},
            "payment_settings": given.get("payment_settings") or {},
            "plan": items[0]["plan"],
            "quantity": items[0]["quantity"],
            "start_date": given.get("backdate_start_date") or core.now,
            "status": "trialing" if trial_end else "incomplete",
            "trial_end": trial_end,
            "trial_start": core.now if trial_end else None,
            **_chosen(core, given),
            **_planned_end(given, items[0]["current_period_end"]),
        }
    )


def _first_items(
    core: Core, ident: str, given: Thing, trial_end: int | None
) -> tuple[list[Thing], int]:
    """The items in their first period, and the anchor the later periods are counted from."""
    start = given.get("backdate_start_date") or core.now
    items = [new_item(core, ident, wish, start, 0) for wish in given["items"]]
    _check_items(items)
    anchor = trial_end or given.get("billing_cycle_anchor") or start
    every = items[0]["price"]["recurring"]
    rhythm = (every["interval"], every["interval_count"])
    end = anchor if anchor > start else add_interval(start, *rhythm)
    while end <= core.now:
        start, end = end, add_interval(end, *rhythm)
    placed = [{**i, "current_period_start": start, "current_period_end": end} for i in items]
    return placed, anchor


def _billing_mode(given: Thing) -> Thing:
    wanted = (given.get("billing_mode") or {}).get("type", "flexible")
    return {"type": "classic"} if wanted == "classic" else blanks.SUBSCRIPTION["billing_mode"]


def _chosen(core: Core, given: Thing) -> Thing:
    method = given.get("default_payment_method")
    if method:
        core.find("payment_method", method, "default_payment_method")
    silent = {"end_behavior": {"missing_payment_method": "create_invoice"}}
    return {
        "billing_mode": _billing_mode(given),
        "collection_method": given.get("collection_method", "charge_automatically"),
        "default_payment_method": method,
        "default_source": given.get("default_source"),
        "description": given.get("description"),
        "trial_settings": given.get("trial_settings") or silent,
    }


def _planned_end(given: Thing, end: int) -> Thing:
    if given.get("cancel_at_period_end"):
        return {"cancel_at_period_end": True, "cancel_at": end}
    wanted = given.get("cancel_at")
    return {"cancel_at": end if isinstance(wanted, str) else wanted}


def _trial_end(core: Core, given: Thing) -> int | None:
    wanted = given.get("trial_end")
    if isinstance(wanted, int) and wanted > core.now:
        return wanted
    days = given.get("trial_period_days")
    return core.now + days * DAY if days and wanted != "now" else None


def _check_items(items: list[Thing]) -> None:
    currencies = {item["price"]["currency"] for item in items}
    rhythms = {
        (i["price"]["recurring"]["interval"], i["price"]["recurring"]["interval_count"])
        for i in items
    }
    if len(currencies) > 1:
        raise invalid("All prices of a subscription must be in one currency.", param="items")
    if len(rhythms) > 1:
        raise invalid("All prices of a subscription must recur together here.", param="items")


def first_invoice(core: Core, subscription: Thing, given: Thing) -> None:
    """Bill the first period at once, and charge it as `payment_behavior` says."""
    behaviour = given.get("payment_behavior", "allow_incomplete")
    made = cycles.period_lines(core, subscription)
    invoice = cycles.bill(core, subscription, reason="subscription_create", made_lines=made)
    collection.finalize(core, invoice)
    if invoice["status"] == "paid":
        return
    core.schedule(subscription, expire=core.now + cycles.INCOMPLETE_FOR)
    if subscription["collection_method"] == "send_invoice":
        core.schedule(subscription, expire=None)
        core.change(subscription, status="active")
        return
    if behaviour == "default_incomplete":
        return
    method = collection.method_for(core, invoice)
    if method is None:
        raise refused(
            "This customer has no attached payment source or default payment method.",
            code="resource_missing",
        )
    off_session = bool(given.get("off_session", False))
    outcome = collection.charge(core, invoice, method, off_session=off_session, automatic=True)
    if outcome in ("failed", "requires_action") and behaviour == "error_if_incomplete":
        raise ApiError(
            402, {"type": "card_error", **collection.payment_error(core, invoice, outcome)}
        )
    if outcome == "processing":
        core.schedule(subscription, expire=None)
        core.change(subscription, status="active")


def activate(core: Core, subscription: Thing) -> None:
    """The first invoice was paid later: the periods begin to be planned."""
    if "renew" not in subscription[HIDDEN].get("due", {}):
        cycles.plan_ahead(core, subscription)
