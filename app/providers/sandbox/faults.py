"""Faults on demand: what goes wrong with the next calls or the next webhooks."""

from fnmatch import fnmatch
from typing import Any

from app.providers.sandbox.core import Core
from app.providers.sandbox.errors import Thing, invalid

CALL_FAULTS = frozenset(
    {
        "timeout_before",
        "timeout_after",
        "500",
        "429",
        "lock_timeout",
        "409",
        "reset",
        "reset_after",
        "html",
    }
)
"""timeout_before · timeout_after (carried out, never answered) · 500 (its idempotency key keeps
it) · 429 (Retry-After) · lock_timeout · 409 · reset · reset_after (carried out) · html (a
gateway's page instead of JSON)."""

WEBHOOK_FAULTS = frozenset({"lose", "double", "shuffle", "delay"})
"""lose (never sent) · double · shuffle (those waiting come in another order) · delay {seconds}."""


def plan(core: Core, given: Thing) -> list[Thing]:
    """Add a fault; returns all that are planned.

    `{"fault": …, "times": 1, "method": "POST", "path": "/v1/invoices/*/pay"}` for calls,
    `{"fault": …, "times": 1, "type": "invoice.*"}` for webhooks; `{"clear": true}` ends them all.
    """
    if given.get("clear"):
        core.records.state("faults", [])
        return []
    kind = str(given.get("fault"))
    if kind not in CALL_FAULTS | WEBHOOK_FAULTS:
        known = ", ".join(sorted(CALL_FAULTS | WEBHOOK_FAULTS))
        raise invalid(f"Unknown fault; one of {known}.", param="fault")
    row = {**given, "fault": kind, "times": int(given.get("times", 1))}
    planned = [*core.records.facts.get("faults", []), row]
    core.records.state("faults", planned)
    return planned


def take_call(core: Core, method: str, path: str) -> Thing | None:
    """The fault for this call, used up by one."""
    return _take(core, CALL_FAULTS, {"method": method, "path": path})


def take_webhook(core: Core, kind: str) -> Thing | None:
    """The fault for this webhook, used up by one."""
    return _take(core, WEBHOOK_FAULTS - {"shuffle"}, {"type": kind})


def take_shuffle(core: Core) -> bool:
    """Whether the webhooks that wait now are to come in another order."""
    return _take(core, frozenset({"shuffle"}), {}) is not None


def _take(core: Core, kinds: frozenset[str], about: dict[str, str]) -> Thing | None:
    planned: list[Thing] = core.records.facts.get("faults", [])
    for place, row in enumerate(planned):
        if row["fault"] in kinds and _meets(row, about):
            left = {**row, "times": row["times"] - 1}
            rest: list[Any] = [*planned[:place], *planned[place + 1 :]]
            if left["times"] > 0:
                rest.insert(place, left)
            core.records.state("faults", rest)
            return row
    return None


def _meets(row: Thing, about: dict[str, str]) -> bool:
    return all(fnmatch(value, str(row.get(name, "*"))) for name, value in about.items())
