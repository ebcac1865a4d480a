"""What every family of objects stands on: finding, making, changing, scheduling, telling.

No HTTP and no waiting. Time is `now` in Unix seconds and moves only when the caller moves it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from app.providers.sandbox import draws
from app.providers.sandbox.errors import Thing, no_such
from app.providers.sandbox.records import HIDDEN, Records
from app.providers.sandbox.render import changed_before, rendered, thin_event

API_VERSION = "2026-10-28.endive"
"""The account's own version, and the one objects are kept in."""

SETTINGS: Thing = {
    "retry_days": [3, 5, 7],
    "end_action": "cancel",
    "invoice_end": "open",
    "finalize_after": 3600,
    "upcoming_days": 3,
    "event_days": 30,
    "requests_per_second": 0,
    "requests_per_endpoint": 0,
}
"""The account's billing settings.

retry_days: days from one automatic charge to the next; [] is "no retries".
end_action: what becomes of the subscription after the last one: cancel, unpaid, past_due, pause.
invoice_end: open or uncollectible. finalize_after: seconds a renewal's invoice stays a draft.
upcoming_days: days before a renewal that `invoice.upcoming` tells of it.
event_days: how long events are kept (Stripe lists 30 days).
requests_per_second, requests_per_endpoint: beyond them the answer is 429, in real seconds; 0 is no
limit. Stripe's own are 100 and 25 in live mode, 25 in its sandboxes (docs.stripe.com/rate-limits).
"""

FIRST_RESEND = 3600
MAX_SENDS = 16


