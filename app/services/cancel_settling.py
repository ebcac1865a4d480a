"""Open invoices of a subscription that was cancelled: nobody collects them any more.

The provider's own collection is turned off first and read back; what was forgiven is then closed.
Money that came all the same, ours in flight or the provider's, goes back, and a person is told.
"""

from dataclasses import replace
from datetime import timedelta
from itertools import chain

from app.domain.absorb import absorb
from app.domain.actions import Action, ActionKind, ActionState
from app.domain.alerts import AlertKind
from app.domain.cancellations import CancelRequest, RequestState
from app.domain.departures import rules_out, settlement, to_give_back
from app.domain.dunning import IN_DOUBT, Attempt, Case
from app.domain.evidence import EvidenceKind, of_request
from app.domain.merchants import ProviderAccount
from app.domain.mirror import Invoice, InvoiceStatus, Payment
from app.domain.mirroring import forward
from app.domain.records import Book
from app.domain.sessions import CancelSession, SessionState
from app.domain.terms import Terms
from app.ports.payments import InvoiceReading
from app.ports.store import Ask, Transaction
from app.ports.world import World
from app.services.alarms import alert
from app.services.books import Touched
from app.services.customer_desk import CustomerDesk, customer_desk
from app.services.fuses import may_give_back
from app.services.looks import is_under_way

TO_BE_PAID = frozenset({InvoiceStatus.DRAFT, InvoiceStatus.OPEN})
WAITS = frozenset({SessionState.CANCELLING, SessionState.FAILED})
TO_DO = (ActionState.PENDING, ActionState.PARKED)
LATER = timedelta(minutes=5)  # an invoice with a payment in doubt is looked at so often


def settlements(book: Book, request: CancelRequest, terms: Terms) -> list[Action]:
    """An action for each invoice that the customer was told they need not pay."""
    found = []
    for invoice in request.forgiven:
        case = next(book.all(Case, invoice_id=invoice), None)
        policy = terms.policy_of(case) if case else terms.policy
        found.append(settlement(request, invoice, policy.end.invoice, terms))
    return found


async def outstanding(tx: Transaction, request: CancelRequest, *, but: Action) -> bool:
    """Whether something of a request is still to be carried out, this action apart."""
    where = {
        "account_id": request.account_id,
        "kind": [ActionKind.SETTLE, ActionKind.CANCEL, ActionKind.REFUND],
        "customer_id": request.customer_id,
    }
    rows = await tx.ask(*(Ask(Action, where={**where, "state": state}) for state in TO_DO))
    return any(
        request.request_id in (action.subject, (action.data or {}).get("request"))
        for action in chain(*rows)
        if action.action_id != but.action_id
    )


async def finish(at: CustomerDesk, request: CancelRequest) -> None:
    """The session is over when nothing of its request is left to do, by a person either."""
    if request.session_id is None or await outstanding(at.tx, request, but=at.action):
        return
    at.book.know(await at.tx.load(CancelSession, [(request.session_id,)]))
    session = at.book.get(CancelSession, request.session_id)
    refused = request.state is RequestState.REFUSED
    if session is not None and session.state in WAITS and not refused:
        at.book.put(session.moved(SessionState.CANCELLED, at=at.terms.now))


async def settle(world: World, action: Action) -> None:
    """Let one invoice be as the customer was told.

    Safe to repeat, and right whoever is faster: an open invoice is collected by nobody from the
    first call on; while a payment is in doubt it waits; one that was paid is given back, which is
    written into the action first, so that it is told of whoever dies. Of an invoice that nobody was
    told of the subscription is looked at first.
    """
    async with customer_desk(world, action, Touched(invoices={action.subject})) as at:
        if at is None:
            return
        requests = await at.tx.load(CancelRequest, [((action.data or {}).get("request"),)])
        if not requests or requests[0].state is RequestState.UNDONE:
            at.done("the cancellation does not stand")
            return
        request, account, doubt = requests[0], at.terms.account, _is_in_doubt(at)
    named = request.names(action.subject) or "back" in (action.data or {})
    if not named and not await _is_still_ruled_out(world, account, action, request):
        return
    reading = await world.payments.read_invoice(account, action.subject)
    invoice = await _let_be(world, account, action, request, reading, waits=doubt)
    back = await _to_give_back(world, action, request, reading)
    if back is None:
        return
    for payment in back:
        # What is one payment may have paid more than this invoice: no more than its part goes back.
        amount = payment.amount_minor - payment.refunded_minor
        key = f"{request.request_id}:{payment.payment_id}:{payment.refunded_minor}:refund"
        await world.payments.refund(account, payment.payment_id, key=key, amount_minor=amount)
    touched = Touched(invoices={action.subject})
    async with customer_desk(world, action, touched, after_the_deed=True) as at:
        if at is not None:
            at.book.know([request])
            await _settled(at, request, reading, invoice)


