"""The envelope around an event: the same questions for snapshot and thin events."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from app.domain.notices import Notice, NoticeKind
from app.domain.records import quick
from app.ports.webhooks import BadEvent
from app.providers.stripe.reading import Json, instant, ref, table, text

THIN = "v2.core.event"
MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event, opened.

    `object` is the snapshot (empty in a thin event), `previous` the changed attributes with
    their old values, `related` what a thin event points to.
    """

    id: str
    type: str
    at: datetime
    live: bool | None
    account: str | None
    api_version: str | None
    object: Json
    previous: Json
    data: Json
    related: Json
    thin: bool

    @property
    def shown_at(self) -> datetime:
        """As of when its object is shown. What tells of its making comes before all else that is
        told of it in that second."""
        return self.at - MOMENT if self.type.endswith(".created") else self.at

    def notice(self, kind: NoticeKind, **fields: Any) -> Notice:
        """A notice of this event."""
        changed = (
            tuple(name for key in self.previous if (name := text(key, 100)))
            if self.previous
            else ()
        )
        return make_notice(
            kind=kind, event=self.id, occurred_at=self.at, previous=changed, **fields
        )


make_notice, make_event = quick(Notice), quick(Event)


def open_event(body: str | bytes) -> Event:
    """Parse the body of an event. Raises `BadEvent` for anything that is none.

    Not JSON (also NaN, lone surrogates, nesting deeper than 1024), no object, or without a
    usable id, type or instant. Of a key that stands twice the last one counts.
    """
    try:
        raw = orjson.loads(body)
    except orjson.JSONDecodeError as bad:
        raise BadEvent(f"not JSON: {bad.msg}") from bad
    if not isinstance(raw, dict):
        raise BadEvent("not a JSON object")
    return opened(raw)


def opened(raw: Json) -> Event:
    """An event that was parsed already. Raises `BadEvent` without a usable id, type or instant."""
    event_id, name = ref(raw.get("id")), ref(raw.get("type"))
    created = instant(raw.get("created"))
    if event_id is None or name is None or isinstance(raw.get("id"), dict):
        raise BadEvent("no usable id or type")
    if created is None:
        raise BadEvent("no usable instant")
    data = table(raw.get("data"))
    live = raw.get("livemode")
    return make_event(
        id=event_id,
        type=name,
        at=created,
        live=live if isinstance(live, bool) else None,
        account=_account(raw),
        api_version=text(raw.get("api_version"), 60),
        object=table(data.get("object")),
        previous=table(data.get("previous_attributes")),
        data=data,
        related=table(raw.get("related_object")),
        thin=raw.get("object") == THIN,
    )


def _account(raw: Json) -> str | None:
    """The account an event names: `account`, or the last of a thin event's context path."""
    named = ref(raw.get("account"))
    if named is not None:
        return named
    context = ref(raw.get("context")) or ""
    last = context.rsplit("/", 1)[-1]
    return last if last.startswith("acct_") else None
