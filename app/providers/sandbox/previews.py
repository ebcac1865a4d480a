"""Invoices as they would be: nothing of a preview is kept."""

from app.providers.sandbox import changes, cycles, lines
from app.providers.sandbox.core import Core
from app.providers.sandbox.discounts import foreseen
from app.providers.sandbox.errors import Thing, missing_parameter, refused
from app.providers.sandbox.params import (
    anything,
    choice,
    clearable,
    currency,
    flag,
    instant,
    table,
    text,
)
from app.providers.sandbox.routing import Route
from app.providers.sandbox.subscriptions import COMMON, DISCOUNTS


def _preview(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    """The next invoice of a subscription, changed as `subscription_details` says."""
    if not given.get("subscription"):
        raise missing_parameter("subscription")
    subscription = core.find("subscription", given["subscription"], "subscription")
    details = given.get("subscription_details") or {}
    if _stays(subscription, details):
        subscription = {**subscription, "cancel_at": None}
    _check_comes(subscription, details)
    if "discounts" in given:
        found = [foreseen(core, wish) for wish in given["discounts"] or []]
        subscription = {**subscription, "discounts": found}
    if isinstance(details.get("trial_end"), int):
        subscription = _with_trial(subscription, details["trial_end"])
    if details.get("resume_at"):
        subscription = {**subscription, "items": _ending_now(core, subscription)}
    if not details.get("items"):
        return cycles.preview(core, subscription)
    return _changed(core, subscription, details)


def _with_trial(subscription: Thing, end: int) -> Thing:
    """A trial that ends then, and the first charge with it."""
    items = cycles.with_period(subscription, cycles.ends_at(subscription), end)
    return {**subscription, "items": items, "billing_cycle_anchor": end}


def _ending_now(core: Core, subscription: Thing) -> Thing:
    return cycles.with_period(subscription, core.now, core.now)


def _stays(subscription: Thing, details: Thing) -> bool:
    """Whether the preview is of a subscription whose planned end is taken back."""
    cleared = details.get("cancel_at", subscription["cancel_at"]) is None
    return details.get("cancel_at_period_end") is False or cleared


def _check_comes(subscription: Thing, details: Thing) -> None:
    """A subscription that ends with its period has no next invoice, unless the preview is of one
    that stays."""
    if subscription["status"] == "paused" and not details.get("resume_at"):
        raise refused("A paused subscription has no upcoming invoice.", code=NO_INVOICE)
    end = subscription["cancel_at"]
    if end and end <= cycles.ends_at(subscription):
        raise refused("No upcoming invoices for the subscription.", code=NO_INVOICE)


def _changed(core: Core, subscription: Thing, details: Thing) -> Thing:
    old = cycles.items_of(subscription)
    new = changes.wished_items(core, subscription, details["items"])
    behaviour = details.get("proration_behavior", "create_prorations")
    at = details.get("proration_date", core.now)
    made = [] if behaviour == "none" else changes.proration_lines(core, subscription, old, new, at)
    restarts = changes.rhythm(old) != changes.rhythm(new)
    ahead: Thing = {**subscription, "items": cycles.item_list(subscription["id"], new)}
    start = core.now if restarts else cycles.ends_at(subscription)
    if restarts:
        ahead = {**ahead, "billing_cycle_anchor": core.now}
    ahead["items"] = cycles.with_period(ahead, start, cycles.next_end(ahead, start))
    if restarts or behaviour != "always_invoice":
        made = [*made, *cycles.period_lines(core, ahead)]
    waiting = lines.pending_items(core, subscription["customer"], subscription["currency"])
    rows = [*(lines.item_line(core, item) for item in waiting), *made]
    return cycles.imagined(core, subscription, rows, start)


NO_INVOICE = "invoice_upcoming_none"
DETAILS = table(
    items=COMMON["items"],
    proration_behavior=COMMON["proration_behavior"],
    proration_date=instant,
    billing_cycle_anchor=anything,
    cancel_at=clearable(instant),
    cancel_at_period_end=flag,
    trial_end=instant,
    resume_at=instant,
    start_date=instant,
)

ROUTES = (
    Route(
        "POST",
        "/v1/invoices/create_preview",
        _preview,
        {"customer": text, "subscription": text, "currency": currency}
        | {
            "subscription_details": DETAILS,
            "discounts": clearable(DISCOUNTS),
            "invoice_items": anything,
        }
        | {"preview_mode": choice("next", "recurring")},
    ),
)
