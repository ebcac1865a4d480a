"""Working a case: look, decide, charge once, find out what is in doubt."""

from dataclasses import replace
from datetime import timedelta

from app.domain.actions import Action, ActionKind
from app.domain.decisions import card_key_of, decide, rail_of, too_many_new_cards, uses_of
from app.domain.dunning import IN_DOUBT, Attempt, AttemptState, CardUse, Case, CaseState, Trigger
from app.domain.merchants import CollectionMode, ProviderAccount
from app.domain.mirror import Invoice, InvoiceStatus, PaymentMethod
from app.domain.network_rules import earliest_within_budget
from app.domain.openings import case_action
from app.domain.outcomes import (
    NEVER_HAPPENED_AFTER,
    NO_METHOD,
    PROCESSING_AT_MOST,
    RESEND_WITHIN,
    begin,
    resolve_action,
    take_answer,
    unspent,
)
from app.domain.terms import note
from app.ports.payments import InvoiceReading, PayAnswer
from app.ports.world import World
from app.services.alarms import alert, pause_account
from app.services.looks import take
from app.services.work import Desk, desk

WATCH_AT_LEAST = timedelta(days=1)  # a case the provider works is looked at once a day
AFTER_PROVIDER = timedelta(hours=2)  # and so long after the provider's own next try
WITH_OWN_METHOD = frozenset({Trigger.NEW_CARD, Trigger.BACKUP_CARD})


async def assess(world: World, action: Action) -> None:
    """First look at a new case: take the invoice over where we drive, learn why it failed,
    decide. Taking over is read back: only an invoice without a provider's next try is ours."""
    async with desk(world, action) as at:
        if at is None or _needless(at, action):
            return
        account, invoice_id = at.terms.account, at.case.invoice_id
    reading = await world.payments.read_invoice(account, invoice_id)
    driven = False
    if account.mode is CollectionMode.DRIVE and reading.invoice.status is InvoiceStatus.OPEN:
        invoice = await world.payments.stop_provider_retries(account, invoice_id)
        driven = invoice.next_attempt_at is None and not invoice.auto_advance
        reading = replace(reading, invoice=invoice)
    async with desk(world, action, reading.method) as at:
        if at is None:
            return
        at.book.put(replace(at.case, driven=driven))
        if driven:
            note(at.book, at.case, at.terms.now, "taken_over", "the provider's retries are off")
        take(at, reading)
        _decide(at, reading)
        at.done(action)


async def watch(world: World, action: Action) -> None:
    """Look at what is live and let it count: after a payment or failure by somebody else, and
    once a day while the provider works the case."""
    async with desk(world, action) as at:
        if at is None:
            return
        account, invoice_id = at.terms.account, at.case.invoice_id
    reading = await world.payments.read_invoice(account, invoice_id)
    async with desk(world, action, reading.method) as at:
        if at is None:
            return
        failures = at.case.failures
        take(at, reading)
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
        _watch_again(at, case, reading.invoice)


def _watch_again(at: Desk, case: Case, invoice: Invoice) -> None:
    due = at.terms.now + WATCH_AT_LEAST
    if invoice.next_attempt_at is not None:
        due = max(due, invoice.next_attempt_at + AFTER_PROVIDER)
    if due < case.window_ends_at:
        at.book.add(case_action(case, ActionKind.WATCH, due, nth=due.date().isoformat()))


async def retry(world: World, action: Action) -> None:
    """Charge the invoice once: last look, intent committed, call, result in one transaction.

    Safe to run twice: a second run finds the intent, which only `resolve` may follow up.
    """
    data = action.data or {}
    trigger = Trigger(data.get("trigger") or Trigger.HOLDFAST)
    async with desk(world, action) as at:
        if at is None or _stale_retry(at, action, trigger):
            return
        account, invoice_id = at.terms.account, at.case.invoice_id
    reading = await world.payments.read_invoice(account, invoice_id)
    attempt = await _intend(world, action, trigger, reading)
    if attempt is not None:
        method = attempt.method_id if trigger in WITH_OWN_METHOD else None
        await charge(world, action, account, invoice_id, attempt, method)


def _stale_retry(at: Desk, action: Action, trigger: Trigger) -> bool:
    if _needless(at, action):
        return True
    planned = at.case.next_attempt_at
    if trigger is Trigger.HOLDFAST:
        if planned is None or not action.key.endswith(planned.isoformat()):
            at.done(action, "the plan has changed")
            return True
    elif not at.case.driven and trigger is Trigger.ACCOUNT_UPDATER:
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
        if at is None:
            return None
        take(at, reading)
        at.done(action)
        if at.case.state is not CaseState.ACTIVE or reading.invoice.remaining_minor <= 0:
            return None
        if _held_back(at, trigger, reading):
            return None
        method = reading.method
        if trigger in WITH_OWN_METHOD and method and method.method_id != data.get("method"):
            known = at.book.get(PaymentMethod, at.case.account_id, data.get("method"))
            method = known or replace(method, method_id=data["method"], fingerprint=None)
        _, attempt = begin(at.book, at.case, trigger, method, data.get("link"), at.terms)
        return attempt


