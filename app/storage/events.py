"""Outgoing events, where they go, and how far they got."""

from app.domain.events import (
    DeliveryTry,
    EventDelivery,
    EventEndpoint,
    EventSubject,
    OutgoingEvent,
)
from app.storage.merchants import ACCOUNT, MERCHANT
from app.storage.tables import check, index, refers, table_of

EVENT_ENDPOINTS = table_of(
    EventEndpoint,
    "event_endpoints",
    refers(MERCHANT, "merchants"),
    index("event_endpoints_by_merchant", "merchant_id created_at endpoint_id"),
)
EVENT_SUBJECTS = table_of(
    EventSubject,
    "event_subjects",
    refers(MERCHANT, "merchants"),
)
OUTGOING_EVENTS = table_of(
    OutgoingEvent,
    "outgoing_events",
    refers(MERCHANT, "merchants"),
    refers(ACCOUNT, "provider_accounts"),
    check("outgoing_events_count_from_one", "sequence >= 1"),
    index("outgoing_events_by_time", "merchant_id told_at event_id"),
)
EVENT_DELIVERIES = table_of(
    EventDelivery,
    "event_deliveries",
    refers(MERCHANT, "merchants"),
    refers("event_id", "outgoing_events"),
    refers("endpoint_id", "event_endpoints"),
    # Whether an earlier event of the same subject is still on its way to an endpoint.
    index(
        "event_deliveries_under_way",
        "endpoint_id subject sequence",
        where="state = 'pending' and nth = 0",
    ),
)
DELIVERY_TRIES = table_of(
    DeliveryTry,
    "delivery_tries",
    refers(MERCHANT, "merchants"),
    refers("delivery_id", "event_deliveries"),
    index("delivery_tries_by_delivery", "delivery_id at"),
)
