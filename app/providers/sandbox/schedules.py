"""Subscription schedules: phases that change a subscription when their time comes."""

from typing import Any

from app.providers.sandbox import changes, cycles, signups, standing
from app.providers.sandbox.calendar import add_interval
from app.providers.sandbox.core import Core
from app.providers.sandbox.discounts import redeem
from app.providers.sandbox.errors import Thing, invalid, missing_parameter, refused
from app.providers.sandbox.params import (
    anything,
    choice,
    clearable,
    flag,
    instant,
    labels,
    many,
    merged_labels,
    table,
    text,
    whole,
)
from app.providers.sandbox.records import HIDDEN
from app.providers.sandbox.render import page
from app.providers.sandbox.routing import PAGING, Route

OVER = ("canceled", "completed", "released")
# What a phase says of the subscription, and what holds where it says nothing.
TERMS: Thing = {
    "collection_method": "charge_automatically",
    "default_payment_method": None,
    "default_tax_rates": [],
    "description": None,
}


def _create(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    if given.get("from_subscription"):
        return _from_subscription(core, given)
    if not given.get("customer") or not given.get("phases"):
        raise missing_parameter("customer" if not given.get("customer") else "phases")
    core.find("customer", given["customer"], "customer")
    start = given.get("start_date", "now")
    begins = core.now if isinstance(start, str) else start
    phases = _phases(core, given["phases"], begins)
    schedule = _new(core, given, given["customer"], phases)
    if begins <= core.now:
        _begin(core, schedule)
    else:
        core.schedule(schedule, begin=begins)
    return schedule


def _from_subscription(core: Core, given: Thing) -> Thing:
    subscription = core.find("subscription", given["from_subscription"], "from_subscription")
    if subscription["schedule"]:
        raise refused("You cannot migrate a subscription that is attached to a schedule.")
    items = [
        {"price": i["price"]["id"], "quantity": i["quantity"], "tax_rates": i["tax_rates"]}
        for i in cycles.items_of(subscription)
    ]
    first = cycles.items_of(subscription)[0]
    phase = {
        "items": items,
        "start_date": first["current_period_start"],
        "end_date": first["current_period_end"],
        "discounts": [{"discount": ident} for ident in subscription["discounts"]],
        "trial_end": subscription["trial_end"] if subscription["status"] == "trialing" else None,
        **{name: subscription[name] for name in TERMS},
    }
    schedule = _new(core, given, subscription["customer"], [phase])
    _attach(core, schedule, subscription)
    return schedule


def _new(core: Core, given: Thing, customer: str, phases: list[Thing]) -> Thing:
    schedule = core.add(
        {
            "id": core.new_id("sub_sched", customer),
            "object": "subscription_schedule",
            "application": None,
            "billing_mode": {"type": "flexible"},
            "canceled_at": None,
            "completed_at": None,
            "created": core.now,
            "current_phase": None,
            "customer": customer,
            "customer_account": None,
            "default_settings": given.get("default_settings") or {},
            "end_behavior": given.get("end_behavior", "release"),
            "metadata": given.get("metadata") or {},
            "phases": phases,
            "released_at": None,
            "released_subscription": None,
            "status": "not_started",
            "subscription": None,
            "test_clock": None,
        }
    )
    core.emit("subscription_schedule.created", schedule)
    return schedule


def _phases(core: Core, wishes: list[Thing], begins: int) -> list[Thing]:
    phases = []
    start = begins
    for wish in wishes:
        first = wish.get("start_date", start)
        start = core.now if isinstance(first, str) else first
        end = _phase_end(core, wish, start)
        phases.append(
            {
                "items": wish["items"],
                "start_date": start,
                "end_date": end,
                "metadata": wish.get("metadata") or {},
                "proration_behavior": wish.get("proration_behavior", "create_prorations"),
                "discounts": wish.get("discounts") or [],
                "trial_end": wish.get("trial_end"),
                **{name: wish.get(name) or nothing for name, nothing in TERMS.items()},
            }
        )
        start = end
    return phases


def _phase_end(core: Core, wish: Thing, start: int) -> int:
    if isinstance(wish.get("end_date"), int):
        return int(wish["end_date"])
    price = core.find("price", wish["items"][0].get("price"), "phases[0][items][0][price]")
    every = wish.get("duration") or price["recurring"]
    times = wish.get("iterations", 1) * int(every.get("interval_count", 1))
    return add_interval(start, every["interval"], times)


def _attach(core: Core, schedule: Thing, subscription: Thing) -> None:
    standing.move(core, subscription, schedule=schedule["id"])
    core.change(schedule, status="active", subscription=subscription["id"])
    _enter(core, schedule, 0)


def _enter(core: Core, schedule: Thing, number: int) -> None:
    phase = schedule["phases"][number]
    current = {"start_date": phase["start_date"], "end_date": phase["end_date"]}
    core.change(schedule, current_phase=current)
    core.hide(schedule, phase=number)
    core.schedule(core.find("subscription", schedule["subscription"]), phase=phase["end_date"])


def _begin(core: Core, schedule: Thing) -> None:
    customer = core.find("customer", schedule["customer"])
    given: Thing = {
        "customer": customer["id"],
        "items": [_item(row) for row in schedule["phases"][0]["items"]],
    }
    if not (customer["default_source"] or customer["invoice_settings"]["default_payment_method"]):
        given["payment_behavior"] = "default_incomplete"
    subscription = signups.create(core, given, ())
    _attach(core, schedule, subscription)


def _item(row: Thing) -> Thing:
    return {"price": row.get("price"), "quantity": int(row.get("quantity", 1))}


def begin(core: Core, schedule: Thing) -> None:
    """The start date is here."""
    core.schedule(schedule, begin=None)
    _begin(core, schedule)
    core.emit("subscription_schedule.updated", schedule)


def turn(core: Core, subscription: Thing) -> None:
    """A phase is over: the next begins, or the schedule ends as `end_behavior` says.

    Due on the subscription, as `phase`, so that it comes before that instant's `renew`.
    """
    schedule = core.get(subscription["schedule"] or "")
    if schedule is None or schedule["status"] != "active":
        return
    following = schedule[HIDDEN].get("phase", 0) + 1
    if following < len(schedule["phases"]):
        _apply_phase(core, subscription, schedule["phases"][following])
        _enter(core, schedule, following)
        core.emit("subscription_schedule.updated", schedule)
    elif schedule["end_behavior"] == "cancel":
        core.change(schedule, status="completed", completed_at=core.now, current_phase=None)
        core.emit("subscription_schedule.completed", schedule)
        standing.end(core, subscription, reason=None)
    else:
        release(core, schedule)


def _apply_phase(core: Core, subscription: Thing, phase: Thing) -> None:
    """A phase's items and discounts from the coming period on; the renewal of this instant bills
    them."""
    gone = [{"id": i["id"], "deleted": True} for i in cycles.items_of(subscription)]
    old = cycles.items_of(subscription)
    rows: list[Any] = [_item(row) for row in phase["items"]]
    for row, item in zip(rows, old, strict=False):
        row["id"] = item["id"]
    wishes = [*rows, *gone[len(rows) :]]
    given = {"items": wishes, "proration_behavior": "none"}
    former = changes.apply(core, subscription, given)
    former |= _agree(core, subscription, phase)
    if former:
        core.emit("customer.subscription.updated", subscription, former)


def _agree(core: Core, subscription: Thing, phase: Thing) -> Thing:
    """The subscription has exactly the discounts and terms of the phase it is in; a trial that the
    phase does not know is over."""
    found = [
        redeem(core, wish, customer=subscription["customer"], subscription=subscription["id"])
        for wish in phase.get("discounts") or []
    ]
    terms = {name: phase.get(name) or nothing for name, nothing in TERMS.items()}
    former = core.change(subscription, discounts=found, **terms)
    until = phase.get("trial_end") or "now"
    if subscription["status"] == "trialing" and until != subscription["trial_end"]:
        former |= changes.apply(core, subscription, {"trial_end": until})
    return former


def release(core: Core, schedule: Thing) -> None:
    """The subscription goes on by itself."""
    subscription = core.get(schedule["subscription"] or "")
    core.schedule(schedule, begin=None)
    core.change(
        schedule,
        status="released",
        released_at=core.now,
        released_subscription=schedule["subscription"],
        subscription=None,
        current_phase=None,
    )
    if subscription is not None:
        core.schedule(subscription, phase=None)
        standing.move(core, subscription, schedule=None)
    core.emit("subscription_schedule.released", schedule)


def _running(core: Core, ident: str) -> Thing:
    schedule = core.find("subscription_schedule", ident)
    if schedule["status"] in OVER:
        raise refused(f"This subscription schedule is {schedule['status']}.")
    return schedule


def _release(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    schedule = _running(core, ids[0])
    release(core, schedule)
    return schedule


def _cancel(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    schedule = _running(core, ids[0])
    subscription = core.get(schedule["subscription"] or "")
    core.schedule(schedule, begin=None)
    core.change(schedule, status="canceled", canceled_at=core.now, current_phase=None)
    if subscription is not None and subscription["status"] not in standing.ENDED:
        standing.end(core, subscription, reason="cancellation_requested")
    core.emit("subscription_schedule.canceled", schedule)
    return schedule


def _update(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    schedule = _running(core, ids[0])
    fields: Thing = {n: given[n] for n in ("end_behavior", "default_settings") if n in given}
    if "metadata" in given:
        fields["metadata"] = merged_labels(schedule["metadata"], given["metadata"])
    if given.get("phases"):
        begins = schedule["phases"][0]["start_date"]
        phases = _phases(core, given["phases"], begins)
        if schedule["status"] == "active" and phases[0]["start_date"] > core.now:
            raise invalid("The current phase must have begun.", param="phases[0][start_date]")
        fields["phases"] = phases
    former = core.change(schedule, **fields)
    if "phases" in former and schedule["status"] == "active":
        number = _current(core, schedule)
        _enter(core, schedule, number)
        subscription = core.find("subscription", schedule["subscription"])
        if changed := _agree(core, subscription, schedule["phases"][number]):
            core.emit("customer.subscription.updated", subscription, changed)
    core.emit("subscription_schedule.updated", schedule, former)
    return schedule


def _current(core: Core, schedule: Thing) -> int:
    begun = [p for p in schedule["phases"] if p["start_date"] <= core.now]
    return max(0, len(begun) - 1)


def _get(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return core.find("subscription_schedule", ids[0])


def _list(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    found = list(core.all("subscription_schedule", given.get("customer")))
    return page(core, found, given, "/v1/subscription_schedules")


PHASE = table(
    ("items",),
    items=many(
        table(price=text, quantity=whole, metadata=labels, discounts=anything, tax_rates=many(text))
    ),
    start_date=instant,
    end_date=instant,
    iterations=whole,
    duration=table(("interval",), interval=text, interval_count=whole),
    proration_behavior=text,
    discounts=many(table(coupon=text, discount=text, promotion_code=text)),
    metadata=labels,
    trial_end=instant,
    billing_cycle_anchor=anything,
    automatic_tax=anything,
    collection_method=text,
    default_payment_method=text,
    default_tax_rates=many(text),
    description=text,
    invoice_settings=anything,
)
FIELDS = {
    "end_behavior": choice("release", "cancel"),
    "metadata": clearable(labels),
    "phases": many(PHASE),
    "default_settings": anything,
}

ROUTES = (
    Route("GET", "/v1/subscription_schedules", _list, {**PAGING, "customer": text}),
    Route(
        "POST",
        "/v1/subscription_schedules",
        _create,
        {**FIELDS, "customer": text, "from_subscription": text, "start_date": instant},
    ),
    Route("GET", "/v1/subscription_schedules/{id}", _get),
    Route(
        "POST",
        "/v1/subscription_schedules/{id}",
        _update,
        {**FIELDS, "proration_behavior": text},
    ),
    Route(
        "POST",
        "/v1/subscription_schedules/{id}/release",
        _release,
        {"preserve_cancel_date": flag},
    ),
    Route(
        "POST",
        "/v1/subscription_schedules/{id}/cancel",
        _cancel,
        {"invoice_now": flag, "prorate": flag},
    ),
)
