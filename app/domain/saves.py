"""The save ladder: an accepted offer is no save yet. Each rung is judged when its time has come."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from app.domain.actions import Action, ActionKind, action_for
from app.domain.cancellations import STANDS, CancelRequest
from app.domain.churn import NO_CURRENCY
from app.domain.departures import ends_at
from app.domain.mirror import Subscription
from app.domain.movements import Phase, phase_of
from app.domain.redemptions import Redemption
from app.domain.sessions import CancelSession


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
TRUSTED_FOR = timedelta(days=1)


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


class Lost(StrEnum):
    """Why a rung was not reached."""

    ENDED = "ended"
    UNPAID = "unpaid"
    ASKED_TO_LEAVE = "asked_to_leave"
    CAME_AGAIN = "came_again"  # into a cancel session, whatever came of it
    UNKNOWN_THERE = "unknown_there"
    ABANDONED = "abandoned"


def accepted(
    session: CancelSession,
    redemption: Redemption,
    subscription: Subscription | None,
    now: datetime,
) -> SaveStep:
    """The first rung: an offer was accepted, and applied or handed on."""
    return SaveStep(
        **_whose(session, subscription),
        rung=Rung.ACCEPTED,
        redemption_id=redemption.redemption_id,
        offer_id=redemption.offer_id,
        offer_kind=redemption.kind,
        kept=True,
        cost_minor=redemption.cost_minor,
        currency=redemption.currency,
        begun_at=redemption.claimed_at,
        due_at=redemption.claimed_at,
        recorded_at=now,
    )


def abandoned(session: CancelSession, subscription: Subscription | None, now: datetime) -> SaveStep:
    """Beside the ladder: somebody went away without a word."""
    currency = subscription.currency if subscription else None
    return SaveStep(
        **_whose(session, subscription),
        rung=Rung.ABANDONED,
        kept=False,
        why=Lost.ABANDONED,
        currency=currency or NO_CURRENCY,
        begun_at=now,
        due_at=now,
        recorded_at=now,
    )


def _whose(session: CancelSession, subscription: Subscription | None) -> dict[str, Any]:
    return {
        "session_id": session.session_id,
        "merchant_id": session.merchant_id,
        "account_id": session.account_id,
        "customer_id": session.customer_id,
        "subscription_id": session.subscription_id,
        "reason": session.reason,
        "plan": subscription.plan if subscription else None,
        "interval": subscription.interval if subscription else None,
        "mrr_minor": max(subscription.mrr_minor, 0) if subscription else 0,
    }


def judged(first: SaveStep, rung: Rung, why: Lost | str | None, now: datetime) -> SaveStep:
    """A later rung of the same ladder; `why` says what it was lost for, None that it holds."""
    due = first.begun_at + AFTER[rung]
    return replace(
        first, rung=rung, kept=why is None, why=why, due_at=due, cost_minor=0, recorded_at=now
    )


def checks(first: SaveStep) -> list[Action]:
    """The looks that judge the later rungs, each at its time."""
    return [
        action_for(
            ActionKind.CHECK_SAVE,
            subject=first.session_id,
            merchant_id=first.merchant_id,
            account_id=first.account_id,
            customer_id=first.customer_id,
            due_at=first.begun_at + wait,
            nth=rung,
            data={"rung": rung, "subscription": first.subscription_id},
        )
        for rung, wait in AFTER.items()
    ]


def lost_by(
    rung: Rung,
    subscription: Subscription | None,
    requests: Iterable[CancelRequest],
    sessions: Iterable[CancelSession],
    first: SaveStep,
) -> Lost | None:
    """What a rung was lost for, by what stands when it is judged; None where it holds.

    `sessions` are those of the subscription, the one that was saved among them. At 24 hours a
    second look into the cancel page is no loss; later it is, for a save that lasts has no re-entry.
    """
    if subscription is None:
        return Lost.UNKNOWN_THERE
    phase = phase_of(subscription)
    if phase is Phase.GONE or phase is Phase.UNBORN:
        return Lost.ENDED
    if phase is Phase.LOST:
        return Lost.UNPAID
    if ends_at(subscription) or any(r.state in STANDS for r in requests):
        return Lost.ASKED_TO_LEAVE
    again = any(one.opened_at > first.begun_at for one in sessions)
    return Lost.CAME_AGAIN if again and rung is not Rung.DEFLECTED_24H else None


def in_doubt(first: SaveStep, subscription: Subscription | None, due: datetime) -> bool:
    """Whether the mirror is no witness: it does not know the subscription, or has not heard of it
    since the acceptance or within the day before the rung was due."""
    seen = subscription.seen_at if subscription else None
    return seen is None or seen < first.begun_at or seen < due - TRUSTED_FOR
