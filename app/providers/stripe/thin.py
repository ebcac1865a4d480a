"""Thin events: they say what happened to which object, and no more."""

from app.domain.notices import Notice, NoticeKind
from app.providers.stripe.envelope import Event
from app.providers.stripe.reading import ref, text

# What we read when told of it, and where its id stands in a notice.
READ_LIVE = {
    "invoice": "invoice",
    "subscription": "subscription",
    "customer": "customer",
    "charge": "charge",
    "payment_intent": "payment",
    "payment_method": "method",
    "invoice_payment": None,
    "credit_note": None,
    "dispute": None,
    "refund": None,
    "setup_intent": None,
    "checkout.session": None,
    "subscription_schedule": None,
}
UPCOMING = "v1.invoice.upcoming"


def thin_notice(event: Event) -> list[Notice]:
    """One notice: `READ` for an object that concerns us, else `OTHER`.

    An upcoming invoice is no object yet and cannot be read: the event names customer and
    subscription in its `data`, which a notification leaves out: then the event itself is read.
    """
    if event.type == UPCOMING:
        return [_upcoming(event)]
    related = ref(event.related)
    kind = text(event.related.get("type"), 60) or ""
    place = READ_LIVE.get(kind)
    return [
        event.notice(
            NoticeKind.READ if related and kind in READ_LIVE else NoticeKind.OTHER,
            object=related,
            **({place: related} if place else {}),
        )
    ]


def _upcoming(event: Event) -> Notice:
    customer, subscription = ref(event.data.get("customer")), ref(event.data.get("subscription"))
    return event.notice(
        NoticeKind.INVOICE_UPCOMING if customer or subscription else NoticeKind.READ,
        customer=customer,
        subscription=subscription,
    )
