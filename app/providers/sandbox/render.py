"""Objects as an answer or an event shows them: version by version, expanded where asked."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from app.providers.sandbox.errors import Thing, invalid
from app.providers.sandbox.records import HIDDEN, Records
from app.providers.sandbox.shapes import shaped

Tree = dict[str, Any]
MAX_LIST = 100
MAX_LEVELS = 4
EVER = (-(2**63), 2**63 - 1)
PAID_ELSEWHERE = ("invoice", "amount_paid_off_stripe")  # shown only where it is asked for


class Looks(Protocol):
    """What rendering needs of the world: to look things up."""

    records: Records

    def get(self, ident: str) -> Thing | None: ...


def listed(items: list[Any], url: str, *, has_more: bool = False) -> Thing:
    """The provider's list object."""
    return {"object": "list", "data": items, "has_more": has_more, "url": url}


def expansion(paths: list[str]) -> Tree:
    """`["a.b", "a.c"]` as a tree.

    Raises:
        ApiError: 400 for a path of more than four levels, a list's own `data` counted.
    """
    root: Tree = {}
    for path in paths:
        if path.count(".") >= MAX_LEVELS:
            words = f"You cannot expand more than {MAX_LEVELS} levels of a property. Property: "
            raise invalid(words + path, code="property_expansion_max_depth", param="expand")
        spot = root
        for part in path.split("."):
            spot = spot.setdefault(part, {})
    return root


def rendered(core: Looks, thing: Thing, version: str, expand: Tree | None = None) -> Thing:
    """A copy of an object without what is hidden, in the shape of a version, expanded.

    Raises:
        ApiError: 400 for a property that cannot be expanded.
    """
    bare = {name: value for name, value in thing.items() if name != HIDDEN}
    shown = shaped(core, bare, version)
    if expand:
        _expand(core, shown, expand, version)
    return shown


def _expand(core: Looks, shown: Thing, expand: Tree, version: str) -> None:
    for name, inner in expand.items():
        make = INCLUDABLE.get((shown.get("object", ""), name))
        if (shown.get("object"), name) == PAID_ELSEWHERE:
            shown[name] = (core.get(shown["id"]) or {}).get(HIDDEN, {}).get("elsewhere", 0)
        elif make is not None:
            shown[name] = _include(core, make(core, shown), inner, version)
        elif name not in shown:
            raise invalid(f"This property cannot be expanded ({name}).", param="expand")
        else:
            shown[name] = _expanded(core, shown[name], inner, version)


def _include(core: Looks, made: Thing, inner: Tree, version: str) -> Thing:
    below = inner.get("data")
    return {**made, "data": [rendered(core, thing, version, below) for thing in made["data"]]}


def _expanded(core: Looks, value: Any, inner: Tree, version: str) -> Any:
    if isinstance(value, list):
        return [_expanded(core, item, inner, version) for item in value]
    if isinstance(value, dict):
        copied = dict(value)
        _expand(core, copied, inner, version)
        return copied
    thing = core.get(value) if isinstance(value, str) else None
    return value if thing is None else rendered(core, thing, version, inner)


def _of(kind: str, where: str, url: str) -> Callable[[Looks, Thing], Thing]:
    def make(core: Looks, shown: Thing) -> Thing:
        found = [t for t in core.records.of(kind) if t.get(where) == shown["id"]]
        return listed(found[::-1], url.format(id=shown["id"]))

    return make


def _payments(core: Looks, shown: Thing) -> Thing:
    invoice = core.get(shown["id"]) or {}
    found = [core.get(ident) or {} for ident in invoice.get(HIDDEN, {}).get("payments", [])]
    return listed(found[::-1], f"/v1/invoice_payments?invoice={shown['id']}")


INCLUDABLE: dict[tuple[str, str], Callable[[Looks, Thing], Thing]] = {
    ("invoice", "payments"): _payments,
    ("customer", "subscriptions"): _of(
        "subscription", "customer", "/v1/customers/{id}/subscriptions"
    ),
    ("customer", "sources"): _of("card", "customer", "/v1/customers/{id}/sources"),
    ("charge", "refunds"): _of("refund", "charge", "/v1/charges/{id}/refunds"),
}
"""Lists that an object carries only when asked."""


def changed_before(core: Looks, thing: Thing, former: Thing, version: str) -> Thing:
    """`previous_attributes`: the changed keys with their old values, in the version's shape."""
    before = rendered(core, {**thing, **former}, version)
    return _difference(before, rendered(core, thing, version))


def _difference(before: Thing, after: Thing) -> Thing:
    changed: Thing = {}
    for name, old in before.items():
        new = after.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            changed[name] = _difference(old, new)
        else:
            changed[name] = old
    changed.update({name: None for name in after if name not in before})
    return changed


def thin_event(event: Thing, thing: Thing, *, whole: bool = False) -> Thing:
    """An event notification without the object: its type, instant and where to read it.

    Read by its id (`whole`) the event of an upcoming invoice, which is nowhere to be read, names
    customer and subscription; sent to an endpoint it names nobody.
    """
    created = datetime.fromtimestamp(event["created"], UTC)
    kind = str(thing["object"])
    related = None
    data = {}
    if event["type"] == "invoice.upcoming":
        told = {n: thing[n] for n in ("customer", "subscription") if n in thing}
        data = {"data": told} if whole else {}
    else:
        related = {"id": thing["id"], "type": kind, "url": f"/v1/{_plural(kind)}/{thing['id']}"}
    return {
        "id": event["id"],
        "object": "v2.core.event",
        "type": f"v1.{event['type']}",
        "livemode": False,
        "created": created.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "context": None,
        "reason": None,
        "related_object": related,
        **data,
    }


def _plural(kind: str) -> str:
    return kind.replace(".", "/") + "s"


def page(core: Looks, found: list[Thing], given: Thing, url: str) -> Thing:
    """One page of objects, newest first, by `limit`, `starting_after`, `ending_before`, `created`.

    The objects are as they are kept; the caller renders `data`.
    """
    first, last = bounds_of(given.get("created"))
    rows = [thing for thing in reversed(found) if first <= thing["created"] <= last]
    limit = min(max(given.get("limit", 10), 1), MAX_LIST)
    ids = [thing["id"] for thing in rows]
    if given.get("ending_before"):
        upto = _position(ids, given["ending_before"], "ending_before")
        rows, more = rows[max(0, upto - limit) : upto], upto > limit
    else:
        start = 0
        if given.get("starting_after"):
            start = _position(ids, given["starting_after"], "starting_after") + 1
        rows, more = rows[start : start + limit], len(rows) > start + limit
    return listed(rows, url, has_more=more)


def _position(ids: list[str], ident: str, param: str) -> int:
    if ident not in ids:
        raise invalid(f"No such object: '{ident}'", code="resource_missing", param=param)
    return ids.index(ident)


def bounds_of(created: Any) -> tuple[int, int]:
    """The first and the last second that `created` of a list asks for: one instant, or bounds."""
    if created is None:
        return EVER
    if not isinstance(created, dict):
        return int(created), int(created)
    given = {name: int(bound) for name, bound in created.items()}
    first = max(given.get("gte", EVER[0]), given.get("gt", EVER[0] - 1) + 1)
    last = min(given.get("lte", EVER[1]), given.get("lt", EVER[1] + 1) - 1)
    return first, last
