"""Why money came back: exactly one cause, by fixed precedence."""

from app.domain.declines import DeclineKind
from app.domain.dunning import Attempt, Case, Trigger
from app.domain.mirror import PaymentMethod
from app.domain.recovery import Cause

BY_TRIGGER = {
    Trigger.NEW_CARD: Cause.CUSTOMER_NEW_CARD,
    Trigger.ACCOUNT_UPDATER: Cause.ACCOUNT_UPDATER,
    Trigger.BACKUP_CARD: Cause.BACKUP_CARD,
    Trigger.HOLDFAST: Cause.HOLDFAST_RETRY,
    Trigger.PROVIDER: Cause.PROVIDER_RETRY,
    Trigger.OPERATOR: Cause.MANUAL_OR_EXTERNAL,
    Trigger.CUSTOMER: Cause.MANUAL_OR_EXTERNAL,
}


def cause_of(case: Case, attempt: Attempt, method: PaymentMethod | None) -> Cause:
    """The cause of a payment: the trigger of the attempt that paid, with two exceptions.

    Paid with a method the customer added after the first failure is `customer_new_card`, with
    one the network updated since is `account_updater`, whoever pulled the trigger.
    """
    if method is not None and method.added_at and method.added_at > case.opened_at:
        return Cause.CUSTOMER_NEW_CARD
    updated_at = method.network_updated_at if method is not None else None
    if updated_at is not None and updated_at > case.opened_at:
        return Cause.ACCOUNT_UPDATER
    if attempt.trigger is Trigger.CUSTOMER and attempt.link_id:
        if case.decline_kind is DeclineKind.CUSTOMER_AUTHENTICATE:
            return Cause.CUSTOMER_AUTHENTICATED
        return Cause.CUSTOMER_PAID_LINK
    if (
        attempt.trigger is Trigger.CUSTOMER
        and case.decline_kind is DeclineKind.CUSTOMER_AUTHENTICATE
    ):
        return Cause.CUSTOMER_AUTHENTICATED
    return BY_TRIGGER[attempt.trigger]
