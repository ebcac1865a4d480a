"""What follows from the word, whoever gave it and wherever: written in one transaction with it."""

from dataclasses import replace
from datetime import timedelta

from app.domain.actions import Action, ActionKind, action_for
from app.domain.cancellations import CancelRequest, Choice, standing_request
from app.domain.closings import CANCELLED, close_case
from app.domain.dunning import Case, CaseState
from app.domain.mirror import Subscription
from app.domain.records import Book
from app.domain.terms import Terms
from app.services.cancel_letters import plan_confirmation
from app.services.cancel_settling import settlements

BY_WORKERS_AFTER = timedelta(minutes=1)  # what is carried out in the request is theirs after that
TERM = "term"  # in the action that tells of an end: when the contract was to end by itself
# From the end that comes last to the one that gives the most back.
STRENGTH = (Choice.PERIOD_END, Choice.NOW, Choice.WITHDRAWAL)


def part(book: Book, request: CancelRequest, terms: Terms) -> tuple[CancelRequest, list[Action]]:
    """Commit the word with everything that follows from it: cases stop where the end is now, open
    invoices are settled as told, the provider is to be told, the letter is planned.

    The request takes the place of one that stands already, made at the provider or by a form
    meanwhile: one stands for a subscription, and the newest word counts. What is to end at once
    already is put off by none. Returns the request that stands with what is to be done.
    """
    former = standing_request(book.all(CancelRequest), request.subscription_id)
    if former is not None and _goes_before(former, request):
        former = replace(former, session_id=former.session_id or request.session_id)
        book.put(former)
        return former, []
    nth = _nth(request, former)
    if former is not None:
        request = _in_its_place(request, former)
    book.put(request)
    if request.ends_at <= terms.now:
        for case in list(book.all(Case, subscription_id=request.subscription_id)):
            close_case(book, case, CaseState.STOPPED, CANCELLED, terms)
    term = None if former is not None else _term_of(book, request)
    todo = [_to_tell(request, nth, term), *settlements(book, request, terms)]
    for action in todo:
        book.add(action)
    plan_confirmation(book, request, terms, nth)
    return request, todo


def _in_its_place(request: CancelRequest, former: CancelRequest) -> CancelRequest:
    """The newer word under the name of the former. The page that the former was said on follows
    it, and the reason that was given there stays where no other is."""
    return replace(
        request,
        request_id=former.request_id,
        session_id=request.session_id or former.session_id,
        reason=request.reason or former.reason,
        feedback=request.feedback or former.feedback,
    )


def _nth(request: CancelRequest, former: CancelRequest | None) -> str:
    """What tells this word from others about the same request: the provider and the customer have
    been told of another end before."""
    word = "" if request.choice is Choice.PERIOD_END else str(request.choice)
    return f"{word}@{request.requested_at.isoformat()}" if former is not None else word


def _goes_before(former: CancelRequest, request: CancelRequest) -> bool:
    """Whether what stands ends at once already, and gives the customer as much."""
    stands, wants = STRENGTH.index(former.choice), STRENGTH.index(request.choice)
    return stands > 0 and stands >= wants


def _term_of(book: Book, request: CancelRequest) -> dict[str, str] | None:
    """The end that the contract has by its own terms, where this word comes before it."""
    contract = book.get(Subscription, request.account_id, request.subscription_id)
    end = contract.cancel_at if contract else None
    return {TERM: end.isoformat()} if end is not None and end > request.ends_at else None


def _to_tell(request: CancelRequest, nth: str, data: dict[str, str] | None) -> Action:
    return action_for(
        ActionKind.CANCEL,
        subject=request.request_id,
        merchant_id=request.merchant_id,
        account_id=request.account_id,
        due_at=request.requested_at + BY_WORKERS_AFTER,
        customer_id=request.customer_id,
        nth=nth or 0,
        data=data,
    )
