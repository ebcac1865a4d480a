"""Old debts: what was past due before we came. Cases of them wait for a person's word."""

from datetime import timedelta

from app.domain.dunning import Case, CaseState, Waits
from app.domain.merchants import ProviderAccount
from app.domain.mirror import Invoice

# Marks the case. Shown as its reason.
OLD_DEBT = "past due before the account was connected; waits for `holdfast accounts release`"
# An invoice made on the day before is nobody's old debt: its payment fails as we come.
FRESH = timedelta(days=1)
HELD_FOR = timedelta(days=7)  # how long a held case's end is put off each time it comes up


def is_old_debt(invoice: Invoice, account: ProviderAccount) -> bool:
    """Whether an invoice is older than our connection. One that tells no date is not."""
    if invoice.created_at is None or account.created_at is None:
        return False
    return invoice.created_at + FRESH < account.created_at


def is_held(case: Case) -> bool:
    """Whether a case is of an old debt that nobody has released yet: nothing is charged, written
    or ended. What the customer or the provider does about it counts all the same."""
    held = case.state is CaseState.ACTIVE and case.waits is Waits.ON_HOLD
    return held and case.reason == OLD_DEBT
