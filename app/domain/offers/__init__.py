"""Offers to people who are about to leave. One file a kind, and its name in `KINDS`."""

from collections.abc import Mapping
from typing import Any

from app.domain.changes import Step
from app.domain.documents import Fault, Section, Words
from app.domain.offers.common import (
    COMMON,
    Eligible,
    Facts,
    Kind,
    Refused,
    freed,
    guarded,
    kept,
    limits_of,
    over_budget,
)
from app.domain.offers.discount import Discount

KINDS: dict[str, type[Any]] = {kind.kind: kind for kind in (Discount,)}
Offer = Kind


def parse(document: Any, path: str = "") -> Offer | tuple[Fault, ...]:
    """The offer of a flow document's entry, or everything that is wrong with it, by path."""
    if not isinstance(document, Mapping):
        return (Fault(path, "must be a mapping"),)
    at = f"{path}.kind" if path else "kind"
    unknown = tuple(Words(tuple(KINDS)).faults(document.get("kind"), at))
    if unknown:
        return unknown
    kind = KINDS[document["kind"]]
    faults = tuple(Section((*COMMON, *kind.fields)).faults(document, path))
    if not faults and (conflict := kind.conflict(document)):
        faults = (Fault(path, conflict),)
    if faults:
        return faults
    offer: Offer = kind.of(document["id"], limits_of(document), document)
    return offer


def json_schema() -> dict[str, Any]:
    """The JSON Schema of an offer. It cannot say what rules between fields say."""
    return {"oneOf": [_schema_of(kind) for kind in KINDS.values()]}


def _schema_of(kind: type[Any]) -> dict[str, Any]:
    schema = Section((*COMMON, *kind.fields)).schema()
    schema["properties"]["kind"] = {"const": kind.kind}
    return schema


def judge(offer: Offer, facts: Facts) -> Eligible | Refused:
    """Whether this offer may be made now, and what it costs at most."""
    why = guarded(offer, facts) or offer.refusal(facts)
    if why is not None:
        return Refused(why)
    cost = offer.cost_minor(facts)
    why = over_budget(offer, facts, cost)
    return Refused(why) if why else Eligible(cost, facts.standing.currency)


def steps(offer: Offer, facts: Facts, mark: str) -> tuple[Step, ...]:
    """The provider calls of an accepted offer, in order: an attached schedule is let go first, and
    a planned end is taken back last, when the rest has been done."""
    standing = facts.standing
    return (*freed(standing), *offer.changes(facts, mark), *kept(standing))
