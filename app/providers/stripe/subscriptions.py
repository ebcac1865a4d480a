"""Subscriptions and their schedules, of every API version."""

from datetime import datetime

from app.domain.mirror import Subscription
from app.domain.notices import Notice, NoticeKind
from app.domain.records import quick
from app.providers.stripe.envelope import Event
from app.providers.stripe.pricing import (
    discount_ids,
    hides_discounts,
    items_of,
    list_mrr_of,
    mrr_of,
    plan_name,
)
from app.providers.stripe.reading import (
    Json,
    at,
    currency,
    first_ref,
    instant,
    metadata,
    ref,
    table,
    text,
)

# Before 2026-09-30 a subscription was paused for one reason only, and did not say it.
ONLY_OLD_PAUSE = "trial_end_without_payment_method"
make_subscription = quick(Subscription)


def read_subscription(obj: Json, *, seen_at: datetime) -> Subscription | None:
    """The subscription as shown; None without an id.

    `period_end` is the earliest end among the items (since 2025-03-31 each has its own).
    `cancel_at_period_end` alone does not tell of a scheduled end: `cancel_at` does as well.
    """
    subscription_id = ref(obj)
    if subscription_id is None:
        return None
    items = items_of(obj)
    first = items[0] if items else {}
    return make_subscription(
        merchant_id="",
        account_id="",
        subscription_id=subscription_id,
        customer_id=ref(obj.get("customer")),
        status=text(obj.get("status"), 40) or "unknown",
        currency=_currency(obj),
        plan=plan_name(items),
        interval=first.get("interval"),
        interval_count=first.get("interval_count") or 1,
        mrr_minor=mrr_of(obj, items, at_instant=seen_at),
        list_minor=list_mrr_of(items),
        discount_ids=discount_ids(obj) or None,
        discounts_hidden=hides_discounts(obj) or None,
        items=items,
        metadata=metadata(obj.get("metadata")),
        default_method_id=first_ref(obj.get("default_payment_method"), obj.get("default_source")),
        cancel_at=instant(obj.get("cancel_at")),
        cancel_at_period_end=obj.get("cancel_at_period_end") is True,
        canceled_at=instant(obj.get("canceled_at")),
        ended_at=instant(obj.get("ended_at")),
        cancellation_reason=text(at(obj, "cancellation_details", "reason"), 60),
        cancellation_feedback=text(at(obj, "cancellation_details", "feedback"), 60),
        pause_reason=_pause_reason(obj),
        collection_paused=bool(table(obj.get("pause_collection"))),
        has_schedule=ref(obj.get("schedule")) is not None,
        started_at=_first_instant(obj, "start_date", "start", "created"),
        trial_end=instant(obj.get("trial_end")),
        period_end=_period_end(obj, items),
        seen_at=seen_at,
    )


def subscription_notice(event: Event, kind: NoticeKind) -> list[Notice]:
    """One notice of a subscription event; `invoice` is the one that a change of it waits for."""
    obj = event.object
    return [
        event.notice(
            kind,
            object=ref(obj),
            customer=ref(obj.get("customer")),
            invoice=waited_for(obj),
            subscription=ref(obj),
            method=first_ref(obj.get("default_payment_method"), obj.get("default_source")),
            currency=_currency(obj),
            snapshot=read_subscription(obj, seen_at=event.shown_at),
        )
    ]


def schedule_notice(event: Event, kind: NoticeKind) -> list[Notice]:
    """One notice of a schedule, naming the subscription it governs or has let go."""
    obj = event.object
    return [
        event.notice(
            kind,
            object=ref(obj),
            customer=ref(obj.get("customer")),
            subscription=first_ref(obj.get("subscription"), obj.get("released_subscription")),
        )
    ]


def _currency(obj: Json) -> str | None:
    """At the top since 2022; before it only the plan says."""
    return currency(obj.get("currency")) or currency(at(obj, "plan", "currency"))


def _pause_reason(obj: Json) -> str | None:
    told = text(at(obj, "status_details", "paused", "subscription", "type"), 60)
    if told is None and obj.get("status") == "paused" and "status_details" not in obj:
        return ONLY_OLD_PAUSE
    return told


def waited_for(obj: Json) -> str | None:
    """The invoice whose payment a pending update waits for."""
    return ref(obj.get("latest_invoice")) if table(obj.get("pending_update")) else None


def _first_instant(obj: Json, *names: str) -> datetime | None:
    return next((found for name in names if (found := instant(obj.get(name)))), None)


def _period_end(obj: Json, items: tuple[Json, ...]) -> datetime | None:
    own = instant(obj.get("current_period_end"))
    ends = [item["period_end"] for item in items if item["period_end"]]
    return own or (instant(min(ends)) if ends else None)
