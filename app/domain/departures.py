"""What the provider's reports say of leaving: an end that came, one taken back, one asked there."""

from app.domain.cancellations import (
    GONE,
    UNPAID,
    CancelRequest,
    Choice,
    RequestState,
    Source,
    standing_request,
)
from app.domain.evidence import EvidenceKind, of_request
from app.domain.ids import derive_id
from app.domain.mirror import Subscription
from app.domain.movements import ended_by_us
from app.domain.notices import Notice
from app.domain.records import Book
from app.domain.terms import Terms

BY_REQUEST = "cancellation_requested"


def departure_seen(
    book: Book, before: Subscription | None, after: Subscription, notice: Notice, terms: Terms
) -> None:
    """Report: a subscription changed. Moves the request that stands for it, or records the one
    that was made at the provider, by its own portal or the merchant. Safe to repeat."""
    requests = book.all(CancelRequest, account_id=after.account_id)
    request = standing_request(requests, after.subscription_id)
    if request is None:
        _asked_there(book, before, after, notice, terms)
    elif after.status in GONE:
        book.put(request.moved(RequestState.ENDED, at=after.ended_at or terms.now))
    elif request.state is RequestState.STANDING and ends_at(before) and not ends_at(after):
        undone = request.moved(RequestState.UNDONE, at=terms.now)
        book.put(undone)
        book.add(of_request(undone, EvidenceKind.UNCANCELLED, terms.now, by="provider"))


def ends_at(subscription: Subscription | None) -> bool:
    """Whether an end is planned, by either of the two ways a provider knows."""
    return subscription is not None and bool(
        subscription.cancel_at or subscription.cancel_at_period_end
    )


def _asked_there(
    book: Book, before: Subscription | None, after: Subscription, notice: Notice, terms: Terms
) -> None:
    """Of one that we first hear of when it is ending nothing is recorded: it ended before us."""
    over = after.status in GONE
    planned = over or ends_at(after)
    known = before is not None and before.status not in GONE and not ends_at(before)
    asked = after.cancellation_reason == BY_REQUEST and not ended_by_us(book, after)
    if not (planned and known and asked):
        return
    end = after.ended_at if over else after.cancel_at or after.period_end
    at = notice.occurred_at
    request = CancelRequest(
        request_id=derive_id(
            "cancel_request", at, after.account_id, after.subscription_id, Source.PROVIDER
        ),
        merchant_id=terms.merchant.merchant_id,
        account_id=after.account_id,
        customer_id=after.customer_id,
        subscription_id=after.subscription_id,
        source=Source.PROVIDER,
        choice=Choice.NOW if over else Choice.PERIOD_END,
        state=RequestState.ENDED if over else RequestState.STANDING,
        requested_at=at,
        ends_at=end or at,
        plan=after.plan,
        feedback=after.cancellation_feedback,
        while_past_due=before is not None and before.status in UNPAID,
        closed_at=end if over else None,
    )
    book.put(request)
    told = {"choice": request.choice, "access_until": request.ends_at.isoformat()}
    book.add(of_request(request, EvidenceKind.CANCELLED, at, by="provider", **told))
