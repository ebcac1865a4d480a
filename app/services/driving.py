"""Who collects an invoice: we take it over from the provider, or leave it to it again."""

from dataclasses import replace
from datetime import timedelta

from app.domain.actions import Action, ActionKind
from app.domain.alerts import AlertKind
from app.domain.dunning import IN_DOUBT, Attempt, Case, CaseKind, CaseState, Trigger
from app.domain.holds import look_at_collection, must_rest
from app.domain.merchants import CollectionMode
from app.domain.mirror import Invoice, InvoiceStatus
from app.domain.movements import is_ending
from app.domain.openings import case_action
from app.domain.outcomes import LATE_LOOK, resolve_action
from app.domain.terms import note
from app.ports.payments import InvoiceReading
from app.ports.world import World
from app.services.alarms import alert
from app.services.work import Desk, desk, glance

WATCH_AT_LEAST = timedelta(days=1)  # a case the provider works is looked at once a day
AFTER_PROVIDER = timedelta(hours=2)  # and so long after the provider's own next try
PARKED_AFTER = timedelta(days=7)  # a case the provider works and does not end
PLANS_AGAIN = "the provider plans retries again; the case is left to it"
COLLECTS_ON = "the provider goes on collecting it although the case is held or stopped"
CHARGED_AGAIN = "the provider tried to charge it although we had taken it over; it is left to it"


def may_drive(at: Desk, action: Action) -> bool:
    """Whether this case's invoice is ours to take over: by the account's mode, by the policy that
    may narrow it, and by the case's own mode, which is to observe since the provider acted.
    `entering` takes over what was observed before the account began to drive."""
    entering = (action.data or {}).get("entering") is not None
    ours = entering or at.case.mode is CollectionMode.DRIVE
    by_us = ours and at.policy.drives(at.terms.account.mode)
    return by_us and at.case.kind is CaseKind.PAYMENT


def is_collected_there(invoice: Invoice) -> bool:
    """Whether the provider will or may try to collect an open invoice by itself."""
    advancing = invoice.next_attempt_at is not None or invoice.auto_advance is True
    return invoice.status is InvoiceStatus.OPEN and advancing


def tries_of_provider(at: Desk) -> set[str]:
    """The provider's own tries after the one that opened the case."""
    return {
        attempt.attempt_id
        for attempt in at.book.all(Attempt, case_id=at.case_id)
        if attempt.trigger is Trigger.PROVIDER and attempt.intent_at > at.case.opened_at
    }


def left_to_provider(at: Desk, reading: InvoiceReading) -> bool:
    """Whether the provider retries an invoice that we had taken over; then it is left to it: two
    drivers are worse than one."""
    if not is_collected_there(reading.invoice):
        return False
    leave_to_provider(at, reading.invoice, PLANS_AGAIN, raises=AlertKind.PROVIDER_RETRIES)
    return True


def leave_to_provider(
    at: Desk, invoice: Invoice, text: str, *, raises: AlertKind | None = None
) -> None:
    """From here on the case is observed; `raises` names the alert that tells a person. What we had
    turned off is turned on again: else nobody would collect it."""
    off = invoice.status is InvoiceStatus.OPEN and not is_collected_there(invoice)
    case = replace(
        at.case,
        mode=CollectionMode.OBSERVE,
        driven=False,
        stilled=off,
        next_attempt_at=invoice.next_attempt_at,
    )
    at.book.put(case)
    if off:
        look_at_collection(at.book, case, at.terms)
    note(at.book, case, at.terms.now, "given_back", text)
    if raises is not None:
        at.book.add(alert(at.terms.now, case.merchant_id, raises, case.case_id, text))
    watch_again(at, case, invoice)


def watch_again(at: Desk, case: Case, invoice: Invoice) -> None:
    """The next look at what the provider does: no later than the case is parked."""
    due = at.terms.now + WATCH_AT_LEAST
    if invoice.next_attempt_at is not None:
        due = max(due, invoice.next_attempt_at + AFTER_PROVIDER)
    if due < case.window_ends_at + PARKED_AFTER:
        at.book.add(case_action(case, ActionKind.WATCH, due, nth=due.date().isoformat()))


async def settle_collection(world: World, action: Action) -> None:
    """Where the provider collects an invoice by itself: turn that off while the case is held and
    after a person stopped it, and on again after the hold, if it was us who had turned it off.

    Safe to repeat. That we turn it off is committed before it is done, so that a process that
    dies in between leaves no invoice that nobody collects.
    """
    async with glance(world, action) as at:
        if at is None or _is_settled(at, action):
            return
        account, invoice_id, rests = at.terms.account, at.case.invoice_id, must_rest(at.case)
    reading = await world.payments.read_invoice(account, invoice_id)
    if not rests and reading.invoice.status is InvoiceStatus.OPEN:
        invoice = await world.payments.resume_provider_retries(account, invoice_id)
        reading = replace(reading, invoice=invoice)
    elif rests and is_collected_there(reading.invoice) and await _still(world, action):
        invoice = await world.payments.stop_provider_retries(account, invoice_id)
        reading = replace(reading, invoice=invoice)
    async with desk(world, action, reading.method) as at:
        if at is not None:
            at.done(action)
            _settled(at, reading.invoice, rests)


