"""What a customer may use while a payment is missing: levels that begin on days of the policy."""

from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.policies import AccessPolicy


class Level(StrEnum):
    """From all to nothing. Retries never move a level, recovery gives `FULL` back."""

    FULL = "full"
    GRACE = "grace"
    RESTRICTED = "restricted"
    BLOCKED = "blocked"
    ENDED = "ended"


def stages(policy: AccessPolicy, opened_at: datetime) -> tuple[tuple[datetime, Level], ...]:
    """The levels of a case and when each begins, counted from the first failure, in order of
    time. Of levels that begin together only the strictest is there."""
    days = (
        (policy.grace_days, Level.GRACE),
        (policy.restricted_day, Level.RESTRICTED),
        (policy.blocked_day, Level.BLOCKED),
    )
    begins = {opened_at: Level.FULL}
    for day, level in days:
        if day is not None:
            begins[opened_at + timedelta(days=day)] = level
    return tuple(sorted(begins.items()))
