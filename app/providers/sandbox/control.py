"""The control API under `/_sandbox`: time, faults, cards, customers' acts, what is under way."""

from typing import Any

from fastapi import APIRouter, HTTPException

from app.providers.sandbox import acts, faults, webhooks
from app.providers.sandbox.errors import Thing
from app.providers.sandbox.house import House, from_iso
from app.providers.sandbox.records import HIDDEN
from app.providers.sandbox.world import World

Json = dict[str, Any]


def control_routes(house: House) -> APIRouter:
    """The endpoints, bound to one house."""
    router = APIRouter(prefix="/_sandbox", tags=["control"])
    _time_routes(router, house)
    _act_routes(router, house)
    _look_routes(router, house)
    return router


def _time_routes(router: APIRouter, house: House) -> None:
    @router.get("/status")
    async def status() -> Json:
        """Now, what waits to be sent, when something happens next."""
        house.catch_up()
        return house.status()

    @router.post("/advance")
    async def advance(given: Json) -> Json:
        """Play everything up to `to` and await each webhook's answer. Only in stepped mode."""
        if house.mode != "stepped":
            raise HTTPException(409, "The clock of a running sandbox cannot be moved.")
        return await house.advance(_instant(given))

    @router.post("/deliver")
    async def deliver(given: Json | None = None) -> Json:
        """Send what waits; with `everything` also what is put off after failures."""
        return await house.deliver(everything=bool((given or {}).get("everything")))

    @router.post("/settings")
    async def settings(given: Json) -> Json:
        """Change billing settings: retry_days, end_action, invoice_end, and others."""
        unknown = set(given) - set(house.world.settings)
        if unknown:
            raise HTTPException(400, f"Unknown settings: {', '.join(sorted(unknown))}")
        changed = house.world.settle_settings(given)
        house.world.records.commit()
        return changed


def _instant(given: Json) -> int:
    try:
        return from_iso(str(given["to"]))
    except (KeyError, ValueError):
        raise HTTPException(400, "`to` must be an ISO 8601 instant.") from None


def _act_routes(router: APIRouter, house: House) -> None:
    world = house.world

    @router.post("/customers/{customer}/acts")
    async def act(customer: str, given: Json) -> Json:
        """Let a customer, a bank or the staff do something."""
        house.catch_up()
        return world.outside(lambda: acts.act(world, customer, given))

    @router.post("/cards")
    async def cards(given: Json) -> Json:
        """Programme a payment method, or make a card that behaves as described."""
        return world.outside(lambda: _shown(acts.programme(world, given)))

    @router.post("/faults")
    async def plan_fault(given: Json) -> list[Json]:
        """Make the next matching calls or webhooks go wrong."""
        return world.outside(lambda: faults.plan(world, given))

    @router.post("/events/{event}/resend")
    async def resend(event: str, given: Json | None = None) -> Json:
        """Send an event once more."""
        wanted = (given or {}).get("endpoint")
        return world.outside(lambda: {"queued": acts.resend(world, event, wanted)})

    @router.post("/webhook_endpoints/{endpoint}/roll")
    async def roll(endpoint: str) -> Json:
        """Give an endpoint a new secret; the old one goes on signing for a day."""
        return world.outside(
            lambda: {
                "secret": webhooks.roll_secret(world, world.find("webhook_endpoint", endpoint))
            }
        )


def _look_routes(router: APIRouter, house: House) -> None:
    world = house.world

    @router.get("/events")
    async def events(after: str | None = None, limit: int = 1000) -> Json:
        """Every event since the beginning (or after one), oldest first."""
        found = events_after(world, after)
        return {"events": found[:limit], "total": len(found)}

    @router.get("/objects/{ident}")
    async def look(ident: str) -> Json:
        """Any object as it is kept, with what is hidden."""
        found = world.get(ident)
        if found is None:
            raise HTTPException(404, "No such object.")
        return found


def events_after(world: World, after: str | None) -> list[Thing]:
    """Every event since the beginning (or after one), oldest first, as they are shown."""
    found = list(world.all("event"))
    if after is not None:
        ids = [event["id"] for event in found]
        found = found[ids.index(after) + 1 :] if after in ids else []
    return [_shown(event) for event in found]


def _shown(thing: Thing) -> Thing:
    return {name: value for name, value in thing.items() if name != HIDDEN}