def _is_settled(at: Desk, action: Action) -> bool:
    case = at.case
    reasons = (
        (case.driven, "we collect it"),
        (case.kind is CaseKind.INVOICE, "nobody charges it"),
        (not must_rest(case) and not case.stilled, "the provider collects it already"),
    )
    why = next((reason for holds, reason in reasons if holds), None)
    if why is not None:
        at.done(action, why)
    return why is not None


async def _still(world: World, action: Action) -> bool:
    """Commit that the provider's collection is turned off by us; False where it need not be."""
    async with glance(world, action) as at:
        if at is None or not must_rest(at.case):
            return False
        at.book.put(replace(at.case, stilled=True))
    return True


def _settled(at: Desk, invoice: Invoice, rests: bool) -> None:
    case, now = at.case, at.terms.now
    if rests and is_collected_there(invoice):
        at.book.add(
            alert(now, case.merchant_id, AlertKind.PROVIDER_RETRIES, case.case_id, COLLECTS_ON)
        )
    elif rests:
        note(at.book, case, now, "given_back", "the provider's own retries are off while it waits")
    elif not must_rest(case):
        active = case.state is CaseState.ACTIVE  # a parked one waits for a person, not for a try
        theirs = invoice.next_attempt_at if active else None
        at.book.put(replace(case, stilled=False, next_attempt_at=theirs))
        note(at.book, case, now, "given_back", "the provider's own retries are on again")
        if active:
            watch_again(at, at.case, invoice)


def give_back_later(at: Desk) -> None:
    """A case that is driven although its account is observed was taken over while the account left
    drive: nobody saw it as one to be given back. Whoever comes across it sees to that."""
    if not at.case.driven or at.terms.account.mode is not CollectionMode.OBSERVE:
        return
    nth = f"left:{at.terms.now.isoformat()}"
    at.book.add(case_action(at.case, ActionKind.GIVE_BACK, at.terms.now, nth=nth))


async def give_back(world: World, action: Action) -> None:
    """The account drives no more: turn the provider's own collection of this invoice on again.

    Safe to repeat. An attempt of ours in doubt is found out about first. Of a case on hold the
    provider's collection stays off: the release turns it on.
    """
    async with glance(world, action, Attempt) as at:
        if at is None or _stays(at, action) or _is_in_doubt(at, action):
            return
        if must_rest(at.case):
            at.done(action)
            _leave_held(at)
            return
        account, invoice_id = at.terms.account, at.case.invoice_id
    reading = await world.payments.read_invoice(account, invoice_id)
    if reading.invoice.status is InvoiceStatus.OPEN:
        invoice = await world.payments.resume_provider_retries(account, invoice_id)
        reading = replace(reading, invoice=invoice)
    async with desk(world, action, reading.method) as at:
        if at is None:
            return
        at.done(action)
        _given_back(at, reading.invoice)


def _given_back(at: Desk, invoice: Invoice) -> None:
    """What was held or stopped while the provider was asked is collected by it once more: that is
    turned off again."""
    case = at.case
    if case.driven and must_rest(case):
        case = replace(case, mode=CollectionMode.OBSERVE, driven=False)
        at.book.put(case)
        look_at_collection(at.book, case, at.terms)
    elif case.driven and case.state is CaseState.ACTIVE:
        text = "the account is observed from now on: the provider retries again"
        leave_to_provider(at, invoice, text)


def _leave_held(at: Desk) -> None:
    case = replace(at.case, mode=CollectionMode.OBSERVE, driven=False, stilled=True)
    at.book.put(case)
    text = "the account is observed from now on: the provider retries again after the hold"
    note(at.book, case, at.terms.now, "given_back", text)


def _stays(at: Desk, action: Action) -> bool:
    case = at.case
    reasons = (
        (case.state is not CaseState.ACTIVE, f"the case is {case.state}"),
        (not case.driven, "the provider collects it already"),
        (at.terms.account.mode is CollectionMode.DRIVE, "the account drives again"),
        (is_ending(case), "its end was begun and is carried out"),
    )
    why = next((reason for holds, reason in reasons if holds), None)
    if why is not None:
        at.done(action, why)
    return why is not None


def _is_in_doubt(at: Desk, action: Action) -> bool:
    doubts = [a for a in at.book.all(Attempt, case_id=at.case_id) if a.state in IN_DOUBT]
    if not doubts:
        return False
    at.done(action)
    known, now = min(resolve_action(at.case, attempt).due_at for attempt in doubts), at.terms.now
    due = (known if known >= now else now + LATE_LOOK) + timedelta(minutes=1)
    at.book.add(case_action(at.case, ActionKind.GIVE_BACK, due, nth=due.isoformat()))
    return True
