"""What an offer would do, in money and dates: told before, and equal to what is then charged."""

from dataclasses import dataclass
from datetime import datetime

from app.domain.offers.common import Eligible, Facts, Kind
from app.domain.standing import Forecast


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """`now_minor` is charged at once, `next_minor` at `next_at`, and `then_minor` is the regular
    charge after the offer, from `until` on (None: it lasts). `cost_minor` is what it costs the
    merchant at most. `undoes_end`: a planned end is taken back; `ends_schedule`: planned changes
    of the subscription are lost with the schedule they stand in."""

    kind: str
    currency: str
    now_minor: int = 0
    next_minor: int | None = None
    next_at: datetime | None = None
    then_minor: int | None = None
    until: datetime | None = None
    cost_minor: int = 0
    undoes_end: bool = False
    ends_schedule: bool = False


def quoted(
    offer: Kind, facts: Facts, judged: Eligible, forecast: Forecast, without: Forecast
) -> Quote:
    """The quote of an offer by what the provider sees coming with it and without it."""
    standing = facts.standing
    return Quote(
        kind=offer.kind,
        currency=forecast.currency,
        next_minor=forecast.due_minor,
        next_at=forecast.at,
        then_minor=without.due_minor,
        until=offer.until(facts),
        cost_minor=judged.cost_minor,
        undoes_end=standing.ends,
        ends_schedule=standing.schedule is not None,
    )
