"""The end of a case: only after a final notice, never against a doubt, truthfully recorded."""

from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.case_commands import is_forgiven
from app.domain.closings import CANCELLED
from app.domain.departures import is_let_go
from app.domain.dunning import IN_DOUBT, Attempt, Case, CaseState, Waits
from app.domain.ends_told import may_be_ended
from app.domain.merchants import CollectionMode
from app.domain.messages import Message, MessageState
from app.domain.mirror import Invoice, InvoiceStatus, Subscription
from app.domain.movements import ENDED, ENDING, LEAVE, intended_end, intent_of, is_ending
from app.domain.old_debts import HELD_FOR
from app.domain.openings import case_action
from app.domain.policies import MessageClass
from app.domain.sequence import (
    FINAL_NOTICE_AHEAD,
    letters_on,
    message_class,
    plan_letter,
    send_action,
)
from app.domain.terms import note
from app.ports.payments import InvoiceReading
from app.ports.world import World
from app.services.before_charging import KEPT
from app.services.driving import PARKED_AFTER, give_back_later
from app.services.looks import is_under_way, take
from app.services.posting import is_our_fault
from app.services.work import Desk, desk, glance

LATER = timedelta(hours=6)  # an end waits so long for an attempt in doubt, or a card
UNDELIVERABLE = frozenset({MessageState.FAILED, MessageState.DROPPED})
MAY_HAVE_LEFT = frozenset({MessageState.SENT, MessageState.UNKNOWN})


async def end(world: World, action: Action) -> None:
    """Carry out the policy's end of a case.

    Safe to repeat: the intent is committed first, the provider's calls carry keys made of the
    case, and one already ended there is fine. What was intended while we drove is carried out to
    its end, whoever drives by then: half an end would be neither's.
    """
    async with desk(world, action) as at:
        if at is None or not _may_end(at, action) or await _waits_for_card(at, action):
            return
        account, case = at.terms.account, at.case
    reading = await world.payments.read_invoice(account, case.invoice_id)
    async with desk(world, action, reading.method) as at:
        if at is None or not _may_end(at, action) or not _still_open(at, action, reading):
            return
        at.book.know(await _paid_of(at))
        how, close = intent_of(at.case) or _what_to_do(at, reading)
        at.book.put(replace(at.case, reason=intended_end(how, close), next_attempt_at=None))
    key = f"{case.case_id}:end:{action.claims}"  # an error kept under one is none of the next
    if how != LEAVE and case.subscription_id:
        await world.payments.end_subscription(
            account, case.subscription_id, how=how, key=f"{key}:subscription"
        )
    if close != LEAVE:
        await world.payments.close_invoice(
            account, case.invoice_id, how=close, key=f"{key}:invoice"
        )
    async with desk(world, action, after_the_deed=True) as at:
        if at is not None:
            _ended(at, action)


def _may_end(at: Desk, action: Action) -> bool:
    case, now = at.case, at.terms.now
    if case.state is not CaseState.ACTIVE:
        at.done(action, f"the case is {case.state}")
        return False
    if case.waits is Waits.ON_HOLD:
        return _while_held(at, action)
    ours = case.driven and at.terms.account.mode is CollectionMode.DRIVE
    if not ours and not is_ending(case):
        _leave_to_provider(at, action)
        return False
    if case.window_ends_at > now:
        return _again(at, action, case.window_ends_at, "the window was moved")
    mine = [a for a in at.book.all(Attempt) if a.case_id == case.case_id]
    if any(a.state in IN_DOUBT for a in mine):
        return _again(at, action, now + LATER, "waits for an attempt in doubt")
    allowed = _notice_allows(at)
    if allowed is None or allowed > now:
        return _again(at, action, allowed or now + LATER, "waits for the final notice")
    return True


async def _waits_for_card(at: Desk, action: Action) -> bool:
    """Whether a card of the customer's is still to be set or tried: it waits for its turn, for
    another charge, or for the provider."""
    if is_ending(at.case):
        return False
    where = {
        "customer_id": at.case.customer_id,
        "account_id": at.case.account_id,
        "state": ActionState.PENDING,
    }
    rows = await at.tx.find(Action, where=where) if at.case.customer_id else []
    mine = (row for row in rows if row.case_id == at.case_id and row.kind is ActionKind.RETRY)
    waits = any((row.data or {}).get("trigger") in KEPT for row in mine)
    if not waits and not any(row.kind is ActionKind.NEW_CARD for row in rows):
        return False
    _again(at, action, at.terms.now + LATER, "waits for a card that is to be tried")
    return True


def _while_held(at: Desk, action: Action) -> bool:
    """The release moves the window; until then the end is only put off."""
    later = at.terms.now + HELD_FOR
    at.book.add(case_action(at.case, ActionKind.END, later, nth=f"held:{later.isoformat()}"))
    at.done(action, "the case is on hold")
    return False


def _again(at: Desk, action: Action, due: datetime, why: str) -> bool:
    if due > at.case.window_ends_at:
        at.book.put(replace(at.case, window_ends_at=due))
    at.book.add(case_action(at.case, ActionKind.END, due, nth=due.isoformat()))
    at.done(action, why)
    return False


def _leave_to_provider(at: Desk, action: Action) -> None:
    """The provider drives: its end is the end. Without one the case is parked for a person."""
    case, now = at.case, at.terms.now
    give_back_later(at)
    limit = case.window_ends_at + PARKED_AFTER
    at.done(action)
    if now < limit:
        at.book.add(case_action(case, ActionKind.END, limit, nth=f"park:{limit.isoformat()}"))
        return
    reason = "the provider has neither collected nor ended it"
    at.book.put(case.moved(CaseState.PARKED, at=now, reason=reason))
    note(at.book, case, now, "parked", reason)


