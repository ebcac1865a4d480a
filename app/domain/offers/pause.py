"""A rest instead of a farewell."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from app.domain.calendar import months_after
from app.domain.changes import Pause, Resume, Step
from app.domain.documents import Field, Whole
from app.domain.offers.common import Facts, Kind, Limits, Why

# The provider ends a pause of collection before it makes the invoice that is to be paid again.
AHEAD = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseOffer(Kind):
    """Nothing is charged for `months` after the paid period; then it goes on at the same price."""

    kind: ClassVar = "pause"
    fields: ClassVar = (
        Field("months", Whole(1, 3), 1, "How long, from the end of the paid period."),
    )
    offer_id: str
    limits: Limits
    months: int = 1

    @classmethod
    def of(cls, offer_id: str, limits: Limits, terms: Mapping[str, Any]) -> Self:
        """The offer of terms whose shapes are right."""
        return cls(offer_id=offer_id, limits=limits, months=int(terms.get("months", 1)))

    @property
    def ends_first(self) -> bool:
        """Under a schedule, or paused, a planned end can no longer be taken back."""
        return True

    def refusal(self, facts: Facts) -> Why | None:
        """In a trial nothing is charged anyway. Voiding invoices of more than a month would give
        more away than the pause is long."""
        standing = facts.standing
        if standing.status != "active" or standing.period_end is None:
            return Why.IN_TRIAL
        months = standing.months
        if not standing.flexible and (months is None or months > 1):
            return Why.INTERVAL
        return None

    def until(self, facts: Facts) -> datetime | None:
        """When it is charged again."""
        return self.resumes_at(facts)

    def resumes_at(self, facts: Facts) -> datetime | None:
        """So many months after the end of the paid period."""
        return months_after(facts.standing.period_end or facts.now, self.months)

    def changes(self, facts: Facts, mark: str) -> tuple[Step, ...]:
        """The real pause where the subscription can do it, else one of collection."""
        older = not facts.standing.flexible
        paid_until = facts.standing.period_end
        until = months_after(paid_until or facts.now, self.months)
        until = until - AHEAD if older else until
        pause = Pause(until=until, collection=older, before=paid_until)
        return (Step(change=pause, undo=Resume(anew=False, collection=older)),)
