"""Events as Stripe sent them through the years: one object, told in the shape of an era."""

from typing import Any

import orjson

from app.domain.notices import Notice
from app.providers.stripe.translate import translate

Json = dict[str, Any]

# In each era something moved; the names are those of the API versions that stand for it.
ERAS = (
    "2017-08-15",
    "2020-08-27",
    "2024-06-20",
    "2025-03-31.basil",
    "2025-11-17.clover",
    "2026-06-24.dahlia",
    "2026-10-28.endive",
)
AT = 1_790_000_000


def is_new(era: str) -> bool:
    """Whether the era has the shapes of 2025-03-31 and later."""
    return era >= "2025-03-31"


def event(name: str, obj: Json | None = None, *, era: str = ERAS[-1], **more: Any) -> bytes:
    """A snapshot event."""
    data: Json = {"object": obj if obj is not None else {}}
    if "previous" in more:
        data["previous_attributes"] = more.pop("previous")
    body: Json = {
        "id": "evt_1",
        "object": "event",
        "api_version": era,
        "created": AT,
        "livemode": False,
        "type": name,
        "data": data,
        **more,
    }
    return orjson.dumps(body)


def thin_event(name: str, related: Json | None, **more: Any) -> bytes:
    """A thin event: no object, only what it points to."""
    return orjson.dumps(
        {
            "id": "evt_thin",
            "object": "v2.core.event",
            "type": name,
            "livemode": False,
            "created": "2026-10-01T12:00:00.500Z",
            "context": None,
            "related_object": related,
            **more,
        }
    )


def read(body: bytes) -> Notice:
    """The one notice of an event."""
    (notice,) = translate(body)
    return notice


def invoice(era: str = ERAS[-1], **more: Any) -> Json:
    """An open, refused renewal over 95.00 USD."""
    obj: Json = {
        "id": "in_1",
        "object": "invoice",
        "amount_due": 9500,
        "currency": "usd",
        "customer": "cus_1",
        "attempt_count": 1,
        "attempted": True,
        "next_payment_attempt": AT + 86_400,
    }
    if era < "2018-11-08":
        obj |= {"paid": False, "closed": False, "forgiven": False, "date": AT, "tax": None}
    else:
        obj |= {"status": "open", "amount_paid": 0, "amount_remaining": 9500, "created": AT}
        obj |= {"billing_reason": "subscription_cycle", "auto_advance": True}
        obj |= {"status_transitions": {"paid_at": None}}
    if is_new(era):
        details = {"subscription": "sub_1", "metadata": {}}
        obj["parent"] = {"type": "subscription_details", "subscription_details": details}
    else:
        obj |= {"subscription": "sub_1", "charge": "ch_1", "payment_intent": "pi_1"}
    return obj | more


def subscription(era: str = ERAS[-1], **more: Any) -> Json:
    """An active subscription: two seats at 15.00 USD a month."""
    recurring = {"interval": "month", "interval_count": 1, "usage_type": "licensed"}
    plan = {"id": "price_1", "object": "plan", "amount": 1500, "currency": "usd", **recurring}
    item: Json = {"id": "si_1", "object": "subscription_item", "quantity": 2, "plan": plan}
    if era >= "2020-08-27":
        item["price"] = {
            "id": "price_1",
            "object": "price",
            "unit_amount": 1500,
            "nickname": "Team",
            "product": "prod_1",
            "recurring": recurring,
        }
    else:
        plan["name"] = "Team"
    obj: Json = {
        "id": "sub_1",
        "object": "subscription",
        "customer": "cus_1",
        "status": "active",
        "cancel_at_period_end": False,
        "canceled_at": None,
        "items": {"object": "list", "data": [item]},
    }
    if era < "2018":
        obj |= {"start": AT, "plan": plan, "quantity": 2}
    else:
        obj |= {"start_date": AT, "cancel_at": None, "default_payment_method": "pm_1"}
    if is_new(era):
        item["current_period_end"] = AT + 100
        obj["currency"] = "usd"
    else:
        obj["current_period_end"] = AT + 100
        obj.setdefault("plan", plan)
    return obj | more


def charge(era: str = ERAS[-1], **more: Any) -> Json:
    """A charge refused for want of funds."""
    obj: Json = {
        "id": "ch_1",
        "object": "charge",
        "amount": 9500,
        "amount_refunded": 0,
        "currency": "usd",
        "customer": "cus_1",
        "status": "failed",
        "failure_code": "card_declined",
        "created": AT - 5,
    }
    outcome: Json = {
        "type": "issuer_declined",
        "network_status": "declined_by_network",
        "reason": "insufficient_funds",
    }
    if era < "2018":
        card = {"id": "card_1", "object": "card", "brand": "Visa", "fingerprint": "fp_1"}
        obj |= {"source": card, "invoice": "in_1", "outcome": outcome}
        return obj | more
    details = {"type": "card", "card": {"brand": "visa", "fingerprint": "fp_1"}}
    obj |= {"payment_intent": "pi_1", "payment_method": "pm_1", "payment_method_details": details}
    if is_new(era):
        outcome |= {"advice_code": "try_again_later", "network_decline_code": "51"}
        outcome |= {"network_advice_code": None}
    else:
        obj["invoice"] = "in_1"
    return obj | {"outcome": outcome} | more


def intent(era: str = ERAS[-1], **more: Any) -> Json:
    """A payment intent whose latest try was refused for want of funds."""
    error: Json = {
        "type": "card_error",
        "code": "card_declined",
        "decline_code": "insufficient_funds",
        "charge": "ch_1",
        "payment_method": {"id": "pm_1", "type": "card", "card": {"brand": "visa"}},
    }
    obj: Json = {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 9500,
        "amount_received": 0,
        "currency": "usd",
        "customer": "cus_1",
        "status": "requires_payment_method",
        "payment_method": None,
        "created": AT - 60,
        "last_payment_error": error,
    }
    if is_new(era):
        obj |= {"latest_charge": "ch_1", "payment_details": {"order_reference": "in_1"}}
    else:
        obj |= {"invoice": "in_1", "charges": {"object": "list", "data": [charge(era)]}}
    return obj | more


def card(own: str, **more: Any) -> Json:
    """A payment method that is a card."""
    return {"id": own, "object": "payment_method", "type": "card", "card": {"brand": "visa"}} | more
