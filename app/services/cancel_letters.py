"""The letter that acknowledges a cancellation: planned with it, sent at once, whatever the hour."""

from dataclasses import replace

from app.domain.actions import Action, ActionKind, action_for
from app.domain.cancellations import (
    FORGIVEN,
    REFUNDED,
    STILL_DUE,
    CancelRequest,
    Choice,
    RequestState,
)
from app.domain.correspondence import suppressed_by
from app.domain.declarations import Declaration
from app.domain.ids import derive_id
from app.domain.messages import Letter, Message, MessageState, Rendered
from app.domain.mirror import Customer
from app.domain.records import Book
from app.domain.sessions import CancelSession
from app.domain.terms import Terms
from app.ports.world import World
from app.services import mailing
from app.services.books import Touched, account_terms
from app.services.customer_desk import CustomerDesk, customer_desk
from app.services.declaration_letters import receipt_letter
from app.services.letters import stationery_for
from app.services.posting import Outgoing, post

TEMPLATE, WITHDRAWN = "cancellation_confirmed", "withdrawal_confirmed"


class UnknownReceipt(LookupError):
    """Nothing was cancelled in this session."""


def plan_confirmation(book: Book, request: CancelRequest, terms: Terms, nth: str) -> None:
    """Plan the letter about a request, in the transaction of the request; `nth` tells its word from
    another about the same. One without an address is kept as dropped: the receipt is all there is.
    """
    message = confirmation_of(book, request, terms, nth)
    book.add(message)
    if message.recipient:
        book.add(
            action_for(
                ActionKind.CONFIRM,
                subject=message.message_id,
                merchant_id=message.merchant_id,
                account_id=message.account_id,
                due_at=terms.now,
                data={"request": request.request_id},
            )
        )


def confirmation_of(book: Book, request: CancelRequest, terms: Terms, nth: str = "") -> Message:
    """The letter about a request, as a message."""
    customer = book.get(Customer, request.account_id, request.customer_id)
    recipient = (customer.email if customer else None) or ""
    return Message(
        message_id=derive_id("message", request.requested_at, request.request_id),
        merchant_id=request.merchant_id,
        account_id=request.account_id,
        customer_id=request.customer_id,
        subscription_id=request.subscription_id,
        step=f"cancelled:{request.request_id}" + (f":{nth}" if nth else ""),
        template=WITHDRAWN if request.choice is Choice.WITHDRAWAL else TEMPLATE,
        recipient=recipient,
        language=request.language,
        state=MessageState.PLANNED if recipient else MessageState.DROPPED,
        due_at=terms.now,
        reason=None if recipient else "no address is known",
    )


async def send_confirmation(world: World, action: Action) -> None:
    """Send the letter of a request, at most once.

    It stands in no customer's lane: the law wants it at once, whatever else waits. `sending` is
    committed before it leaves; found in that state again it may have gone, and is `unknown`.
    """
    out: Outgoing | None = None
    async with customer_desk(world, action, Touched()) as at:
        if at is not None:
            out = await _begin(at)
    if out is not None:
        await mailing.record(world, action, out, await post(world, out))


async def receipt(world: World, session: CancelSession) -> tuple[CancelRequest, Rendered]:
    """The request of a session and its receipt to keep: what the letter says, in the session's
    language. Raises `UnknownReceipt` where nothing was cancelled, or it was taken back."""
    async with world.store.transaction(session.merchant_id) as tx:
        requests = await tx.load(CancelRequest, [(session.request_id,)])
        if not requests or requests[0].state is RequestState.UNDONE:
            raise UnknownReceipt(session.session_id)
        request = requests[0]
        terms = await account_terms(tx, world, session.merchant_id, session.account_id)
        customers = await tx.load(Customer, [(session.account_id, session.customer_id)])
        book = Book()
        book.know(customers)
        message = confirmation_of(book, request, terms)
        paper = await stationery_for(tx, message, terms.merchant)
    letter = _letter(terms, message, request, customers[0] if customers else None)
    return request, world.renderer.render(replace(letter, look=paper.look, wording=paper.wording))


async def _begin(at: CustomerDesk) -> Outgoing | None:
    messages = await _locked(at)
    letter = await _about(at, messages[0]) if messages else None
    if letter is None:
        at.done("there is no such letter")
        return None
    message = messages[0]
    at.book.know(messages)
    if message.state is MessageState.SENDING:
        why = "interrupted while sending"
        at.book.put(replace(message, state=MessageState.UNKNOWN, reason=why))
    if message.state is not MessageState.PLANNED:
        at.done(f"the letter is {message.state}")
        return None
    if await _is_taken_back(at):
        why = "the cancellation was taken back"
        at.book.put(replace(message, state=MessageState.DROPPED, reason=why))
        at.done(why)
        return None
    paper = await stationery_for(at.tx, message, at.terms.merchant)
    if by := suppressed_by(paper.suppressions, message.recipient):
        why = f"the address is suppressed: {by}"
        at.book.put(replace(message, state=MessageState.DROPPED, reason=why))
        at.done(why)
        return None
    at.book.put(replace(message, state=MessageState.SENDING))
    letter = replace(letter, look=paper.look, wording=paper.wording)
    return Outgoing(message=message, letter=letter, merchant=at.terms.merchant)


async def _is_taken_back(at: CustomerDesk) -> bool:
    """Whether the letter, which was put off, would confirm an end that is none any more."""
    rows = await at.tx.load(CancelRequest, [((at.action.data or {}).get("request"),)])
    return any(request.state is RequestState.UNDONE for request in rows)


async def _locked(at: CustomerDesk) -> list[Message]:
    """The message of the action, its customer locked: they may be erased at this moment."""
    found = await at.tx.load(Message, [(at.action.subject,)])
    if not found or found[0].customer_id is None:
        return found
    await at.tx.lock(found[0].account_id, [found[0].customer_id])
    return await at.tx.load(Message, [(at.action.subject,)])


async def _about(at: CustomerDesk, message: Message) -> Letter | None:
    """The letter about the request or the declaration that the action names."""
    named = at.action.data or {}
    if "declaration" in named:
        rows = await at.tx.load(Declaration, [(named["declaration"],)])
        return receipt_letter(at.terms, message, rows[0]) if rows else None
    requests = await at.tx.load(CancelRequest, [(named.get("request"),)])
    if not requests:
        return None
    request = requests[0]
    customers = await at.tx.load(Customer, [(request.account_id, request.customer_id)])
    return _letter(at.terms, message, request, customers[0] if customers else None)


def _letter(
    terms: Terms, message: Message, request: CancelRequest, customer: Customer | None
) -> Letter:
    sums = {
        outcome: sum(row["amount_minor"] for row in request.invoices if row["outcome"] == outcome)
        for outcome in (FORGIVEN, STILL_DUE, REFUNDED)
    }
    currency = next((row["currency"] for row in request.invoices), "usd")
    return Letter(
        template=message.template,
        language=message.language,
        time_zone=terms.zone_of(customer).key,
        merchant_name=terms.merchant.name,
        customer_name=customer.name if customer else None,
        plan=request.plan,
        invoice_number=None,
        amount_minor=sums[STILL_DUE],
        currency=currency,
        link=None,
        reference=request.request_id,
        requested_at=request.requested_at,
        ends_at=request.ends_at if request.choice is Choice.PERIOD_END else None,
        forgiven_minor=sums[FORGIVEN] or None,
        owed_minor=sums[STILL_DUE] or None,
        refunded_minor=sums[REFUNDED] or None,
    )
