"""Webhook endpoints and events: who is told, how it is signed, and what can be read again."""

import hashlib
import hmac
from itertools import takewhile

import orjson

from app.providers.sandbox import draws
from app.providers.sandbox.calendar import DAY
from app.providers.sandbox.core import Core, owner_of
from app.providers.sandbox.errors import Thing, invalid
from app.providers.sandbox.params import (
    anything,
    clearable,
    flag,
    labels,
    many,
    merged_labels,
    text,
)
from app.providers.sandbox.records import HIDDEN
from app.providers.sandbox.render import bounds_of, page, thin_event
from app.providers.sandbox.routing import PAGING, Route


def signature_header(secrets: list[str], at: int, body: str) -> str:
    """The `Stripe-Signature` header: one `v1` per secret that is valid now."""
    signed = f"{at}.{body}".encode()
    marks = [hmac.new(s.encode(), signed, hashlib.sha256).hexdigest() for s in secrets]
    return ",".join([f"t={at}", *(f"v1={mark}" for mark in marks)])


def secrets_of(core: Core, endpoint: Thing) -> list[str]:
    """The endpoint's secrets: while one is being rolled, the old one signs too."""
    hidden = endpoint[HIDDEN]
    kept = [s for s, until in hidden.get("old_secrets", []) if until > core.now]
    return [hidden["secret"], *kept]


def register(core: Core, given: Thing, *, thin: bool = False) -> Thing:
    """A new endpoint; the secret is in the answer only now."""
    ident = core.new_id("we", given["url"])
    secret = given.get("secret") or f"whsec_{draws.digest(core.seed, ident, 'secret')[:32]}"
    endpoint = core.add(
        {
            "id": ident,
            "object": "webhook_endpoint",
            "api_version": given.get("api_version"),
            "application": None,
            "created": core.now,
            "description": given.get("description"),
            "enabled_events": given["enabled_events"],
            "metadata": given.get("metadata") or {},
            "status": "enabled",
            "url": given["url"],
        },
        secret=secret,
        thin=thin,
    )
    shown = {name: value for name, value in endpoint.items() if name != HIDDEN}
    return {**shown, "secret": secret}


def roll_secret(core: Core, endpoint: Thing, *, keep_old_for: int = DAY) -> str:
    """A new secret; the old one goes on signing for a day."""
    hidden = endpoint[HIDDEN]
    n = core.tally("secret", endpoint["id"])
    fresh = f"whsec_{draws.digest(core.seed, endpoint['id'], 'secret', n)[:32]}"
    old = [*hidden.get("old_secrets", []), [hidden["secret"], core.now + keep_old_for]]
    core.hide(endpoint, secret=fresh, old_secrets=old)
    return fresh


def _create(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return register(core, given)


def _get(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return core.find("webhook_endpoint", ids[0])


def _list(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return page(core, list(core.all("webhook_endpoint")), given, "/v1/webhook_endpoints")


def _update(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    endpoint = core.find("webhook_endpoint", ids[0])
    fields: Thing = {n: given[n] for n in ("url", "enabled_events", "description") if n in given}
    if "disabled" in given:
        fields["status"] = "disabled" if given["disabled"] else "enabled"
    if "metadata" in given:
        fields["metadata"] = merged_labels(endpoint["metadata"], given["metadata"])
    core.change(endpoint, **fields)
    return endpoint


def _delete(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    endpoint = core.find("webhook_endpoint", ids[0])
    for delivery in core.all("delivery"):
        if delivery["endpoint"] == endpoint["id"]:
            core.records.remove(delivery)
    core.records.remove(endpoint)
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def _get_event(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return core.find("event", ids[0])


def _list_events(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    kept = core.now - core.settings["event_days"] * DAY
    since = max(kept, bounds_of(given.get("created"))[0])
    kinds = set(given.get("types") or ([given["type"]] if given.get("type") else []))
    success = given.get("delivery_success")
    found = [
        event
        for event in takewhile(lambda event: event["created"] >= since, core.newest("event"))
        if (not kinds or event["type"] in kinds)
        and success in (None, event["pending_webhooks"] == 0)
    ]
    return page(core, found[::-1], given, "/v1/events")


def resend(core: Core, event: Thing, endpoint: Thing) -> None:
    """Send an event once more, whatever became of the first sending."""
    thing = core.get(event["data"]["object"].get("id", "")) or event["data"]["object"]
    shown = {name: value for name, value in event.items() if name != HIDDEN}
    body = thin_event(event, thing) if endpoint[HIDDEN].get("thin") else shown
    core.queue_delivery(
        event, endpoint, orjson.dumps(body).decode(), owner_of(event["data"]["object"])
    )


def _create_destination(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    if given.get("event_payload") != "thin":
        raise invalid("Only thin event destinations are offered here.", param="event_payload")
    wanted = [kind.removeprefix("v1.") for kind in given["enabled_events"]]
    address = (given.get("webhook_endpoint") or {}).get("url", "")
    made = register(core, {"url": address, "enabled_events": wanted}, thin=True)
    return {
        "id": made["id"],
        "object": "v2.core.event_destination",
        "created": core.now,
        "description": given.get("description") or "",
        "enabled_events": given["enabled_events"],
        "event_payload": "thin",
        "name": given.get("name"),
        "status": "enabled",
        "type": "webhook_endpoint",
        "webhook_endpoint": {"signing_secret": made["secret"], "url": address},
    }


def _get_thin(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    event = core.find("event", ids[0])
    return thin_event(event, event["data"]["object"], whole=True)


def _account(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return {
        "id": core.account,
        "object": "account",
        "business_type": "company",
        "business_profile": {"name": "Sandbox", "url": None, "support_email": None},
        "charges_enabled": True,
        "country": "US",
        "default_currency": "usd",
        "details_submitted": True,
        "email": None,
        "metadata": {},
        "payouts_enabled": True,
        "settings": {"dashboard": {"display_name": "Sandbox", "timezone": "Etc/UTC"}},
        "type": "standard",
    }


ENDPOINT = {
    "url": text,
    "enabled_events": many(text),
    "description": clearable(text),
    "metadata": clearable(labels),
}

ROUTES = (
    Route("GET", "/v1/account", _account),
    Route(
        "POST",
        "/v1/webhook_endpoints",
        _create,
        {**ENDPOINT, "api_version": text, "connect": flag},
        needs=("url", "enabled_events"),
    ),
    Route("GET", "/v1/webhook_endpoints", _list, PAGING),
    Route("GET", "/v1/webhook_endpoints/{id}", _get),
    Route("POST", "/v1/webhook_endpoints/{id}", _update, {**ENDPOINT, "disabled": flag}),
    Route("DELETE", "/v1/webhook_endpoints/{id}", _delete),
    Route(
        "GET",
        "/v1/events",
        _list_events,
        {**PAGING, "type": text, "types": many(text), "delivery_success": flag},
    ),
    Route("GET", "/v1/events/{id}", _get_event),
    Route(
        "POST",
        "/v2/core/event_destinations",
        _create_destination,
        {"name": text, "type": text, "event_payload": text, "enabled_events": many(text)}
        | {"webhook_endpoint": anything, "description": text, "include": anything},
        needs=("name", "type", "enabled_events"),
    ),
    Route("GET", "/v2/core/events/{id}", _get_thin),
)
