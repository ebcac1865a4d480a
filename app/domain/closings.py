"""How a report ends a case, and whose cases a customer's reports concern."""

from collections.abc import Iterator

from app.domain.dunning import Case, CaseState
from app.domain.movements import is_ending
from app.domain.old_debts import is_held
from app.domain.records import Book
from app.domain.sequence import letters_on, plan_letter
from app.domain.terms import Terms, note


def close_case(book: Book, case: Case, state: CaseState, reason: str, terms: Terms) -> None:
    """End a case because of a report; an end of our own making is not taken for another's."""
    if case.state not in {CaseState.ACTIVE, CaseState.PARKED} or is_ending(case):
        return
    moved = case.moved(state, at=terms.now, reason=reason)
    note(book, moved, terms.now, state, reason)
    book.put(moved)


def tell_of_the_end(book: Book, case: Case, terms: Terms) -> None:
    """Plan the letter about an end that was not carried out by us. `case` is as it was before."""
    if is_held(case):
        return
    now = book.get(Case, case.case_id)
    if now is None or now.state is not CaseState.EXHAUSTED or now.silent:
        return
    for row in letters_on("ended", terms.policy_of(now)):
        plan_letter(book, now, row, terms.now, terms)


def cases_of(book: Book, customer: str | None) -> Iterator[Case]:
    """The known cases of a customer, whatever their state; none where nobody is named."""
    return book.all(Case, customer_id=customer) if customer else iter(())
