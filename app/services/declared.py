"""Carrying out what was declared on a public form: the word, given without a session."""

from dataclasses import replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from app.domain.actions import Action
from app.domain.alerts import AlertKind
from app.domain.calendar import at_hour
from app.domain.cancellations import (
    GONE,
    CancelRequest,
    Choice,
    Departing,
    Preview,
    Source,
    choices,
    lasts_on,
    preview,
    request_of,
    standing_request,
)
from app.domain.declarations import Declaration, DeclarationKind, DeclarationState
from app.domain.evidence import EvidenceKind, of_request
from app.domain.merchants import ProviderAccount
from app.domain.mirror import Customer, Subscription
from app.domain.mirroring import forward
from app.domain.terms import Terms
from app.domain.withdrawals import PaidInvoice, withdrawal
from app.ports.world import World
from app.services import withdrawing
from app.services.accepting import give_up_all_waiting
from app.services.alarms import alert
from app.services.books import Touched
from app.services.customer_desk import CustomerDesk, customer_desk
from app.services.parting import part

LATER_THAN_PAID = "it is to end on a day that cannot be planned there: say when it is arranged"
LAST_SECOND = timedelta(seconds=1)  # of a day, so that the day itself is told
FURTHEST = timedelta(days=366)  # an end that was wished for is planned so far ahead
OVER, STANDS = "the contract had ended before", "it was cancelled already"


async def carry_out(world: World, action: Action) -> None:
    """Give the word that a declaration is, as read live. Safe to repeat: a declaration is carried
    out once, and one contract has one request that stands."""
    touched = Touched()
    async with customer_desk(world, action, touched) as at:
        row = await _still_to_do(at) if at is not None else None
        if at is None or row is None:
            return
        account: ProviderAccount = at.terms.account
    contract, back = row.subscription_id or "", row.kind is DeclarationKind.WITHDRAWAL
    await give_up_all_waiting(world, account, contract)
    standing = await world.payments.read_departing(account, contract)
    paid = await withdrawing.read_paid(world, account, contract) if back else ()
    async with customer_desk(world, action, Touched(subscriptions={contract})) as at:
        row = await _still_to_do(at) if at is not None else None
        if at is None or row is None:
            return
        live = forward(at.book, standing.subscription, at.terms)
        seen = replace(standing, subscription=live)
        at.book.put(await _withdrawn(at, row, seen, paid) if back else _given(at, row, seen))
        at.done()


async def _still_to_do(at: CustomerDesk) -> Declaration | None:
    rows = await at.tx.load(Declaration, [(at.action.subject,)])
    at.book.know(rows)
    if rows and rows[0].state is DeclarationState.RECEIVED and rows[0].subscription_id:
        return rows[0]
    at.done("nothing is left to be carried out")
    return None


def _given(at: CustomerDesk, row: Declaration, standing: Departing) -> Declaration:
    """The declaration after its word was given, or why a person must see to it."""
    now, subscription = at.terms.now, standing.subscription
    former = standing_request(at.book.all(CancelRequest), subscription.subscription_id)
    at_once = row.kind is not DeclarationKind.ORDINARY
    if subscription.status in GONE:
        return row.moved(DeclarationState.DONE, at=now, note=OVER)
    told = _told(row, standing, at.customer, at.terms)
    if former is not None and not at_once and not _is_sooner(told, former, subscription):
        done = row.moved(DeclarationState.DONE, at=now, note=STANDS)
        return replace(done, request_id=former.request_id)
    if told is None:
        return _waits(at, row, LATER_THAN_PAID)
    request = _leave(at, row, told, subscription)
    if at_once:
        _ask_a_person(at, row, "look at the reason, and at whether money is owed back")
    return replace(row.moved(DeclarationState.DONE, at=now), request_id=request.request_id)


def _is_sooner(told: Preview | None, former: CancelRequest, subscription: Subscription) -> bool:
    """Whether what stands lasts beyond the period that runs, and this word ends it before."""
    sooner = told is not None and told.access_until < former.ends_at
    return sooner and lasts_on(former, subscription)


async def _withdrawn(
    at: CustomerDesk, row: Declaration, standing: Departing, paid: tuple[PaidInvoice, ...]
) -> Declaration:
    """The declaration after the contract was withdrawn from, or why a person must see to it. The
    right is judged by when it was declared."""
    contract, when = standing.subscription, row.received_at
    if contract.status in GONE:
        return _waits(at, row, OVER)
    if not await withdrawing.has_right(at.tx, at.book, contract, replace(at.terms, now=when)):
        return _waits(at, row, withdrawing.NO_RIGHT)
    consent = await withdrawing.consent_to(at.tx, contract, by=when)
    told = withdrawal(standing, paid, consent, when)
    request = request_of(told, contract, source=Source.FORM, at=when, language=row.language)
    request, _ = withdrawing.take_back(at.book, request, paid, at.terms)
    _note(at, row, request, told)
    return replace(row.moved(DeclarationState.DONE, at=at.terms.now), request_id=request.request_id)


def _waits(at: CustomerDesk, row: Declaration, why: str) -> Declaration:
    _ask_a_person(at, row, why)
    return row.moved(DeclarationState.WAITING, at=at.terms.now, note=why)


def _told(
    row: Declaration, standing: Departing, customer: Customer | None, terms: Terms
) -> Preview | None:
    """What ends how: at once for a reason of weight, on the day that was wished for, else as early
    as it may. None where only a person can arrange that day."""
    if row.kind is DeclarationKind.EXTRAORDINARY:
        return preview(standing, Choice.NOW, terms.now)
    open_to, zone = choices(standing, immediately=False), terms.zone_of(customer)
    end = standing.subscription.period_end
    if row.wish is None or row.wish <= terms.now.date() or end is None:
        return preview(standing, open_to[0], terms.now)
    if row.wish > end.astimezone(zone).date():
        return _later(row.wish, standing, zone, terms) if Choice.PERIOD_END in open_to else None
    choice = Choice.PERIOD_END if Choice.PERIOD_END in open_to else open_to[0]
    return preview(standing, choice, terms.now)


def _later(wish: date, standing: Departing, zone: ZoneInfo, terms: Terms) -> Preview | None:
    """An end with the day that was wished for, after periods that are still to be paid; None for
    one further away than anybody can foresee."""
    if wish > (terms.now + FURTHEST).date():
        return None
    ends = at_hour(wish + timedelta(days=1), 0, zone) - LAST_SECOND
    return replace(preview(standing, Choice.PERIOD_END, terms.now), access_until=ends)


def _leave(
    at: CustomerDesk, row: Declaration, told: Preview, subscription: Subscription
) -> CancelRequest:
    """Commit the word. It bears the time at which it was declared."""
    told_at = row.received_at
    request = request_of(told, subscription, source=Source.FORM, at=told_at, language=row.language)
    request, _ = part(at.book, request, at.terms)
    _note(at, row, request, told)
    return request


def _note(at: CustomerDesk, row: Declaration, request: CancelRequest, told: Preview) -> None:
    said = {"by": "form", "declaration": row.declaration_id, **withdrawing.shown(told)}
    at.book.add(of_request(request, EvidenceKind.CANCELLED, at.terms.now, **said))


def _ask_a_person(at: CustomerDesk, row: Declaration, text: str) -> None:
    told = f"a declaration ({row.kind}) needs a person: {text}"
    kind, subject = AlertKind.DECLARATION, row.declaration_id
    at.book.add(alert(at.terms.now, row.merchant_id, kind, subject, told))
