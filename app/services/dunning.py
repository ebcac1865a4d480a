"""Working a case: look, decide, charge once."""

from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.backup_cards import backup_of
from app.domain.decisions import (
    NEW_CARDS_WITHIN,
    decide,
    too_many_new_cards,
)
from app.domain.declines import Decline, DeclineKind
from app.domain.dunning import (
    IN_DOUBT,
    Attempt,
    AttemptState,
    CaseKind,
    CaseState,
    Trigger,
)
from app.domain.fuses import SPACING
from app.domain.holds import is_barred
from app.domain.merchants import CollectionMode
from app.domain.mirror import InvoiceStatus, PaymentMethod
from app.domain.movements import is_ending
from app.domain.openings import case_action
from app.domain.outcomes import (
    LATE_LOOK,
    NO_METHOD,
    begin,
    resolve_action,
)
from app.domain.terms import note, with_decline
from app.ports.payments import InvoiceReading
from app.ports.world import World
from app.services.before_charging import (
    AFTER_HOLD,
    DEAD_CARD,
    KEPT,
    has_ended_unheard,
    is_by_link,
    is_never,
    may_go,
    network_forbids,
    waits_out_pause,
    wake,
)
from app.services.charging import FIRST_SEND_WITHIN, charge
from app.services.driving import (
    give_back_later,
    is_collected_there,
    left_to_provider,
    may_drive,
    watch_again,
)
from app.services.fuses import look_at_charges
from app.services.looks import is_under_way, take
from app.services.new_cards import try_what_came_meanwhile
from app.services.wallets import look_into_wallet
from app.services.work import Desk, desk, glance

AFTER_DEBIT = timedelta(days=1)  # a bank debit takes days: looked at again so much later
CHARGED = frozenset(AttemptState) - {AttemptState.NOT_EXECUTED, AttemptState.PLANNED}
WITH_OWN_METHOD = frozenset({Trigger.NEW_CARD, Trigger.BACKUP_CARD})
BY_ITSELF = frozenset({Trigger.ACCOUNT_UPDATER, Trigger.BACKUP_CARD})


async def assess(world: World, action: Action) -> None:
    """First look at a new case: take the invoice over where we drive, learn why it failed,
    decide. Taking over is read back: only an invoice without a provider's next try is ours. One
    that pays for a change that waits is nobody's debt."""
    async with glance(world, action) as at:
        if at is None or _needless(at, action):
            return
        account, invoice_id = at.terms.account, at.case.invoice_id
        ours = may_drive(at, action)
    reading = await world.payments.read_invoice(account, invoice_id, every_attempt=True)
    driven = False
    ours = ours and not reading.invoice.is_of_pending_update
    if ours and reading.invoice.status is InvoiceStatus.OPEN:
        invoice = await world.payments.stop_provider_retries(account, invoice_id)
        driven = not is_collected_there(invoice)
        reading = replace(reading, invoice=invoice)
    async with desk(world, action, reading.method) as at:
        if at is None:
            return
        mode = CollectionMode.DRIVE if ours else at.case.mode
        stilled = at.case.stilled and not driven
        theirs = at.case.next_attempt_at  # the provider's next try, which is off once we drive
        planned = None if driven and not at.case.driven else theirs
        at.book.put(
            replace(at.case, driven=driven, mode=mode, stilled=stilled, next_attempt_at=planned)
        )
        if driven:
            note(at.book, at.case, at.terms.now, "taken_over", "the provider's retries are off")
            give_back_later(at)
        take(at, reading, first=True)
        _decide(at, reading)
        if (action.data or {}).get("again") is not None:
            await wake(at)
            try_what_came_meanwhile(at, reading.method)
        at.done(action)


async def watch(world: World, action: Action) -> None:
    """Look at what is live and let it count: after a payment or failure by somebody else, and
    once a day while the provider works the case."""
    async with glance(world, action) as at:
        if at is None:
            return
        account, invoice_id = at.terms.account, at.case.invoice_id
    reading = await world.payments.read_invoice(account, invoice_id, every_attempt=True)
    async with desk(world, action, reading.method) as at:
        if at is None:
            return
        failures = at.case.failures
        take(at, reading)
        if at.case.driven and at.case.state is CaseState.ACTIVE:
            left_to_provider(at, reading)
            give_back_later(at)
        if at.case.failures > failures or not at.case.driven:
            _decide(at, reading)
        at.done(action)


