"""The subscription endpoints."""

from app.providers.sandbox import changes, cycles, signups, standing
from app.providers.sandbox.core import Core
from app.providers.sandbox.discounts import redeem
from app.providers.sandbox.errors import Thing, no_such, no_such_address, refused
from app.providers.sandbox.params import (
    anything,
    choice,
    clearable,
    currency,
    flag,
    instant,
    labels,
    many,
    merged_labels,
    table,
    text,
    whole,
)
from app.providers.sandbox.render import page
from app.providers.sandbox.routing import PAGING, Route
from app.providers.sandbox.shapes import version_date

PAUSE_SINCE = "2026-09-30"
LIVING = ("incomplete", "trialing", "active", "past_due", "unpaid", "paused")


def _retrieve(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return core.find("subscription", ids[0])


def _list(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    wanted = given.get("status")
    statuses: tuple[str, ...] = LIVING if wanted is None else (wanted,)
    if wanted == "ended":
        statuses = tuple(standing.ENDED)
    found = [
        subscription
        for subscription in core.all("subscription", given.get("customer"))
        if wanted == "all" or subscription["status"] in statuses
    ]
    if given.get("price"):
        found = [
            s for s in found if given["price"] in {i["price"]["id"] for i in cycles.items_of(s)}
        ]
    return page(core, found, given, "/v1/subscriptions")


def _living(core: Core, ident: str) -> Thing:
    subscription = core.find("subscription", ident)
    if subscription["status"] in standing.ENDED:
        raise no_such("subscription", ident, "id")
    return subscription


def _update(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    subscription = core.find("subscription", ids[0])
    if subscription["status"] in standing.ENDED:
        allowed = {"metadata", "cancellation_details"}
        if set(given) - allowed:
            raise refused(
                "A canceled subscription can only update its cancellation_details and metadata.",
                code="invalid_canceled_subscription_fields",
            )
    changes.require_pendable(given)
    fields = _plain_fields(core, subscription, given) | _planned_end(core, subscription, given)
    former = core.change(subscription, **fields)
    if "pause_collection" in given:
        pause = given["pause_collection"]
        former |= core.change(subscription, pause_collection=pause)
        core.schedule(subscription, resume_collection=(pause or {}).get("resumes_at"))
    former |= changes.apply(core, subscription, given)
    if former:
        core.emit("customer.subscription.updated", subscription, former)
    return subscription


def _plain_fields(core: Core, subscription: Thing, given: Thing) -> Thing:
    names = ("default_source", "description", "payment_settings", "trial_settings")
    fields = {name: given[name] for name in names if name in given}
    if "default_payment_method" in given:
        method = given["default_payment_method"]
        found = core.get(method or "")
        if method and (found is None or found.get("customer") != subscription["customer"]):
            raise no_such("PaymentMethod", method, "default_payment_method")
        fields["default_payment_method"] = method
    if "metadata" in given:
        fields["metadata"] = merged_labels(subscription["metadata"], given["metadata"])
    if "cancellation_details" in given:
        fields["cancellation_details"] = {
            **subscription["cancellation_details"],
            **given["cancellation_details"],
        }
    if "discounts" in given:
        fields["discounts"] = _discounts(core, subscription, given["discounts"])
    return fields


def _discounts(core: Core, subscription: Thing, wishes: list[Thing]) -> list[str]:
    """The new list replaces the old one: what is not named again is gone."""
    made = [
        redeem(core, wish, customer=subscription["customer"], subscription=subscription["id"])
        for wish in wishes
    ]
    for gone in set(subscription["discounts"]) - set(made):
        core.emit("customer.discount.deleted", core.find("discount", gone))
    for new in [ident for ident in made if ident not in subscription["discounts"]]:
        core.emit("customer.discount.created", core.find("discount", new))
    return made


def _planned_end(core: Core, subscription: Thing, given: Thing) -> Thing:
    """Fields of a planned end, set or taken back, by either of the two ways."""
    if "cancel_at_period_end" not in given and "cancel_at" not in given:
        return {}
    _check_unscheduled(subscription)
    at_end = bool(given.get("cancel_at_period_end", False))
    wanted = given.get("cancel_at")
    at = cycles.ends_at(subscription) if at_end or isinstance(wanted, str) else wanted
    if at is None and "cancel_at" not in given and not subscription["cancel_at_period_end"]:
        return {}
    core.schedule(subscription, cancel=at)
    details = given.get("cancellation_details") or subscription["cancellation_details"]
    reason = "cancellation_requested" if at else None
    return {
        "cancel_at": at,
        "cancel_at_period_end": at_end,
        "canceled_at": core.now if at else None,
        "cancellation_details": {
            **subscription["cancellation_details"],
            **details,
            "reason": reason,
        },
    }


def _check_unscheduled(subscription: Thing) -> None:
    if subscription["schedule"]:
        raise refused(
            f"The subscription is managed by the subscription schedule `{subscription['schedule']}`"
            ", and updating any cancelation behavior directly is not allowed."
        )


def _cancel(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    subscription = _living(core, ids[0])
    if given.get("cancellation_details"):
        details = {**subscription["cancellation_details"], **given["cancellation_details"]}
        core.change(subscription, cancellation_details=details)
    if given.get("prorate"):
        changes.credit_rest(core, subscription)
    standing.end(core, subscription, reason="cancellation_requested")
    if given.get("invoice_now"):
        changes.bill_waiting(core, subscription)
    return subscription


def _pause(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    if version_date(core.version) < PAUSE_SINCE:
        raise no_such_address("POST", f"/v1/subscriptions/{ids[0]}/pause")
    subscription = _living(core, ids[0])
    if subscription["schedule"]:
        raise refused("A subscription with an attached schedule cannot be paused.")
    if subscription["billing_mode"]["type"] != "flexible":
        raise refused("A subscription whose billing mode is classic cannot be paused.")
    if subscription["status"] not in ("active", "trialing", "past_due"):
        raise refused(f"A subscription that is {subscription['status']} cannot be paused.")
    unused = (given.get("bill_for") or {}).get("unused_time_from") or {}
    if unused.get("type", "now") == "now":
        changes.credit_rest(core, subscription)
    standing.pause(core, subscription, why="pause_requested")
    if given.get("invoicing_behavior") == "invoice":
        changes.bill_waiting(core, subscription)
    return subscription


def _resume(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    subscription = _living(core, ids[0])
    if subscription["status"] != "paused":
        raise refused("Only a paused subscription can be resumed.")
    anchor = given.get("billing_cycle_anchor") or {"type": "now"}
    kind = anchor.get("type", "now") if isinstance(anchor, dict) else anchor
    changes.resume(
        core,
        subscription,
        anew=kind == "now",
        needs_money=given.get("payment_behavior") == "resume_on_payment_success",
    )
    return subscription


def _delete_discount(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    subscription = _living(core, ids[0])
    standing.move(core, subscription, discounts=[])
    return {"id": None, "object": "discount", "deleted": True}


ITEM = table(
    id=text,
    price=text,
    plan=text,
    price_data=anything,
    quantity=whole,
    deleted=flag,
    clear_usage=flag,
    metadata=labels,
    discounts=anything,
)
DETAILS = table(comment=clearable(text), feedback=clearable(text), feedback_option=clearable(text))
DISCOUNTS = many(table(coupon=text, discount=text, promotion_code=text))
COMMON = {
    "automatic_tax": anything,
    "billing_mode": anything,
    "cancel_at": clearable(instant),
    "cancel_at_period_end": flag,
    "collection_method": choice("charge_automatically", "send_invoice"),
    "days_until_due": whole,
    "default_payment_method": clearable(text),
    "default_source": clearable(text),
    "description": clearable(text),
    "discounts": DISCOUNTS,
    "metadata": clearable(labels),
    "off_session": flag,
    "payment_behavior": choice(
        "allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"
    ),
    "payment_settings": anything,
    "proration_behavior": choice("none", "create_prorations", "always_invoice"),
    "trial_end": instant,
    "trial_settings": anything,
    "items": many(ITEM),
}

ROUTES = (
    Route(
        "GET",
        "/v1/subscriptions",
        _list,
        {**PAGING, "customer": text, "status": text, "price": text},
    ),
    Route(
        "POST",
        "/v1/subscriptions",
        signups.create,
        {**COMMON, "customer": text, "currency": currency, "trial_period_days": whole}
        | {"billing_cycle_anchor": instant, "backdate_start_date": instant},
        needs=("customer", "items"),
    ),
    Route("GET", "/v1/subscriptions/{id}", _retrieve),
    Route(
        "POST",
        "/v1/subscriptions/{id}",
        _update,
        {**COMMON, "cancellation_details": DETAILS, "proration_date": instant}
        | {"billing_cycle_anchor": anything}
        | {
            "pause_collection": clearable(
                table(
                    ("behavior",),
                    behavior=choice("void", "keep_as_draft", "mark_uncollectible"),
                    resumes_at=clearable(whole),
                )
            )
        },
    ),
    Route(
        "DELETE",
        "/v1/subscriptions/{id}",
        _cancel,
        {"cancellation_details": DETAILS, "invoice_now": flag, "prorate": flag},
    ),
    Route(
        "POST",
        "/v1/subscriptions/{id}/pause",
        _pause,
        {"type": choice("subscription"), "bill_for": anything, "invoicing_behavior": text},
    ),
    Route(
        "POST",
        "/v1/subscriptions/{id}/resume",
        _resume,
        {"billing_cycle_anchor": anything, "payment_behavior": text}
        | {"proration_behavior": text, "proration_date": whole},
    ),
    Route("DELETE", "/v1/subscriptions/{id}/discount", _delete_discount),
)
