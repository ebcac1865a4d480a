"""The save ladder: an accepted offer is no save yet. Each rung is judged when its time has come."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar


class Rung(StrEnum):
    """A rung of the ladder. `ABANDONED` stands beside it: who went away without a word was not
    saved by anybody."""

    ACCEPTED = "accepted"
    DEFLECTED_24H = "deflected_24h"
    SAVED_30D = "saved_30d"
    SAVED_90D = "saved_90d"
    ABANDONED = "abandoned"


# When a rung is judged, counted from the acceptance. 24 hours is what ProsperStack calls deflected,
# 30 days what Chargebee calls saved (both in their public documentation).
AFTER: Mapping[Rung, timedelta] = {
    Rung.DEFLECTED_24H: timedelta(hours=24),
    Rung.SAVED_30D: timedelta(days=30),
    Rung.SAVED_90D: timedelta(days=90),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveStep:
    """One session at one rung, judged once. A rung whose time has come and has no line yet is open.

    `begun_at` is the acceptance (or the leaving, for `ABANDONED`): the cohort. `kept` says whether
    the customer was still there and had not asked to leave again; `why` in a word if not.
    `mrr_minor` is what the subscription brought a month then, `cost_minor` what the offer costs at
    most, both in minor units of `currency`.
    """

    KEY: ClassVar = ("session_id", "rung")
    UNIQUE: ClassVar = ()
    session_id: str
    rung: Rung
    merchant_id: str
    account_id: str
    customer_id: str | None = None
    subscription_id: str
    redemption_id: str | None = None
    offer_id: str | None = None
    offer_kind: str | None = None
    reason: str | None = None
    plan: str | None = None
    interval: str | None = None
    kept: bool
    why: str | None = None
    currency: str
    mrr_minor: int
    cost_minor: int = 0
    begun_at: datetime
    due_at: datetime
    recorded_at: datetime