def _needless(at: Desk, action: Action) -> bool:
    if at.case.state is CaseState.ACTIVE:
        return False
    at.done(action, f"the case is {at.case.state}")
    return True


def _decide(at: Desk, reading: InvoiceReading) -> None:
    case = decide(at.book, at.case, at.policy, at.terms, reading.method)
    if case.state is CaseState.ACTIVE and not case.driven:
        watch_again(at, case, reading.invoice)


async def retry(world: World, action: Action) -> None:
    """Charge the invoice once: last look, intent committed, looked at the case once more, call,
    result in one transaction.

    Safe to run twice: a second run finds the intent, which only `resolve` may follow up.
    """
    data = action.data or {}
    trigger = Trigger(data.get("trigger") or Trigger.HOLDFAST)
    async with glance(world, action) as at:
        if at is None or _stale_retry(at, action, trigger):
            return
        account, invoice_id = at.terms.account, at.case.invoice_id
    reading = await world.payments.read_invoice(account, invoice_id)
    if trigger is Trigger.BACKUP_CARD:
        await look_into_wallet(world, action, account)
    attempt = await _intend(world, action, trigger, reading)
    if attempt is None or not await may_go(world, action, attempt):
        return
    if world.clock.now() - attempt.intent_at <= FIRST_SEND_WITHIN:
        await charge(world, action, account, invoice_id, attempt)


def _stale_retry(at: Desk, action: Action, trigger: Trigger) -> bool:
    if _needless(at, action):
        return True
    planned, by_customer = at.case.next_attempt_at, trigger is Trigger.NEW_CARD
    reasons = (
        (at.case.kind is CaseKind.INVOICE, "the customer is to pay it by themselves"),
        (is_ending(at.case) and not by_customer, "its end was begun and is carried out"),
    )
    if (why := next((reason for holds, reason in reasons if holds), None)) is not None:
        at.done(action, why)
        return True
    if trigger is Trigger.HOLDFAST:
        if not at.case.driven or at.terms.account.mode is CollectionMode.OBSERVE:
            at.done(action, "the provider retries")
            give_back_later(at)
            return True
        if planned is None or not action.key.endswith(planned.isoformat()):
            at.done(action, "the plan has changed")
            return True
    elif not at.case.driven and trigger in BY_ITSELF:
        at.done(action, "the provider retries")
        return True
    return False


async def _intend(
    world: World, action: Action, trigger: Trigger, reading: InvoiceReading
) -> Attempt | None:
    """Commit the intent, unless the live invoice, a doubt, a budget or the plan speaks against
    it. The method to be charged is the one the provider would take, or the customer's new one."""
    data = action.data or {}
    async with desk(world, action, reading.method) as at:
        if at is None or await _is_taken(at, action) or waits_out_pause(at, action):
            return None
        take(at, reading)
        if _stale_retry(at, action, trigger):
            return None
        at.done(action)
        method = _method_for(at, trigger, data.get("method"), reading)
        if reading.invoice.remaining_minor <= 0 or _has_ended(at, action, trigger, reading):
            return None
        if _held_back(at, action, trigger, reading):
            return None
        if (why := _not_to_be_charged(at, trigger, method, data.get("updated"))) is not None:
            note(at.book, at.case, at.terms.now, "waits", why)
            return None
        _, attempt = begin(at.book, at.case, trigger, method, data.get("link"), at.terms)
        await look_at_charges(at, attempt)
        return attempt


async def _is_taken(at: Desk, action: Action) -> bool:
    """Whether another worker carried this action out since it was claimed."""
    rows = await at.tx.load(Action, [(action.action_id,)])
    return not rows or rows[0].state is not ActionState.PENDING


def _method_for(
    at: Desk, trigger: Trigger, wanted: str | None, reading: InvoiceReading
) -> PaymentMethod | None:
    """What is charged: the customer's new method where one is named, another card of theirs for a
    try with a backup card, else the provider's choice."""
    chosen = reading.method
    if trigger is Trigger.BACKUP_CARD:
        return backup_of(at.book, at.case, at.policy, at.terms, chosen)
    if trigger not in WITH_OWN_METHOD or not wanted or (chosen and chosen.method_id == wanted):
        return chosen
    case = at.case
    return at.book.get(PaymentMethod, case.account_id, wanted) or PaymentMethod(
        merchant_id=case.merchant_id,
        account_id=case.account_id,
        method_id=wanted,
        customer_id=case.customer_id,
    )