def _notice_allows(at: Desk) -> datetime | None:
    """The instant from which the end may be carried out; None while the notice has not left.

    No end before a final notice went out 72 h ago by some channel, or every one is recorded
    undeliverable. One that a broken template of ours kept back is tried again.
    """
    case = at.case
    rows = [r for r in at.policy.messages if r.template == "final_notice"]
    rows = [r for r in rows if r.for_class in {MessageClass.ANY, message_class(case)}]
    if case.silent or not rows:
        return at.terms.now
    steps = {row.step for row in rows}
    mine = [m for m in at.book.all(Message) if m.case_id == case.case_id and m.step in steps]
    if not mine:
        for row in rows:
            plan_letter(at.book, case, row, at.terms.now, at.terms)
        return None
    left = [(m.sent_at or m.due_at) for m in mine if m.state in MAY_HAVE_LEFT]
    if left:
        return min(left) + FINAL_NOTICE_AHEAD
    for notice in mine:
        if notice.state is MessageState.FAILED and is_our_fault(notice):
            again = replace(notice, state=MessageState.PLANNED, due_at=at.terms.now, reason=None)
            at.book.put(again)
            at.book.add(send_action(again))
            return None
    return at.terms.now if all(m.state in UNDELIVERABLE for m in mine) else None


def _still_open(at: Desk, action: Action, reading: InvoiceReading) -> bool:
    """The last look before the end: a payment in the last minute wins."""
    take(at, reading)
    if at.case.state is not CaseState.ACTIVE:
        at.done(action, f"the case is {at.case.state}")
        return False
    if is_under_way(reading):
        return _again(at, action, at.terms.now + LATER, "waits for a payment under way")
    return True


def _what_to_do(at: Desk, reading: InvoiceReading) -> tuple[str, str]:
    """The subscription is touched only while it is not paid for and nothing later is paid."""
    end, case = at.policy.end, at.case
    subscription = at.book.get(Subscription, case.account_id, case.subscription_id)
    unpaid = may_be_ended(reading.subscription_status, subscription)
    how = end.subscription if unpaid else LEAVE
    mine = at.book.get(Invoice, case.account_id, case.invoice_id)
    if how != LEAVE and mine is not None and _later_paid(at, case, mine):
        how = LEAVE
    is_open = reading.invoice.status is InvoiceStatus.OPEN
    return how, end.invoice if is_open else LEAVE


async def _paid_of(at: Desk) -> list[Invoice]:
    case = at.case
    where = {"account_id": case.account_id, "subscription_id": case.subscription_id}
    return await at.tx.find(Invoice, where=where | {"status": InvoiceStatus.PAID})


def _later_paid(at: Desk, case: Case, mine: Invoice) -> bool:
    return any(
        other.subscription_id == case.subscription_id
        and other.status is InvoiceStatus.PAID
        and other.created_at is not None
        and mine.created_at is not None
        and other.created_at > mine.created_at
        for other in at.book.all(Invoice)
    )


def _ended(at: Desk, action: Action) -> None:
    at.done(action)
    if not at.case.can_become(CaseState.EXHAUSTED):
        return
    invoice = at.book.get(Invoice, at.case.account_id, at.case.invoice_id)
    if invoice is not None and is_let_go(at.book, invoice):
        # Their word came while ours was carried out: they were told that they left and owe nothing.
        left = at.case.moved(CaseState.STOPPED, at=at.terms.now, reason=CANCELLED)
        at.book.put(left)
        note(at.book, left, at.terms.now, left.state, CANCELLED)
        return
    words = (at.case.reason or "").replace(ENDING, ENDED, 1)
    case = at.case.moved(CaseState.EXHAUSTED, at=at.terms.now, reason=words)
    at.book.put(case)
    note(at.book, case, at.terms.now, "exhausted", words)
    if case.silent:
        return
    for row in letters_on("ended", at.policy):
        plan_letter(at.book, case, row, at.terms.now, at.terms)


async def forgive(world: World, action: Action) -> None:
    """Close the invoice of a debt that was forgiven, so that nobody collects it again.

    Safe to repeat: an invoice that is closed is fine, and each try has a key of its own, so that an
    error kept under one is none of the next. One that was paid meanwhile recovers the case. It
    waits for a payment of the customer's that is under way: closed, there would be no debt for it.
    """
    async with glance(world, action) as at:
        if at is None:
            return
        if not is_forgiven(at.case):
            at.done(action, f"the case is {at.case.state}")
            return
        account, case = at.terms.account, at.case
    reading = await world.payments.read_invoice(account, case.invoice_id)
    waits = is_under_way(reading)
    if reading.invoice.status is InvoiceStatus.OPEN and not waits:
        how = (action.data or {})["close"]
        key = f"{case.case_id}:forgive:{action.claims}"
        await world.payments.close_invoice(account, case.invoice_id, how=how, key=key)
    async with desk(world, action, reading.method, after_the_deed=True) as at:
        if at is None:
            return
        take(at, reading)
        at.done(action)
        if waits:
            due, data = at.terms.now + LATER, action.data
            at.book.add(
                case_action(at.case, ActionKind.FORGIVE, due, nth=due.isoformat(), data=data)
            )
        elif at.case.state is CaseState.STOPPED:
            note(at.book, at.case, at.terms.now, "stopped", "the invoice is closed: forgiven")
