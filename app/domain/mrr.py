"""MRR movements: from the first notice on, because history cannot be regained later."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar


class MovementKind(StrEnum):
    """Why MRR moved."""

    OPENING = "opening"
    NEW = "new"
    EXPANSION = "expansion"
    CONTRACTION = "contraction"
    CHURN_VOLUNTARY = "churn_voluntary"
    CHURN_INVOLUNTARY = "churn_involuntary"
    CHURN_MERCHANT = "churn_merchant"
    MIGRATION = "migration"
    REACTIVATION = "reactivation"
    PAUSE = "pause"
    RESUME = "resume"
    FX = "fx"
    SWITCH = "switch"


@dataclass(frozen=True, slots=True, kw_only=True)
class MrrMovement:
    """One append-only line: `delta_minor` per month, signed. `source` is the event it came
    from; unique per subscription and source, so a replayed event moves nothing twice.

    `plan`, `interval`, `country` and `attributes` (JSON by name, of those the merchant had named)
    are those of that time: where a subscription's MRR is, so that its lines add up to nothing
    everywhere else. A `SWITCH` is two lines that take it elsewhere. `paying` is by how many a line
    changes the number of subscriptions with MRR in its currency; a line from before it was kept
    goes by its kind.
    """

    KEY: ClassVar = ("movement_id",)
    UNIQUE: ClassVar = (("account_id", "subscription_id", "source"),)
    movement_id: str
    merchant_id: str
    account_id: str
    subscription_id: str
    customer_id: str | None
    kind: MovementKind
    currency: str
    delta_minor: int
    source: str
    occurred_at: datetime
    effective_at: datetime
    recorded_at: datetime
    plan: str | None = None
    interval: str | None = None
    country: str | None = None
    attributes: str | None = None
    paying: int | None = None

    @property
    def place(self) -> tuple[str | None, str | None, str | None, str | None]:
        """Where it moved MRR: plan, interval, country, attributes."""
        return self.plan, self.interval, self.country, self.attributes