class Core:
    """The objects, the clock and the account's settings.

    Args:
        seed: decides every id and every chance.
        now: Unix seconds; ignored when the records bring their own time.
        records: where everything is kept.

    Attributes:
        base_url: where the hosted pages are; no slash at the end.
        version: the API version the request being served asks for.
        request: the API request being served, as events name it.
        when_paid: called with each invoice that becomes paid.
        when_charged: called with each charge that succeeds.
    """

    def __init__(self, seed: int, now: int, records: Records | None = None) -> None:
        self.records = records or Records()
        facts = self.records.facts
        self.seed: int = facts.get("seed", seed)
        self._now: int = facts.get("now", now)
        self.settings: Thing = {**SETTINGS, **facts.get("settings", {})}
        self.base_url = "http://127.0.0.1"
        self.version = API_VERSION
        self.when_paid: list[Callable[[Core, Thing], None]] = []
        self.when_charged: list[Callable[[Core, Thing], None]] = []
        self.request: Thing = {"id": None, "idempotency_key": None}
        self.records.state("seed", self.seed)
        self.records.state("now", self._now)

    @property
    def now(self) -> int:
        """Unix seconds."""
        return self._now

    @now.setter
    def now(self, instant: int) -> None:
        self._now = instant
        self.records.state("now", instant)

    @property
    def account(self) -> str:
        """The account's id."""
        return draws.make_id("acct", self.seed)

    def settle_settings(self, changes: Thing) -> Thing:
        """Change the account's billing settings; returns all of them."""
        self.settings = {**self.settings, **changes}
        self.records.state("settings", self.settings)
        return self.settings

    def new_id(self, prefix: str, *key: str) -> str:
        """The next id under a key, so that racing callers with keys of their own cannot mix."""
        n = self.records.count(":".join(("id", prefix, *key)))
        return draws.make_id(prefix, self.seed, *key, n)

    def tally(self, *key: str) -> int:
        """Count something, from 1. Not undone when a request fails."""
        return self.records.count(":".join(key))

    def chance(self, key: str, purpose: str, n: int = 0) -> float:
        """A number in [0, 1) that belongs to this object, purpose and occasion."""
        return draws.draw(self.seed, key, purpose, n)

    def get(self, ident: str) -> Thing | None:
        """An object by id, whatever its kind."""
        return self.records.things.get(ident)

    def find(self, kind: str, ident: str | None, param: str = "id") -> Thing:
        """An object of this kind.

        Raises:
            ApiError: `resource_missing`; 404 when `param` is "id", else 400 naming `param`.
        """
        thing = self.records.things.get(ident or "")
        if thing is None or thing["object"] != kind:
            raise no_such(kind.replace("_", " "), ident or "", param)
        return thing

    def all(self, kind: str, customer: str | None = None) -> Iterator[Thing]:
        """Objects of a kind, oldest first."""
        return self.records.of(kind, customer)

    def newest(self, kind: str) -> Iterator[Thing]:
        """Objects of a kind, newest first; for those who change none on the way."""
        return self.records.newest(kind)

    def add(
        self, thing: Thing, *, due: dict[str, int | None] | None = None, **hidden: Any
    ) -> Thing:
        """Keep a new object with what only the sandbox knows about it."""
        made = self.records.add({"livemode": False, **thing, HIDDEN: hidden})
        if due:
            self.records.schedule(made, due)
        return made

    def change(self, thing: Thing, **fields: Any) -> Thing:
        """Set fields of an object; returns the former values of those that differ."""
        return self.records.change(thing, fields)

    def hide(self, thing: Thing, **fields: Any) -> None:
        """Set what only the sandbox knows."""
        self.records.change(thing, {HIDDEN: {**thing[HIDDEN], **fields}})

    def schedule(self, thing: Thing, **due: int | None) -> None:
        """Say when actions of an object are due; None takes one back."""
        self.records.schedule(thing, due)

    def play_until(self, instant: int) -> None:
        """Play what comes due up to an instant. The core alone knows no work; a world does."""
        self.now = max(self.now, instant)

    def emit(self, kind: str, thing: Thing, former: Thing | None = None) -> Thing:
        """Record an event and queue it for every endpoint that listens to its type.

        `former` holds the values of changed fields as `change` returned them. Each endpoint gets
        the object in the shape of its own API version, as it is at this moment.
        """
        ident = self.new_id("evt", thing.get("id", ""), kind)
        listeners = [e for e in self.all("webhook_endpoint") if _listens(e, kind)]
        event: Thing = {
            "id": ident,
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now,
            "data": self._data(thing, former, API_VERSION),
            "livemode": False,
            "pending_webhooks": len(listeners),
            "request": dict(self.request),
            "type": kind,
        }
        self.add(event)
        for endpoint in listeners:
            self._queue(event, endpoint, thing, former)
        return event

    def _data(self, thing: Thing, former: Thing | None, version: str) -> Thing:
        data: Thing = {"object": rendered(self, thing, version)}
        if former:
            data["previous_attributes"] = changed_before(self, thing, former, version)
        return data

    def _queue(self, event: Thing, endpoint: Thing, thing: Thing, former: Thing | None) -> None:
        shown = {name: value for name, value in event.items() if name != HIDDEN}
        version = endpoint["api_version"] or API_VERSION
        if endpoint[HIDDEN].get("thin"):
            body = thin_event(event, thing)
        elif version == API_VERSION:
            body = shown
        else:
            body = {**shown, "api_version": version, "data": self._data(thing, former, version)}
        self.queue_delivery(event, endpoint, orjson.dumps(body).decode(), owner_of(thing))

    def queue_delivery(
        self, event: Thing, endpoint: Thing, body: str, owner: str, at: int | None = None
    ) -> None:
        """Put one webhook in line; `owner` keeps those of one customer in their order."""
        self.records.add(
            {
                "id": self.new_id("dlv", event["id"], endpoint["id"]),
                "object": "delivery",
                "event": event["id"],
                "endpoint": endpoint["id"],
                "body": body,
                "owner": owner,
                "turn": self.records.count("turn"),
                "sends": 0,
                "at": self.now if at is None else at,
            }
        )

    def pending_deliveries(self) -> list[Thing]:
        """Webhooks to be sent now: by instant, then customer, then the order they arose in."""
        ready = [d for d in self.all("delivery") if d["at"] <= self.now]
        return sorted(ready, key=lambda d: (d["at"], d["owner"], d["turn"]))

    def delivered(self, delivery: Thing, *, ok: bool) -> None:
        """Report how sending ended. A failure comes again, an hour later, then ever more slowly.

        Given up after 16 sends, about three days; the event then stays in the list as undelivered.
        """
        if self.get(delivery["id"]) is not delivery:
            return
        sends = delivery["sends"] + 1
        event = self.get(delivery["event"])
        if ok or sends >= MAX_SENDS:
            self.records.remove(delivery)
        else:
            wait = min(FIRST_RESEND * 2 ** (sends - 1), 6 * FIRST_RESEND)
            self.change(delivery, sends=sends, at=self.now + wait)
        if ok and event is not None:
            self.change(event, pending_webhooks=max(0, event["pending_webhooks"] - 1))


def owner_of(thing: Thing) -> str:
    """The customer an object belongs to, or the object itself."""
    if thing["object"] == "customer":
        return str(thing["id"])
    return str(thing.get("customer") or thing.get("id", ""))


def _listens(endpoint: Thing, kind: str) -> bool:
    wanted = endpoint["enabled_events"]
    return endpoint["status"] == "enabled" and ("*" in wanted or kind in wanted)
