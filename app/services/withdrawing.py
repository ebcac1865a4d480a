"""Withdrawing from a contract within 14 days: it ends now, and what was paid goes back."""

from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.actions import Action, ActionKind, action_for
from app.domain.alerts import AlertKind
from app.domain.cancellations import (
    REFUNDED,
    CancelRequest,
    Changed,
    Choice,
    Departing,
    Preview,
    Source,
    request_of,
)
from app.domain.compliance.places import place_of
from app.domain.dunning import IllegalMove
from app.domain.evidence import EvidenceKind, of_request
from app.domain.merchants import ProviderAccount
from app.domain.mirror import Customer, PaymentMethod, Subscription
from app.domain.mirroring import forward
from app.domain.records import Book
from app.domain.sessions import CancelSession, SessionState
from app.domain.terms import Terms
from app.domain.withdrawals import Consent, PaidInvoice, may_withdraw, withdrawal
from app.ports.store import Transaction
from app.ports.world import World
from app.services.alarms import alert
from app.services.books import Touched
from app.services.cancel_settling import finish
from app.services.cancelling import RECEIPT_KEPT, at_once, newest
from app.services.customer_desk import customer_desk
from app.services.exits import ExitDesk, exit_desk
from app.services.fuses import may_give_back
from app.services.parting import part

SEEN_LATER = timedelta(minutes=5)
NO_RIGHT = "there is no right to withdraw from this contract (any more)"


async def look(world: World, session: CancelSession) -> Preview:
    """What withdrawing now would do, in money, read live. Raises `IllegalMove` where there is no
    right to it."""
    async with exit_desk(world, session) as at:
        _require_right(at)
        account, subscription = at.terms.account, session.subscription_id
    seen = await read(world, account, subscription)
    async with exit_desk(world, session) as at:
        told = await _told(at, *seen)
        await at.note_shown(**shown(told))
    return told


async def withdraw(
    world: World, session: CancelSession, *, key: str, told: str | None = None
) -> CancelRequest:
    """Withdraw. There is one outcome: asked again the same receipt is given. `told` is the mark of
    the preview that was shown. Raises `Changed` where another sum would come back by now,
    `IllegalMove` where there is no right to it, and what `Payments` raises: then nothing was
    done."""
    async with exit_desk(world, session) as at:
        if at.request is not None and at.request.choice is Choice.WITHDRAWAL:
            return at.request
        _require_right(at)
        account, subscription = at.terms.account, session.subscription_id
    seen = await read(world, account, subscription)
    async with exit_desk(world, session) as at:
        if at.request is not None and at.request.choice is Choice.WITHDRAWAL:
            return at.request
        now = await _told(at, *seen)
        if told not in (None, now.mark):
            raise Changed("withdrawing would do something else by now than what was told")
        request, todo = _withdrawn(at, now, seen[1], key)
    await at_once(world, todo)
    await world.wake.now()
    return await newest(world, request)


def _require_right(at: ExitDesk) -> None:
    if not at.may_withdraw:
        raise IllegalMove(NO_RIGHT)


async def read(
    world: World, account: ProviderAccount, subscription: str
) -> tuple[Departing, tuple[PaidInvoice, ...]]:
    """The contract as it is live, and everything that was paid for it."""
    standing = await world.payments.read_departing(account, subscription)
    return standing, await read_paid(world, account, subscription)


async def read_paid(
    world: World, account: ProviderAccount, subscription: str
) -> tuple[PaidInvoice, ...]:
    """Every invoice of the contract of which something was paid, with its payments."""
    paid = []
    for invoice in await world.payments.paid_invoices(account, subscription):
        seen = await world.payments.read_invoice(account, invoice)
        paid.append(PaidInvoice(invoice=seen.invoice, payments=seen.payments))
    return tuple(paid)


async def _told(at: ExitDesk, standing: Departing, paid: tuple[PaidInvoice, ...]) -> Preview:
    live = forward(at.book, standing.subscription, at.terms)
    _require_right(at)
    consent = await consent_to(at.tx, live, by=at.terms.now)
    return withdrawal(replace(standing, subscription=live), paid, consent, at.terms.now)


async def consent_to(
    tx: Transaction, subscription: Subscription, *, by: datetime
) -> Consent | None:
    """That this customer wanted an early start, where that was on record when they declared."""
    named = {
        "account_id": subscription.account_id,
        "subscription_id": subscription.subscription_id,
    }
    found = await tx.find(Consent, where=named)
    known = [row for row in found if max(row.given_at, row.recorded_at) < by]
    return known[0] if known else None


