"""What a customer is told of the end of their case: what it will do as things stand, and when."""

from datetime import datetime

from app.domain.departures import planned_end
from app.domain.dunning import Case, CaseState
from app.domain.mirror import Subscription
from app.domain.movements import LEAVE, what_became
from app.domain.policies import Policy

# Of these alone a subscription is ended for a debt: it has not ended, and nothing later is paid.
ENDABLE = frozenset({"past_due", "unpaid"})


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
    spared = known is not None and known not in ENDABLE
    return LEAVE if spared else policy.end.subscription, last
