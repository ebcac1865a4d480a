"""More days to try it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from app.domain.changes import MoveTrialEnd, Step
from app.domain.documents import Field, Whole
from app.domain.offers.common import Facts, Kind, Limits, Why


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialExtension(Kind):
    """The trial lasts `days` longer. Only of a trial that runs: later it would give away a
    subscription that was decided for."""

    kind: ClassVar = "trial_extension"
    fields: ClassVar = (Field("days", Whole(1, 90), None, "How many days more.", needed=True),)
    offer_id: str
    limits: Limits
    days: int

    @classmethod
    def of(cls, offer_id: str, limits: Limits, terms: Mapping[str, Any]) -> Self:
        """The offer of terms whose shapes are right."""
        return cls(offer_id=offer_id, limits=limits, days=int(terms["days"]))

    def refusal(self, facts: Facts) -> Why | None:
        """A trial runs."""
        standing = facts.standing
        trying = standing.status == "trialing" and standing.trial_end is not None
        return None if trying else Why.NO_TRIAL

    def until(self, facts: Facts) -> datetime | None:
        """The new end of the trial."""
        return (facts.standing.trial_end or facts.now) + timedelta(days=self.days)

    def changes(self, facts: Facts, mark: str) -> tuple[Step, ...]:
        """Another end of the trial."""
        old = facts.standing.trial_end or facts.now
        move = MoveTrialEnd(at=old + timedelta(days=self.days), before=old)
        return (Step(change=move, undo=MoveTrialEnd(at=old)),)
