"""Payment methods: seen, changed by the network, entered, made a default in place of another."""

from dataclasses import replace
from datetime import datetime

from app.domain.actions import ActionKind, action_for
from app.domain.closings import cases_of
from app.domain.dunning import Case, CaseState
from app.domain.mirror import Customer, PaymentMethod
from app.domain.mirroring import forward
from app.domain.notices import Notice
from app.domain.openings import case_action
from app.domain.records import Book
from app.domain.reminders import plan_card_looks
from app.domain.terms import Terms

# Of these a new card is tried, now or later.
TRIED = frozenset({CaseState.ACTIVE, CaseState.PARKED})


def method_seen(book: Book, notice: Notice, terms: Terms) -> None:
    """A method was attached, changed or taken off: the mirror, and warnings of its expiry."""
    snapshot = notice.snapshot
    if isinstance(snapshot, PaymentMethod) and snapshot.method_id:
        plan_card_looks(book, forward(book, snapshot, terms), terms)


def method_by_network(book: Book, notice: Notice, terms: Terms) -> None:
    """The card account updater brought new card data: one attempt right away."""
    snapshot = notice.snapshot
    if not isinstance(snapshot, PaymentMethod) or not snapshot.method_id:
        return
    method = forward(book, replace(snapshot, network_updated_at=notice.occurred_at), terms)
    plan_card_looks(book, method, terms)
    nth = f"updater:{method.method_id}:{notice.occurred_at.isoformat()}"
    for case in cases_of(book, method.customer_id):
        if case.state is CaseState.ACTIVE and case.driven:
            data: dict[str, str | None] = {"trigger": "account_updater"}
            data |= {"updated": method.method_id}
            book.add(case_action(case, ActionKind.RETRY, terms.now, nth=nth, data=data))


def card_collected(book: Book, notice: Notice, terms: Terms) -> None:
    """A card entered by way of our link is to pay; one collected otherwise is the merchant's
    business until it becomes a default."""
    method_seen(book, notice, terms)
    if notice.link is not None:
        new_method(book, notice, notice.customer, notice.method, terms)


def new_method(
    book: Book,
    notice: Notice,
    customer: str | None,
    method: str | None,
    terms: Terms,
    *,
    replaces: bool = False,
) -> None:
    """A customer has another card: set it where it counts and try what is open, once; a card that
    comes back in a later case is tried in that one, and in a parked one when it is taken up again.
    One that was entered by way of our link is wanted also where nothing is open, and one that
    replaces another may have to be taken to where we set the other. In what failed only later it is
    no new card, so that a report that is heard again long after plans nothing. Of a customer who
    was deleted nothing is charged any more."""
    who = book.get(Customer, terms.account.account_id, customer)
    if who is not None and who.deleted:
        return
    then = [c for c in cases_of(book, customer) if _was_open(c, notice.occurred_at)]
    open_ = [c for c in then if c.state in TRIED]
    if not method or customer is None or not (open_ or notice.link or replaces):
        return
    newest = max(then, key=lambda case: (case.opened_at, case.case_id), default=None)
    # An entry on our page is one for ever: heard again when all is paid, it must change nothing.
    nth = "" if notice.link else f":{newest.case_id if newest else notice.event}"
    book.add(
        action_for(
            ActionKind.NEW_CARD,
            subject=customer,
            merchant_id=terms.merchant.merchant_id,
            account_id=terms.account.account_id,
            due_at=terms.now,
            customer_id=customer,
            case_id=open_[0].case_id if open_ else None,
            nth=f"{method}{nth}",
            data={"method": method, "link": notice.link},
        )
    )


def _was_open(case: Case, at: datetime) -> bool:
    return case.opened_at <= at and (case.closed_at is None or at < case.closed_at)
