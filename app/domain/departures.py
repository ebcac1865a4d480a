"""What the provider's reports say of leaving: an end that came, one taken back, one asked there,
and an invoice that the customer was told would not come."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.actions import Action, ActionKind, action_for
from app.domain.cancellations import (
    AT_ONCE,
    GONE,
    UNPAID,
    CancelRequest,
    Choice,
    RequestState,
    Source,
    lasts_on,
    standing_request,
)
from app.domain.evidence import EvidenceKind, of_request
from app.domain.ids import derive_id
from app.domain.mirror import Invoice, InvoiceStatus, Payment, Subscription
from app.domain.movements import ended_by_us
from app.domain.notices import Notice
from app.domain.records import Book
from app.domain.terms import Terms

BY_REQUEST = "cancellation_requested"
RENEWAL = "subscription_cycle"
CHANGE = "subscription_update"  # a plan was changed, or a pause ended and another period began
# The provider bills the next period at the end of this one, by a clock of its own.
SLACK = timedelta(minutes=2)
# What may be collected, or was.
COUNTS = frozenset({InvoiceStatus.DRAFT, InvoiceStatus.OPEN, InvoiceStatus.PAID})
# Of an end that the provider refused the customer was told all the same.
HOLDS_STILL = frozenset(RequestState) - {RequestState.UNDONE}
CLOSES = frozenset({"uncollectible", "void"})
PLAN_AGAIN = "plan_again"  # in an action of a request that was taken back


def departure_seen(
    book: Book, before: Subscription | None, after: Subscription, notice: Notice, terms: Terms
) -> None:
    """Report: a subscription changed. Moves the request that stands for it, or records the one
    that was made at the provider, by its own portal or the merchant. Safe to repeat."""
    request = standing_request(requests_of(book, after), after.subscription_id)
    if request is None:
        _asked_there(book, before, after, notice, terms)
    elif after.status in GONE:
        book.put(request.moved(RequestState.ENDED, at=after.ended_at or terms.now))
    elif request.state is RequestState.STANDING and not ends_at(after) and not notice.is_live:
        book.add(_look_at_end(after, notice, terms))
    elif request.state is RequestState.STANDING and not ends_at(after):
        if ends_at(_told(notice)):  # by a clock behind that of the row, which knows it not yet
            return
        undone = request.moved(RequestState.UNDONE, at=terms.now)
        book.put(undone)
        book.add(of_request(undone, EvidenceKind.UNCANCELLED, terms.now, by="provider"))
        book.add(to_plan_again(undone, terms.now))
    elif request.state is RequestState.STANDING and (end := _moved_end(before, after)):
        book.put(replace(request, ends_at=end))


def _told(notice: Notice) -> Subscription | None:
    return notice.snapshot if isinstance(notice.snapshot, Subscription) else None


def look_where_in_doubt(
    book: Book, told: Subscription, known: Subscription, notice: Notice, terms: Terms
) -> None:
    """An event bears the whole second in which it was made, by a clock that is not ours: one that
    seems a little older than what we read may be newer. Where it says otherwise of the end, that
    is read once more."""
    if notice.is_live or told.seen_at is None or known.seen_at is None or known.status in GONE:
        return
    doubtful = told.seen_at < known.seen_at < told.seen_at + SLACK
    if doubtful and planned_end(told) != planned_end(known):
        book.add(_look_at_end(known, notice, terms))


def _look_at_end(subscription: Subscription, notice: Notice, terms: Terms) -> Action:
    """An event without the end may be older than what we know: a schedule let go for the end and
    the end itself are two of one second. So what is live says whether it was taken back."""
    return action_for(
        ActionKind.READ,
        subject=subscription.subscription_id,
        merchant_id=terms.merchant.merchant_id,
        account_id=subscription.account_id,
        due_at=terms.now,
        customer_id=subscription.customer_id,
        nth=f"end:{notice.event}",
        data={"type": "subscription", "event": f"end:{notice.event}"},
    )


def _moved_end(before: Subscription | None, after: Subscription) -> datetime | None:
    """The planned end, where it was moved over there since it was planned: until then what is
    renewed is owed."""
    was, end = planned_end(before), planned_end(after)
    return end if was is not None and end != was else None


def planned_end(subscription: Subscription | None) -> datetime | None:
    """When a planned end is to be."""
    if subscription is None or not ends_at(subscription):
        return None
    return subscription.cancel_at or subscription.period_end


def is_to_end(request: CancelRequest | None, subscription: Subscription) -> bool:
    """Whether it ends with the period that runs, by this word or by its own terms. With a later end
    another period is to be paid until then."""
    if request is not None:
        return not lasts_on(request, subscription)
    end, over = planned_end(subscription), subscription.period_end
    return end is not None and (over is None or end <= over)


def ends_at(subscription: Subscription | None) -> bool:
    """Whether an end is planned, by either of the two ways a provider knows."""
    return subscription is not None and bool(
        subscription.cancel_at or subscription.cancel_at_period_end
    )


def _asked_there(
    book: Book, before: Subscription | None, after: Subscription, notice: Notice, terms: Terms
) -> None:
    """Of one that we first hear of when it is ending nothing is recorded: it ended before us. Nor
    of an end on a day after the period that runs: portals know none, so it is a term that the
    merchant gave the contract, and nobody's word that they could take back."""
    over = after.status in GONE
    planned = over or (ends_at(after) and is_to_end(None, after))
    known = before is not None and before.status not in GONE and not ends_at(before)
    asked = after.cancellation_reason == BY_REQUEST and not ended_by_us(
        book, after, at=notice.occurred_at
    )
    if not (planned and known and asked):
        return
    end = after.ended_at if over else planned_end(after)
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


