"""What an offer would do, in money and dates: told before, and equal to what is then charged."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from app.domain.calendar import months_after
from app.domain.changes import Change, ChangeItems, MoveTrialEnd, Pause, PlanItems
from app.domain.offers.common import Eligible, Facts, Kind
from app.domain.standing import Forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """`now_minor` is charged at once, what a renewal has drafted within the hour; `next_minor` at
    `next_at`, and `then_minor` is the regular charge after the offer, from `until` on (None: it
    lasts). `cost_minor` is what it costs the merchant at most. `resumes_at`: a pause ends.
    `undoes_end`: a planned end is taken back; `ends_schedule`: planned changes of the subscription
    are lost with the schedule they stand in. `dated` is what the rest of a period was computed
    for: passed back with the claim, the charge is what was told."""

    kind: str
    currency: str
    now_minor: int = 0
    next_minor: int | None = None
    next_at: datetime | None = None
    then_minor: int | None = None
    until: datetime | None = None
    cost_minor: int = 0
    resumes_at: datetime | None = None
    undoes_end: bool = False
    ends_schedule: bool = False
    dated: datetime | None = None


@dataclass(frozen=True, slots=True)
class Imagined:
    """What the provider is to imagine of one charge: these changes, and of the discounts that
    stand these alone (None: all)."""

    changes: tuple[Change, ...]
    discounts: tuple[str, ...] | None


def imagined(offer: Kind, facts: Facts) -> tuple[Imagined, Imagined]:
    """The next charge, and the regular one after the offer: what is over by then is left out, of
    which the provider, asked today, knows nothing. Invoices made in a pause of collection use up
    what holds once."""
    standing, resumes = facts.standing, offer.resumes_at(facts)
    changes = tuple(step.change for step in offer.changes(facts, mark="preview"))
    first = resumes or standing.period_end or facts.now
    for one in changes:
        if isinstance(one, MoveTrialEnd):
            first = one.at
    until = offer.until(facts)
    later = until if until and until > first else months_after(first, standing.months or 1)
    voids = any(isinstance(one, Pause) and one.collection for one in changes)
    return (
        Imagined(() if resumes else changes, standing.discounts_at(first, used=voids)),
        Imagined(changes if _lasts(changes) else (), standing.discounts_at(later, used=True)),
    )


def quoted(
    offer: Kind, facts: Facts, judged: Eligible, forecast: Forecast, regular: Forecast
) -> Quote:
    """The quote of an offer by what the provider sees coming next, and regularly after it."""
    standing, resumes = facts.standing, offer.resumes_at(facts)
    changes = [step.change for step in offer.changes(facts, mark="preview")]
    now_minor, next_minor, next_at = 0, forecast.due_minor, forecast.at
    if any(isinstance(one, ChangeItems) and one.when_unpaid for one in changes):
        now_minor, next_minor = forecast.due_minor, forecast.regular_minor
        next_at = months_after(facts.dated or facts.now, 12)
    for one in changes:
        if isinstance(one, MoveTrialEnd):
            next_at = one.at
    return Quote(
        kind=offer.kind,
        currency=forecast.currency,
        now_minor=now_minor + standing.draft_minor,
        next_minor=next_minor,
        next_at=resumes or next_at,
        then_minor=regular.regular_minor,
        until=offer.until(facts),
        cost_minor=judged.cost_minor,
        resumes_at=resumes,
        undoes_end=standing.ends,
        ends_schedule=standing.schedule is not None,
        dated=facts.dated,
    )


def _lasts(changes: tuple[Change, ...]) -> bool:
    """Whether another price or quantity is for good: one change of items, and no way back."""
    return len([one for one in changes if isinstance(one, ChangeItems | PlanItems)]) == 1


INSTANTS = ("next_at", "until", "resumes_at", "dated")


def quote_document(quote: Quote) -> dict[str, Any]:
    """A quote as a session keeps it: what it does not tell is left out."""
    told = {name: value for name, value in asdict(quote).items() if value is not None}
    return told | {name: told[name].isoformat() for name in INSTANTS if name in told}


def quote_from(document: Mapping[str, Any] | None) -> Quote | None:
    """The quote that a session keeps; None where it keeps none."""
    if document is None:
        return None
    days = {name: datetime.fromisoformat(document[name]) for name in INSTANTS if name in document}
    return Quote(**{**document, **days})
