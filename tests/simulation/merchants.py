"""What must hold between merchants: nothing of one comes to another."""

from typing import Any

from app.domain.actions import Action
from app.domain.dunning import Case
from app.domain.messages import Mail, Message
from app.domain.operations import InboxEvent
from tests.simulation.house import Estate
from tests.simulation.ledger import Written
from tests.simulation.people import Requires

THEIRS = ("customer_id", "invoice_id", "subscription_id")  # what the provider's account knows


def keeps_to_one_merchant(rules: Requires, written: Written) -> None:
    """A transaction writes rows of one merchant, or of those whose webhooks it handles, and none
    of one merchant about what is another's."""
    named = {row.merchant_id for before, row in written if not _is_claimed(before, row)}
    heard = {row.merchant_id for _, row in written if isinstance(row, InboxEvent)}
    alone = len(named) <= 1 or named == heard
    rules.require(alone, "I13", f"rows of {sorted(named)} in one transaction")
    if len(rules.house.estates) > 1:
        for _, row in written:
            _is_about_their_own(rules, row)


def _is_claimed(before: Any, row: Any) -> bool:
    """Whether it is an action that a worker takes, with those of others."""
    return isinstance(row, Action) and before is not None and row.claims > before.claims


def _is_about_their_own(rules: Requires, row: Any) -> None:
    what = type(row).__name__
    estate = rules.house.estates.get(getattr(row, "account_id", None) or "")
    if estate is None:
        return
    own = estate.merchant_id == row.merchant_id
    rules.require(own, "I13", f"a {what} of one merchant with the account of another")
    case: Case | None = rules.house.ledger.row(Case, getattr(row, "case_id", None))
    theirs = case is None or case.account_id == row.account_id
    rules.require(theirs, "I13", f"a {what} about a case of another merchant")
    for name in THEIRS:
        ident = getattr(row, name, None)
        if ident and _is_elsewhere(rules, estate, ident):
            rules.require(False, "I13", f"a {what} about {name} of another merchant")


def _is_elsewhere(rules: Requires, estate: Estate, ident: str) -> bool:
    others = [one for one in rules.house.estates.values() if one is not estate]
    return estate.bank.world.get(ident) is None and any(o.bank.world.get(ident) for o in others)


def is_from_theirs(rules: Requires, mail: Mail, message: Message) -> None:
    """A mail comes from the merchant whose letter it is and goes to their customer."""
    estate = rules.house.estates[message.account_id]
    own = estate.merchant_id == message.merchant_id and mail.sender == estate.sender
    rules.require(own, "I13", f"a mail of {message.merchant_id} from {mail.sender}")
    customer = estate.bank.world.get(message.customer_id or "") or {}
    rules.require(mail.recipient == customer.get("email"), "I13", "a mail to somebody else")