def _not_to_be_charged(
    at: Desk, trigger: Trigger, method: PaymentMethod | None, updated: str | None
) -> str | None:
    """Why this method is not tried, in words for the timeline."""
    if trigger is Trigger.BACKUP_CARD and method is None:
        return "no other card may be tried"
    if updated is not None and method is not None and method.method_id != updated:
        return "the network updated a card that is not the one charged"
    return DEAD_CARD if is_never(at.book, method) else None


def _has_ended(at: Desk, action: Action, trigger: Trigger, reading: InvoiceReading) -> bool:
    """Whether it waits until it is read why the subscription ended, which the look has planned."""
    if not has_ended_unheard(at, reading):
        return False
    _again_at(at, action, trigger, at.terms.now, "the subscription has ended: why is read first")
    return True


def _held_back(at: Desk, action: Action, trigger: Trigger, reading: InvoiceReading) -> bool:
    case, now = at.case, at.terms.now
    mine = [a for a in at.book.all(Attempt) if a.case_id == case.case_id]
    if doubts := [resolve_action(case, a).due_at for a in mine if a.state in IN_DOUBT]:
        due = min(doubts) if min(doubts) >= now else now + LATE_LOOK
        _again_at(at, action, trigger, due, "an earlier attempt is still in doubt")
        return True
    if is_barred(case, by_link=is_by_link(action)):
        _put_off(at, action, trigger)
        return True
    if is_under_way(reading):
        _again_at(at, action, trigger, now + AFTER_DEBIT, "a payment is under way at the bank")
        return True
    own = [a.intent_at for a in mine if a.trigger is Trigger.HOLDFAST and a.state in CHARGED]
    if trigger is Trigger.HOLDFAST and own and max(own) + SPACING > now:
        due = max(own) + SPACING
        _again_at(at, action, trigger, due, "the last automatic attempt was within 20 hours")
        return True
    if case.driven and trigger is Trigger.HOLDFAST and left_to_provider(at, reading):
        return True
    if reading.method is None and trigger not in WITH_OWN_METHOD:
        without = Decline(kind=DeclineKind.NO_PAYMENT_METHOD, code=NO_METHOD)
        at.book.put(with_decline(case, without))
        decide(at.book, at.case, at.policy, at.terms, None)
        return True
    if trigger is Trigger.NEW_CARD and too_many_new_cards(at.book, case, now):
        first = min(a.intent_at for a in mine if a.intent_at > now - NEW_CARDS_WITHIN)
        due = first + NEW_CARDS_WITHIN
        _again_at(at, action, trigger, due, "three new cards were tried within a day")
        return True
    return _over_budget(at, trigger, reading)


def _put_off(at: Desk, action: Action, trigger: Trigger) -> None:
    """What was planned or ordered is void on hold: the release decides anew. What others asked
    for waits."""
    if trigger in KEPT:
        due = at.terms.now + AFTER_HOLD
        _again_at(at, action, trigger, due, "the case is on hold")
    else:
        at.book.put(replace(at.case, next_attempt_at=None))
        note(at.book, at.case, at.terms.now, "waits", "the case is on hold")


def _again_at(at: Desk, action: Action, trigger: Trigger, due: datetime, why: str) -> None:
    """What was to be tried is not lost: it waits. Our own next attempt gets a new plan with it;
    after a doubt of ours that is made once more when the doubt is resolved."""
    note(at.book, at.case, at.terms.now, "waits", why)
    due = max(due, at.terms.now) + timedelta(minutes=1)
    if trigger is Trigger.HOLDFAST:
        at.book.put(replace(at.case, next_attempt_at=due))
        at.book.add(case_action(at.case, ActionKind.RETRY, due, nth=due.isoformat()))
        return
    nth = f"{trigger}:{(action.data or {}).get('method')}:{due.isoformat()}"
    at.book.add(case_action(at.case, ActionKind.RETRY, due, nth=nth, data=action.data))


def _over_budget(at: Desk, trigger: Trigger, reading: InvoiceReading) -> bool:
    """Budgets hold for what nobody but us asks for. Ours is decided anew, an operator's is not
    made."""
    if trigger not in {Trigger.HOLDFAST, Trigger.OPERATOR} or not network_forbids(at, reading):
        return False
    if trigger is Trigger.HOLDFAST:
        decide(at.book, at.case, at.policy, at.terms, reading.method)
    else:
        why = "the card's network does not allow an attempt now"
        note(at.book, at.case, at.terms.now, "waits", why)
    return True