def _withdrawn(
    at: ExitDesk, told: Preview, paid: tuple[PaidInvoice, ...], key: str
) -> tuple[CancelRequest, list[Action]]:
    session, now = at.session, at.terms.now
    request = request_of(
        told,
        at.subscription,
        source=Source.SESSION,
        at=now,
        session=session.session_id,
        reason=session.reason,
        language=session.language,
    )
    request, todo = take_back(at.book, request, paid, at.terms)
    moved = session.moved(SessionState.CANCELLING, at=now)
    kept = max(moved.expires_at, now + RECEIPT_KEPT)
    at.book.put(replace(moved, request_id=request.request_id, outcome_key=key, expires_at=kept))
    at.note(EvidenceKind.CANCELLED, request.request_id, **shown(told))
    return request, todo


def take_back(
    book: Book, request: CancelRequest, paid: tuple[PaidInvoice, ...], terms: Terms
) -> tuple[CancelRequest, list[Action]]:
    """Commit a withdrawal with all that follows: what follows from the word, and a refund for each
    payment. A person is told of what was paid in no way that we could pay it back by."""
    request, todo = part(book, request, terms)
    for row in request.invoices:
        if row["outcome"] == REFUNDED:
            for one in row["payments"]:
                book.add(_refund(request, row["invoice"], one, terms))
    for other in paid:
        if other.elsewhere_minor:
            text = (
                f"{other.elsewhere_minor} {other.invoice.currency} of invoice"
                f" {other.invoice.invoice_id} were paid by balance or outside, and the customer"
                f" withdrew ({request.request_id}): they are to be given back by hand"
            )
            subject = other.invoice.invoice_id
            book.add(alert(terms.now, request.merchant_id, AlertKind.WITHDRAWAL, subject, text))
    return request, todo


def _refund(request: CancelRequest, invoice: str, one: dict[str, object], terms: Terms) -> Action:
    about = {"request": request.request_id, "invoice": invoice, **one}
    return action_for(
        ActionKind.REFUND,
        subject=str(one["payment"]),
        merchant_id=request.merchant_id,
        account_id=request.account_id,
        due_at=terms.now,
        customer_id=request.customer_id,
        nth=request.request_id,
        data=about,
    )


async def give_back(world: World, action: Action) -> None:
    """Give one payment back, as much of it as was told.

    More than the account's day bears is parked. Safe to repeat: what has gone back already is read
    first and counts, and each call has a key made of it. It is done when the provider shows it.
    """
    told = action.data or {}
    async with customer_desk(world, action, Touched()) as at:
        if at is None:
            return
        account = at.terms.account
        sums = {action.subject: int(told["amount_minor"])}
        (request,) = await at.tx.load(CancelRequest, [(told["request"],)])
        if not await may_give_back(at, request, sums):
            return
    gone = await _given_back(world, account, action)
    missing = int(told["before"]) + int(told["amount_minor"]) - gone
    if missing > 0:
        key = f"{told['request']}:{action.subject}:{gone}:refund"
        await world.payments.refund(account, action.subject, key=key, amount_minor=missing)
        gone = await _given_back(world, account, action)
        missing = int(told["before"]) + int(told["amount_minor"]) - gone
    async with customer_desk(world, action, Touched(), after_the_deed=True) as at:
        if at is None:
            return
        if missing > 0:
            at.again(at.terms.now + SEEN_LATER, "the provider does not show the refund yet")
            return
        at.done()
        for request in await at.tx.load(CancelRequest, [(told["request"],)]):
            at.book.know([request])
            line = {"payment": action.subject, "amount_minor": told["amount_minor"]}
            kind = EvidenceKind.REFUNDED
            at.book.add(of_request(request, kind, at.terms.now, action.subject, **line))
            await finish(at, request)


async def _given_back(world: World, account: ProviderAccount, action: Action) -> int:
    """How much of the payment went back so far, whoever gave it."""
    invoice = str((action.data or {})["invoice"])
    reading = await world.payments.read_invoice(account, invoice)
    found = (p.refunded_minor for p in reading.payments if p.payment_id == action.subject)
    return next(found, 0)


def shown(told: Preview) -> dict[str, object]:
    """A preview as evidence keeps it."""
    return {
        "choice": told.choice,
        "access_until": told.access_until.isoformat(),
        "invoices": list(told.invoices),
        "refund_minor": told.refund_minor,
    }


async def has_right(tx: Transaction, book: Book, subscription: Subscription, terms: Terms) -> bool:
    """Whether whoever holds a contract may withdraw from it, by where they live and what they pay
    with."""
    owner = book.get(Customer, subscription.account_id, subscription.customer_id)
    method = subscription.default_method_id or (owner.default_method_id if owner else None)
    cards = await tx.load(PaymentMethod, [(subscription.account_id, method)]) if method else []
    place = place_of(None, owner, cards[0] if cards else None, None)
    return may_withdraw(subscription, place, terms.zone_of(owner), terms.now)