def invoice_after_departure(book: Book, invoice: Invoice, terms: Terms) -> None:
    """Report: an invoice as it is now. A renewal after a request that had ruled it out is let be,
    or given back where it was paid already. Safe to repeat.

    With metered items the last invoice is for what was used: it was told, so it stands. Of an end
    at once none was told.
    """
    request = _ruled_out(requests_of(book, invoice), invoice)
    if request is None or invoice.status not in COUNTS or max(_sums(invoice)) <= 0:
        return
    subscription = book.get(Subscription, invoice.account_id, invoice.subscription_id)
    metered = subscription is not None and any(item.get("metered") for item in subscription.items)
    if metered and request.choice not in AT_ONCE:
        return
    book.add(settlement(request, invoice.invoice_id, terms.policy.end.invoice, terms))


def _sums(invoice: Invoice) -> tuple[int, int]:
    return invoice.remaining_minor, invoice.paid_minor


def is_let_go(book: Book, invoice: Invoice) -> bool:
    """Whether the customer left and was told that this invoice need not be paid, or would not
    come: a payment of it that fails concerns nobody. One that the provider refuses to end stays
    forgiven."""
    requests = requests_of(book, invoice)
    stand = (request for request in requests if request.state is not RequestState.UNDONE)
    forgiven = any(invoice.invoice_id in request.forgiven for request in stand)
    return forgiven or _ruled_out(requests, invoice) is not None


def requests_of(book: Book, row: Invoice | Subscription) -> list[CancelRequest]:
    """What was asked for the subscription of a row."""
    about = {"account_id": row.account_id, "subscription_id": row.subscription_id}
    return list(book.all(CancelRequest, **about))


def _ruled_out(requests: Collection[CancelRequest], invoice: Invoice) -> CancelRequest | None:
    """The request that ruled it out. One that was refused holds until there is a newer word."""
    newest = max((request.requested_at for request in requests), default=None)
    for request in requests:
        over = request.state is RequestState.REFUSED and request.requested_at != newest
        if rules_out(request, invoice) and not over:
            return request
    return None


def rules_out(request: CancelRequest, invoice: Invoice) -> bool:
    """Whether this request said there would be no such invoice."""
    made = invoice.created_at
    if made is None or invoice.billing_reason not in {RENEWAL, CHANGE}:
        return False
    stands = request.state in HOLDS_STILL and not request.names(invoice.invoice_id)
    return stands and _comes_after(request, made, renewal=invoice.billing_reason == RENEWAL)


def _comes_after(request: CancelRequest, made: datetime, *, renewal: bool) -> bool:
    """Whether an invoice made then was none of those that the customer was told of.

    Those were read before the word was committed, and the provider stamps whole seconds. Until an
    end that is to come a change may be paid for; after one at once nothing is changed, so what a
    pause that ended meanwhile brings is none either. Who cancelled over there was told nothing.
    """
    if request.choice not in AT_ONCE:
        return renewal and made >= request.ends_at - SLACK
    if request.source is Source.PROVIDER:
        return renewal and made > request.requested_at
    known = request.requested_at - SLACK if renewal else request.requested_at
    return made >= known.replace(microsecond=0)


def to_give_back(
    request: CancelRequest, invoice: str, payments: Iterable[Payment]
) -> tuple[Payment, ...]:
    """The payments of a paid invoice, newest first, that go back: what was taken of the sum that
    the customer was told they need not pay, or all of an invoice that was not to come. What they
    had paid of it before the word stays paid. The same again where some went back already.
    """
    told = [row["amount_minor"] for row in request.invoices if row["invoice"] == invoice]
    left, back = told[0] if told else None, []
    for payment in payments:
        if payment.status != "succeeded":
            continue
        if left is not None and left <= 0:
            break
        if payment.refunded_minor < payment.amount_minor:
            back.append(payment)
        left = None if left is None else left - payment.amount_minor
    return tuple(back)


def has_left_since(
    requests: Iterable[CancelRequest], accepted: datetime, *, takes_back: bool
) -> bool:
    """Whether somebody who accepted an offer then has cancelled since, by whatever way. Where the
    offer takes a planned end back, one at the provider may be the very end that it takes back,
    heard of late."""
    since = accepted.replace(microsecond=0)
    return any(
        request.state is not RequestState.UNDONE
        and request.requested_at >= since
        and not (takes_back and request.source is Source.PROVIDER)
        for request in requests
    )


def settlement(request: CancelRequest, invoice: str, how: str, terms: Terms) -> Action:
    """The action that lets one invoice be as the customer was told: collected by nobody and
    closed, or given back. `how` is the policy's; one that says nothing writes it off, for it may
    still be paid."""
    return action_for(
        ActionKind.SETTLE,
        subject=invoice,
        merchant_id=request.merchant_id,
        account_id=request.account_id,
        due_at=terms.now,
        customer_id=request.customer_id,
        nth=request.request_id,
        data={
            "request": request.request_id,
            "how": how if how in CLOSES else "uncollectible",
        },
    )


def to_plan_again(request: CancelRequest, at: datetime, *, nth: str = PLAN_AGAIN) -> Action:
    """The action that looks, after an end was taken back, whether something that was agreed had
    been let go for it."""
    return action_for(
        ActionKind.CANCEL,
        subject=request.request_id,
        merchant_id=request.merchant_id,
        account_id=request.account_id,
        due_at=at,
        customer_id=request.customer_id,
        nth=nth,
        data={PLAN_AGAIN: True},
    )


def is_to_plan_again(action: Action) -> bool:
    """Whether it is that one, and not one that tells the provider of the end."""
    return PLAN_AGAIN in (action.data or {})
