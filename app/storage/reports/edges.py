"""Where a question begins or ends within a day: the days that are whole, and what is left."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.ports.figures import Period
from app.reports.periods import day_of, midnight


def apart(periods: Sequence[Period], zone: ZoneInfo) -> tuple[list[Period], list[Period]]:
    """The whole days of each period, and the parts of days at its edges, under its name."""
    whole: list[Period] = []
    edges: list[Period] = []
    for period in periods:
        first, last = _begun(period.starts_at, zone, days=1), _begun(period.ends_at, zone)
        if first >= last:
            edges.append(period)
            continue
        whole.append(replace(period, starts_at=first, ends_at=last))
        if period.starts_at < first:
            edges.append(replace(period, ends_at=first))
        if last < period.ends_at:
            edges.append(replace(period, starts_at=last))
    return whole, edges


def _begun(at: datetime, zone: ZoneInfo, *, days: int = 0) -> datetime:
    """The midnight that an instant is, else the one so many days after its day began."""
    day = day_of(at, zone)
    begins = midnight(day, zone)
    return begins if begins == at else midnight(day + timedelta(days=days), zone)
