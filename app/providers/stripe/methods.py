"""Customers and what they pay with: payment methods, legacy cards and sources, set-ups."""

from dataclasses import replace
from datetime import datetime

from app.domain.mirror import Customer, PaymentMethod
from app.domain.notices import Notice, NoticeKind
from app.domain.records import quick
from app.providers.stripe.envelope import Event
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
    whole,
)

# Our own metadata on set-ups begun from one of our payment links.
LINK_MARK = "holdfast_link"
# The merchant's record that a customer wants short texts, in the customer's metadata.
SMS_MARK = "holdfast_sms_consent"
MONTHS, YEARS = range(1, 13), range(1970, 3000)  # a card expires in one of each
make_customer, make_method = quick(Customer), quick(PaymentMethod)


def read_customer(obj: Json, *, seen_at: datetime) -> Customer | None:
    """The customer as shown; None without an id. A deleted one may show nothing but its id."""
    customer_id = ref(obj)
    if customer_id is None:
        return None
    locales = obj.get("preferred_locales")
    return make_customer(
        merchant_id="",
        account_id="",
        customer_id=customer_id,
        email=text(obj.get("email"), 320),
        name=text(obj.get("name"), 200),
        language=text(locales[0], 35) if isinstance(locales, list) and locales else None,
        country=_country(obj),
        region=_region(obj),
        phone=text(obj.get("phone"), 40),
        sms_consent=text(table(obj.get("metadata")).get(SMS_MARK), 200),
        default_method_id=first_ref(
            at(obj, "invoice_settings", "default_payment_method"), obj.get("default_source")
        ),
        metadata=metadata(obj.get("metadata")),
        deleted=obj.get("deleted") is True,
        seen_at=seen_at,
    )


def read_method(obj: Json, *, seen_at: datetime) -> PaymentMethod | None:
    """A payment method, or a legacy card, bank account or source; None without an id."""
    method_id = ref(obj)
    if method_id is None:
        return None
    legacy = text(obj.get("object"), 40)
    kind = text(obj.get("type"), 40) or (legacy if legacy != "payment_method" else None)
    kind = kind or "unknown"
    # A legacy card has its particulars at the top, the others under the name of their type.
    own = table(obj.get(kind)) or obj
    brand = text(own.get("brand"), 40)
    return make_method(
        merchant_id="",
        account_id="",
        method_id=method_id,
        customer_id=ref(obj.get("customer")),
        type=kind,
        brand=brand.lower() if brand else None,
        last4=(text(own.get("last4")) or "")[-4:] or None,
        exp_month=_among(MONTHS, own.get("exp_month")),
        exp_year=_among(YEARS, own.get("exp_year")),
        fingerprint=text(own.get("fingerprint"), 100),
        country=text(own.get("country"), 2),
        added_at=instant(obj.get("created")),
        seen_at=seen_at,
    )


def customer_notice(event: Event, kind: NoticeKind) -> list[Notice]:
    """One notice of a customer."""
    obj = event.object
    if kind is NoticeKind.CUSTOMER_DELETED:
        obj = {**obj, "deleted": True}
    customer = read_customer(obj, seen_at=event.shown_at)
    return [
        event.notice(
            kind,
            object=ref(obj),
            customer=ref(obj),
            method=customer.default_method_id if customer else None,
            snapshot=customer,
        )
    ]


def method_notice(event: Event, kind: NoticeKind) -> list[Notice]:
    """One notice of a payment method. A detached one names its customer only among the
    changed attributes."""
    obj = event.object
    customer = first_ref(obj.get("customer"), event.previous.get("customer"))
    method = read_method({**obj, "customer": customer}, seen_at=event.at)
    return [
        event.notice(
            kind,
            object=ref(obj),
            customer=customer,
            method=ref(obj),
            snapshot=_marked(method, kind, event.at),
        )
    ]


def setup_notice(event: Event, kind: NoticeKind) -> list[Notice]:
    """A card was collected off-session; `link` is ours where one of our links led there."""
    obj = event.object
    return [
        event.notice(
            kind,
            object=ref(obj),
            customer=ref(obj.get("customer")),
            method=ref(obj.get("payment_method")),
            link=text(at(obj, "metadata", LINK_MARK), 255),
        )
    ]


def checkout_notice(event: Event, kind: NoticeKind) -> list[Notice]:
    """A finished Checkout. In mode `setup` it collected a card, which it shows only where its
    set-up is expanded; the set-up's own event always does."""
    obj = event.object
    setup = table(obj.get("setup_intent"))
    method = ref(setup.get("payment_method"))
    collected = obj.get("mode") == "setup" and method is not None
    link = at(obj, "metadata", LINK_MARK) or at(setup, "metadata", LINK_MARK)
    return [
        event.notice(
            NoticeKind.CARD_COLLECTED if collected else kind,
            object=ref(obj),
            customer=ref(obj.get("customer")),
            invoice=ref(obj.get("invoice")),
            subscription=ref(obj.get("subscription")),
            payment=ref(obj.get("payment_intent")),
            method=method,
            link=text(link, 255),
            amount_minor=whole(obj.get("amount_total")),
            currency=currency(obj.get("currency")),
        )
    ]


def _marked(
    method: PaymentMethod | None, kind: NoticeKind, seen_at: datetime
) -> PaymentMethod | None:
    if method is None:
        return None
    updated = kind is NoticeKind.METHOD_UPDATED_BY_NETWORK
    return replace(
        method,
        network_updated_at=seen_at if updated else None,
        detached=kind is NoticeKind.METHOD_REMOVED,
    )


def _among(known: range, value: object) -> int | None:
    found = whole(value)
    return found if found in known else None


def _region(obj: Json) -> str | None:
    """The state of the address that tells the country."""
    places = (at(obj, "address"), at(obj, "shipping", "address"))
    found = next((table(place) for place in places if text(at(place, "country"), 2)), {})
    return text(found.get("state"), 60)


def _country(obj: Json) -> str | None:
    places = (at(obj, "address", "country"), at(obj, "shipping", "address", "country"))
    return next((found for place in places if (found := text(place, 2))), None)
