"""Listing what Stripe has: the events of a span, and what it counts as unpaid. One call a page.

A cursor names which of several lists is being read and the last id seen in it, so that one who
was interrupted goes on where they were.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import orjson
from stripe import StripeClient, StripeObject

from app.domain.mirror import Invoice
from app.ports.payments import EventPage, Owing, OwingPage
from app.providers.stripe.admin import EVENTS
from app.providers.stripe.connection import json_of
from app.providers.stripe.failures import in_our_words
from app.providers.stripe.reading import Json, at, instant, ref, rows, text

WANTED = frozenset(EVENTS)
MOST_TYPES = 20  # `types` of GET /v1/events takes no more
FAMILIES = tuple(EVENTS[n : n + MOST_TYPES] for n in range(0, len(EVENTS), MOST_TYPES))
Read = Callable[[Json], Invoice]
Call = Callable[[StripeClient, Any], Awaitable[StripeObject]]

# The lists behind "unpaid": the kind of what is in them, the call, and what it is asked.
UNPAID: tuple[tuple[str, Call, Json], ...] = (
    (
        "invoice",
        lambda client, asked: client.v1.invoices.list_async(asked),
        {"status": "open", "collection_method": "charge_automatically"},
    ),
    (
        "subscription",
        lambda client, asked: client.v1.subscriptions.list_async(asked),
        {"status": "past_due"},
    ),
    (
        "subscription",
        lambda client, asked: client.v1.subscriptions.list_async(asked),
        {"status": "unpaid"},
    ),
)


async def events_of_span(
    client: StripeClient, *, since: datetime, until: datetime, after: str | None, limit: int
) -> EventPage:
    """Events created between two instants, both included, of the types in `EVENTS`. Pages go from
    new to old, the events of one page from old to new. Raises the errors of the port.

    The first page is asked for without types: where it holds all there is, it is the only one."""
    asked: Any = {
        "created": {"gte": int(since.timestamp()), "lte": int(until.timestamp())},
        "limit": limit,
    }
    place, last = _opened(after, len(FAMILIES))
    if after:
        asked |= {"types": list(FAMILIES[place]), **({"starting_after": last} if last else {})}
    with in_our_words():
        obj = await json_of(client.v1.events.list_async(asked))
    listed = [
        row for row in reversed(list(rows(obj))) if after or text(row.get("type"), 100) in WANTED
    ]
    if after:
        following = _next(obj, place, len(FAMILIES))
    else:
        following = "0:" if obj.get("has_more") is True else None
    return EventPage(bodies=tuple(orjson.dumps(row).decode() for row in listed), next=following)


async def owing(client: StripeClient, read: Read, *, after: str | None, limit: int) -> OwingPage:
    """Open invoices that were tried, each as `read` has it, then subscriptions past due, then
    unpaid ones."""
    place, last = _opened(after, len(UNPAID))
    kind, call, wanted = UNPAID[place]
    asked: Any = {**wanted, "limit": limit, **({"starting_after": last} if last else {})}
    with in_our_words():
        obj = await json_of(call(client, asked))
    found = tuple(one for row in rows(obj) if (one := _owing(kind, row, read)) is not None)
    return OwingPage(found=found, next=_next(obj, place, len(UNPAID)))


def _owing(kind: str, row: Json, read: Read) -> Owing | None:
    key = ref(row)
    if key is None or (kind == "invoice" and row.get("attempted") is not True):
        return None
    finalized = instant(at(row, "status_transitions", "finalized_at"))
    return Owing(
        kind=kind,
        id=key,
        customer=ref(row.get("customer")),
        status=text(row.get("status"), 40) or "unknown",
        since=finalized or instant(row.get("created")),
        invoice=read(row) if kind == "invoice" else None,
    )


def _opened(cursor: str | None, lists: int) -> tuple[int, str]:
    """Which list to go on with, and behind which id. A cursor that is none begins anew."""
    place, _, last = (cursor or "").partition(":")
    known = place.isascii() and place.isdigit() and int(place) < lists
    return (int(place), last) if known else (0, "")


def _next(obj: Json, place: int, lists: int) -> str | None:
    found = [key for row in rows(obj) if (key := ref(row))]
    if obj.get("has_more") is True and found:
        return f"{place}:{found[-1]}"
    return f"{place + 1}:" if place + 1 < lists else None