async def _is_still_ruled_out(
    world: World, account: ProviderAccount, action: Action, request: CancelRequest
) -> bool:
    """Whether the request stands and rules the invoice out by what is live: an end that was taken
    back or moved over there counts, also where its report comes later than the renewal's."""
    notices = await world.payments.read_object(
        account,
        type="subscription",
        id=request.subscription_id,
        event=f"settle:{request.request_id}",
        at=world.clock.now(),
    )
    touched = Touched(invoices={action.subject}, subscriptions={request.subscription_id})
    async with customer_desk(world, action, touched) as at:
        if at is None:
            return False
        for notice in notices:
            absorb(at.book, notice, at.terms)
        now = at.book.get(CancelRequest, request.request_id) or request
        invoice = at.book.get(Invoice, action.account_id, action.subject)
        stands = invoice is None or rules_out(now, invoice)
        if not stands:
            at.done("the cancellation does not stand")
        return stands


async def _let_be(
    world: World,
    account: ProviderAccount,
    action: Action,
    request: CancelRequest,
    reading: InvoiceReading,
    *,
    waits: bool,
) -> Invoice:
    """Nobody collects what is to be paid; closed, where nothing is in doubt. As it is after it."""
    if reading.invoice.status not in TO_BE_PAID:
        return reading.invoice
    invoice = await world.payments.stop_provider_retries(account, action.subject)
    if waits or is_under_way(reading) or invoice.status not in TO_BE_PAID:
        return invoice
    # It sets what was read just now: each try has its own key, or a kept 500 were its answer.
    key = f"{request.request_id}:{action.subject}:close:{action.claims}"
    # Nobody was ever sent a draft: there is no debt to be written off.
    drafted = invoice.status is InvoiceStatus.DRAFT
    how = "void" if drafted else str((action.data or {}).get("how"))
    return await world.payments.close_invoice(account, action.subject, how=how, key=key)


async def _to_give_back(
    world: World, action: Action, request: CancelRequest, reading: InvoiceReading
) -> tuple[Payment, ...] | None:
    """What goes back now; None where somebody else is at it, or it is too much for a day. In the
    action stands how much of each payment, also of those that went back when this was tried
    before."""
    paid = reading.payments if reading.invoice.status is InvoiceStatus.PAID else ()
    back = to_give_back(request, action.subject, paid)
    if not back:
        return ()
    async with customer_desk(world, action, Touched()) as at:
        if at is None:
            return None
        data = at.action.data or {}
        sums = {one.payment_id: one.amount_minor - one.refunded_minor for one in back}
        if not await may_give_back(at, request, sums):
            return None
        at.book.put(replace(at.action, data={**data, "back": sums | data.get("back", {})}))
    return back


def _is_in_doubt(at: CustomerDesk) -> bool:
    cases = {case.case_id for case in at.book.all(Case, invoice_id=at.action.subject)}
    return any(a.case_id in cases and a.state in IN_DOUBT for a in at.book.all(Attempt))


async def _settled(
    at: CustomerDesk, request: CancelRequest, reading: InvoiceReading, invoice: Invoice
) -> None:
    forward(at.book, invoice, at.terms)
    read_as_paid = reading.invoice.status is InvoiceStatus.PAID
    paid_since = invoice.status is InvoiceStatus.PAID and not read_as_paid
    if invoice.status in TO_BE_PAID or paid_since:
        at.again(at.terms.now + LATER, "waits for a payment under way")
        return
    at.done()
    back = (at.action.data or {}).get("back", {})
    for payment in reading.payments:
        if payment.payment_id in back:
            told = {"invoice_id": invoice.invoice_id, "amount_minor": back[payment.payment_id]}
            tell_of_refund(at.book, request, replace(payment, **told), at.terms)
    if read_as_paid and not reading.payments and request.names(invoice.invoice_id):
        _tell_of_balance(at, request)
    await finish(at, request)


def _tell_of_balance(at: CustomerDesk, request: CancelRequest) -> None:
    """What was settled without a payment, by the customer's balance say, we cannot give back."""
    text = (
        f"invoice {at.action.subject} was settled without a payment although the customer had"
        f" cancelled ({request.request_id}); what was taken is to be given back by hand"
    )
    kind, subject = AlertKind.COLLECTED_AFTER_CANCEL, at.action.subject
    at.book.add(alert(at.terms.now, request.merchant_id, kind, subject, text))


def tell_of_refund(book: Book, request: CancelRequest, back: Payment, terms: Terms) -> None:
    """A person is told, and it is kept, that money came after the word and went back: the
    `amount_minor` of `back`."""
    text = (
        f"{back.amount_minor} {back.currency} of invoice {back.invoice_id} were collected"
        f" although the customer had cancelled ({request.request_id}); they were refunded"
    )
    subject = back.payment_id
    book.add(alert(terms.now, request.merchant_id, AlertKind.COLLECTED_AFTER_CANCEL, subject, text))
    about = {"invoice": back.invoice_id, "payment": back.payment_id}
    sums = {"amount_minor": back.amount_minor, "currency": back.currency}
    kind = EvidenceKind.REFUNDED
    book.add(of_request(request, kind, terms.now, back.payment_id, **sums, **about))
