"""Other cards of a customer who agreed that they may be charged: whether, which, and when.

Consent is the customer's own: a key of their metadata at the provider that the policy names, and
that says yes. A card is tried once a case, and never made anybody's default.
"""

from datetime import UTC, datetime, timedelta

from app.domain.actions import ActionKind
from app.domain.calendar import in_daytime
from app.domain.cards import card_key_of, rail_of, uses_of
from app.domain.declines import DeclineKind
from app.domain.dunning import Attempt, AttemptState, CardUse, Case, CaseState, Trigger
from app.domain.mirror import Customer, PaymentMethod
from app.domain.network_rules import earliest_within_budget
from app.domain.openings import case_action
from app.domain.policies import Policy
from app.domain.records import Book
from app.domain.retry import AskCustomer, GiveUp, NextStep
from app.domain.terms import Terms, note

YES = frozenset({"yes", "true", "1"})
# Refusals after which the card at hand is of no use, while another one may be.
DEAD = frozenset(
    {
        DeclineKind.NEVER,
        DeclineKind.NEW_METHOD,
        DeclineKind.FIX_DATA,
        DeclineKind.NO_PAYMENT_METHOD,
    }
)
OURS = frozenset({Trigger.HOLDFAST, Trigger.BACKUP_CARD})
AT_MOST_UNTRIED = 2  # a card that the provider would not even try so often is left alone


def has_agreed(customer: Customer | None, policy: Policy) -> bool:
    """Whether this customer lets other cards of theirs be charged."""
    if customer is None or customer.deleted or customer.erased or policy.backup_consent is None:
        return False
    said = (customer.metadata or {}).get(policy.backup_consent)
    return isinstance(said, str) and said.strip().casefold() in YES


def plan_backup(
    book: Book, case: Case, step: NextStep, *, dead: bool, policy: Policy, terms: Terms
) -> None:
    """Plan a try with another card where ours are used up or the card at hand is dead, and the
    customer agreed. One look at a time: each that was refused plans the next."""
    over = isinstance(step, GiveUp) or (isinstance(step, AskCustomer) and dead)
    customer = book.get(Customer, case.account_id, case.customer_id)
    if not (over and case.driven and has_agreed(customer, policy)):
        return
    mine = [a for a in book.all(Attempt, case_id=case.case_id) if a.trigger in OURS]
    happened = [a.intent_at for a in mine if a.state is not AttemptState.NOT_EXECUTED]
    spacing = timedelta(hours=policy.retry.min_spacing_hours)
    due = max(terms.now, *(at + spacing for at in happened)) if happened else terms.now
    due = in_daytime(due, terms.zone_of(customer))
    if due >= case.window_ends_at:
        return
    before = sum(a.trigger is Trigger.BACKUP_CARD for a in mine)
    data: dict[str, str | None] = {"trigger": Trigger.BACKUP_CARD}
    action = case_action(case, ActionKind.RETRY, due, nth=f"backup_card:{before}", data=data)
    book.add(action)
    text = f"looks for another card of the customer at {due.isoformat(timespec='minutes')}"
    note(book, case, terms.now, "decision", f"{text}, as agreed")


def backup_of(
    book: Book, case: Case, policy: Policy, terms: Terms, default: PaymentMethod | None
) -> PaymentMethod | None:
    """The card to be tried, the one added last first; None where there is none.

    Only a card that is attached to this very customer, has not expired, was not tried in this
    case, may be tried by its network, and is not the `default` that is charged anyway.
    """
    customer = book.get(Customer, case.account_id, case.customer_id)
    if case.state is not CaseState.ACTIVE or not has_agreed(customer, policy):
        return None
    attempts = list(book.all(Attempt, case_id=case.case_id))
    found = [
        method
        for method in book.all(PaymentMethod)
        if method.account_id == case.account_id
        and method.customer_id == case.customer_id
        and not method.detached
        and method.type == "card"
        and not _is_same(method, default)
        and not _has_expired(method, terms.now)
        and not _was_tried(method, attempts)
        and _is_free(book, method, terms.now)
    ]
    oldest = datetime.min.replace(tzinfo=UTC)
    return max(found, key=lambda m: (m.added_at or oldest, m.method_id), default=None)


def _is_same(method: PaymentMethod, other: PaymentMethod | None) -> bool:
    return other is not None and card_key_of(method) == card_key_of(other)


def _has_expired(method: PaymentMethod, now: datetime) -> bool:
    """A card is good until the end of its month; one whose month is not known is not tried."""
    if not method.exp_year or not method.exp_month:
        return True
    return (method.exp_year, method.exp_month) < (now.year, now.month)


def _was_tried(method: PaymentMethod, attempts: list[Attempt]) -> bool:
    """By whomever, under this name or another."""
    names = {method.method_id, method.fingerprint} - {None}
    mine = [a for a in attempts if names & {a.method_id, a.fingerprint}]
    untried = sum(a.state is AttemptState.NOT_EXECUTED for a in mine)
    return len(mine) > untried or untried >= AT_MOST_UNTRIED


def _is_free(book: Book, method: PaymentMethod, now: datetime) -> bool:
    uses = uses_of(book.all(CardUse), card_key_of(method), method)
    within, rule = earliest_within_budget(uses, rail=rail_of(method), brand=method.brand, at=now)
    return not any(use.never for use in uses) and (rule is None or within <= now)
