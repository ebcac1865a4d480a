"""Offers to people who are about to leave. One file a kind, and its name in `KINDS`."""

from collections.abc import Iterable, Mapping
from typing import Any

from app.domain.changes import Step
from app.domain.documents import Fault, Section, Words
from app.domain.offers.annual import Annual
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
from app.domain.offers.credit import Credit
from app.domain.offers.discount import Discount
from app.domain.offers.downgrade import Downgrade
from app.domain.offers.elsewhere import Contact, Custom, Redirect
from app.domain.offers.pause import PauseOffer
from app.domain.offers.seats import Seats
from app.domain.offers.trial_extension import TrialExtension
from app.domain.offers.upgrade import Upgrade

KINDS: dict[str, type[Any]] = {
    kind.kind: kind
    for kind in (
        Discount,
        PauseOffer,
        Downgrade,
        Annual,
        TrialExtension,
        Credit,
        Upgrade,
        Seats,
        Contact,
        Redirect,
        Custom,
    )
}
Offer = Kind
# What comes first where the reason tells what would help: paying less for less before a discount,
# and a rest for a need that was never meant to last.
FIRST = {
    "too_expensive": ("downgrade", "seats"),
    "cash_flow": ("downgrade", "seats", "pause"),
    "temporary_need": ("pause",),
}


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


def in_order(offers: Iterable[Offer], reason: str | None) -> list[Offer]:
    """Offers in the order in which they are to be made to somebody with this reason; else in the
    order given."""
    first = FIRST.get(reason or "", ())
    return sorted(offers, key=lambda o: first.index(o.kind) if o.kind in first else len(first))


def steps(offer: Offer, facts: Facts, mark: str) -> tuple[Step, ...]:
    """The provider calls of an accepted offer, in order: an attached schedule is let go first. A
    planned end is taken back last, when all else is done, or first, where the provider would
    refuse it later."""
    changes = offer.changes(facts, mark)
    if not offer.gives:
        return changes
    stays = kept(facts.standing)
    own = (*stays, *changes) if offer.ends_first else (*changes, *stays)
    return (*freed(facts), *own)
