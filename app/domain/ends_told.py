"""What a customer is told of the end of their case: what it will do as things stand, and when."""

from datetime import datetime

from app.domain.departures import planned_end
from app.domain.dunning import Case, CaseState
from app.domain.mirror import Subscription
from app.domain.movements import INVOLUNTARY_PAUSES, LEAVE, what_became
from app.domain.policies import Policy

ENDABLE = frozenset({"past_due", "unpaid"})


def may_be_ended(status: str | None, subscription: Subscription | None) -> bool:
    """Whether a subscription is ended for a debt: it has not ended, and is not paid for. One that
    the provider paused for it as well; where it goes on once the invoice is closed, nobody paid."""
    for_debt = subscription is not None and subscription.pause_reason in INVOLUNTARY_PAUSES
    return status in ENDABLE or (status == "paused" and for_debt)


def told_end(
    case: Case, subscription: Subscription | None, policy: Policy, *, status: str | None = None
) -> tuple[str | None, datetime | None]:
    """What becomes of the subscription when the window is over, and the last day; None twice where
    the end is the provider's. `status` is the subscription's, read live.

    Nobody is threatened with the end of what has ended, is paid for on, or ends before by their own
    word; where what they left is then forgiven, that is the last day.
    """
    if not case.driven:
        return None, None
    last = case.window_ends_at
    if case.state is not CaseState.ACTIVE:
        return what_became(case, policy.end.subscription), last
    leaves_at = planned_end(subscription)
    if leaves_at is not None and leaves_at <= last:
        return LEAVE, leaves_at if policy.after_cancel == "forgive" else last
    known = status or (subscription.status if subscription else None)
    spared = known is not None and not may_be_ended(known, subscription)
    return LEAVE if spared else policy.end.subscription, last