def _held_back(at: Desk, trigger: Trigger, reading: InvoiceReading) -> bool:
    case = at.case
    mine = [a for a in at.book.all(Attempt) if a.case_id == case.case_id]
    if any(a.state in IN_DOUBT for a in mine):
        note(at.book, case, at.terms.now, "waits", "an earlier attempt is still in doubt")
        return True
    if case.driven and reading.invoice.next_attempt_at is not None:
        _give_back(at, reading)
        return True
    if trigger is Trigger.NEW_CARD and too_many_new_cards(at.book, case, at.terms.now):
        note(at.book, case, at.terms.now, "waits", "three new cards were tried within a day")
        return True
    return trigger is Trigger.HOLDFAST and _over_budget(at, reading)


def _give_back(at: Desk, reading: InvoiceReading) -> None:
    """The provider retries an invoice that we had taken over: two drivers are worse than one."""
    case = replace(at.case, driven=False, next_attempt_at=None)
    at.book.put(case)
    text = "the provider plans retries again; the case is left to it"
    note(at.book, case, at.terms.now, "given_back", text)
    at.book.add(alert(at.terms.now, case.merchant_id, "provider_retries", case.case_id, text))
    _watch_again(at, case, reading.invoice)


def _over_budget(at: Desk, reading: InvoiceReading) -> bool:
    """Budgets are counted again right before the charge: others may have used the card since."""
    uses = uses_of(at.book.all(CardUse), card_key_of(reading.method), reading.method)
    brand = reading.method.brand if reading.method else None
    now = at.terms.now
    within, rule = earliest_within_budget(uses, rail=rail_of(reading.method), brand=brand, at=now)
    if within <= now and rule is None and not any(use.never for use in uses):
        return False
    decide(at.book, at.case, at.policy, at.terms, reading.method)
    return True


async def charge(
    world: World,
    action: Action,
    account: ProviderAccount,
    invoice_id: str,
    attempt: Attempt,
    method: str | None,
) -> None:
    """The call itself and its result. A crash in here leaves the attempt `sent`; its `resolve`
    finds out by reading, and repeats the same request under the same key if nothing is there."""
    answer = await world.payments.pay(account, invoice_id, key=attempt.key, method=method)
    async with desk(world, replace(action, subject=attempt.case_id)) as at:
        if at is not None:
            _take_answer(at, attempt, answer)
    if answer.account_refused:
        await pause_account(
            world, account.merchant_id, account.account_id, answer.reason or "key refused"
        )


def _take_answer(at: Desk, attempt: Attempt, answer: PayAnswer) -> None:
    case = take_answer(at.book, at.case, attempt, answer, at.terms)
    if answer.outcome in {"declined", "action_required"} or answer.code == NO_METHOD:
        decide(at.book, case, at.policy, at.terms, None)


async def resolve(world: World, action: Action) -> None:
    """Find out about an attempt in doubt, by reading; a timeout is not a failure.

    Nothing found there: the identical request again with the same key, while the provider still
    knows the key. Nothing after a day: it never happened.
    """
    async with desk(world, action) as at:
        if at is None or _is_resolved(at, action):
            return
        account, invoice_id = at.terms.account, at.case.invoice_id
    reading = await world.payments.read_invoice(account, invoice_id)
    again: Attempt | None = None
    async with desk(world, action, reading.method) as at:
        if at is None:
            return
        take(at, reading)
        at.done(action)
        attempt = at.book.get(Attempt, action.subject)
        if attempt is None or attempt.state not in IN_DOUBT:
            decide(at.book, at.case, at.policy, at.terms, reading.method)
            return
        again = _still_in_doubt(at, attempt, reading)
    if again is not None:
        method = again.method_id if again.trigger in WITH_OWN_METHOD else None
        await charge(world, action, account, invoice_id, again, method)


def _is_resolved(at: Desk, action: Action) -> bool:
    attempt = at.book.get(Attempt, action.subject)
    if attempt is None or attempt.state not in IN_DOUBT:
        at.done(action, "resolved already")
        return True
    return False


def _still_in_doubt(at: Desk, attempt: Attempt, reading: InvoiceReading) -> Attempt | None:
    """Plan the next look; returns the attempt if its request may be sent again now."""
    age = at.terms.now - attempt.intent_at
    processing = attempt.state is AttemptState.PROCESSING
    limit = PROCESSING_AT_MOST if processing else NEVER_HAPPENED_AFTER
    if age >= limit:
        unspent(at.book, at.case, attempt, "nothing of it at the provider", at.terms)
        decide(at.book, at.case, at.policy, at.terms, reading.method)
        return None
    attempt = replace(attempt, reads=attempt.reads + 1)
    at.book.put(attempt)
    at.book.add(resolve_action(at.case, attempt))
    is_open = reading.invoice.status is InvoiceStatus.OPEN
    if processing or not is_open or at.case.state is not CaseState.ACTIVE or age >= RESEND_WITHIN:
        return None
    return attempt
