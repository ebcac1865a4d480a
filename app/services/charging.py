"""The call that charges an invoice, and finding out about one whose answer nobody knows."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

from app.domain.actions import Action
from app.domain.attributing import may_be
from app.domain.decisions import decide
from app.domain.dunning import IN_DOUBT, Attempt, AttemptState
from app.domain.merchants import ProviderAccount
from app.domain.outcomes import (
    NEVER_HAPPENED_AFTER,
    NO_METHOD,
    PROCESSING_AT_MOST,
    RESEND_WITHIN,
    resolve_action,
    take_answer,
    unspent,
)
from app.ports.payments import TURN_WITHIN, InvoiceReading, PayAnswer
from app.ports.world import World
from app.services.alarms import pause_account
from app.services.before_charging import may_go, may_repeat
from app.services.looks import is_under_way, take
from app.services.work import Desk, desk, glance

# A first send leaves at most 30 s after its intent, the wait for its turn included; a process that
# slept since then leaves it to `resolve`.
FIRST_SEND_WITHIN = timedelta(seconds=30) - TURN_WITHIN
RESOLVED = "resolved already"


async def charge(
    world: World,
    action: Action,
    account: ProviderAccount,
    invoice_id: str,
    attempt: Attempt,
) -> None:
    """The call itself and its result. It names the card that was looked at: the default may be
    another by now, of which nobody knows whether it may be tried. A crash in here leaves the
    attempt `sent`; its `resolve` finds out by reading, and repeats the same request under the same
    key if nothing is there."""
    look = partial(may_go, world, action, attempt)
    answer = await world.payments.pay(
        account, invoice_id, key=attempt.key, method=attempt.method_id, last_look=look
    )
    async with desk(world, replace(action, subject=attempt.case_id), after_the_deed=True) as at:
        if at is not None:
            _take_answer(at, attempt, answer)
    if answer.account_refused:
        await pause_account(
            world, account.merchant_id, account.account_id, answer.reason or "key refused"
        )


def _take_answer(at: Desk, attempt: Attempt, answer: PayAnswer) -> None:
    case = take_answer(at.book, at.case, attempt, answer, at.terms)
    known = at.book.get(Attempt, attempt.attempt_id)
    if known is not None and known.state not in IN_DOUBT:
        at.done(resolve_action(case, known), RESOLVED)  # whoever has it does nothing
    if answer.outcome in {"declined", "action_required"} or answer.code == NO_METHOD:
        decide(at.book, case, at.policy, at.terms, None)


async def resolve(world: World, action: Action) -> None:
    """Find out about an attempt in doubt, by reading; a timeout is not a failure.

    Nothing found there: the identical request again with the same key, while the provider still
    knows the key. Nothing after a day: it never happened.
    """
    async with glance(world, action, Attempt) as at:
        if at is None or _is_resolved(at, action):
            return
        account, invoice_id = at.terms.account, at.case.invoice_id
    reading = await world.payments.read_invoice(account, invoice_id, every_attempt=True)
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
        again, decided_at = _still_in_doubt(at, attempt, reading), at.terms.now
    if again is not None and world.clock.now() - decided_at <= FIRST_SEND_WITHIN:
        await charge(world, action, account, invoice_id, again)


def _is_resolved(at: Desk, action: Action) -> bool:
    attempt = at.book.get(Attempt, action.subject)
    if attempt is None or attempt.state not in IN_DOUBT:
        at.done(action, RESOLVED)
        return True
    return False


def _still_in_doubt(at: Desk, attempt: Attempt, reading: InvoiceReading) -> Attempt | None:
    """Plan the next look; returns the attempt if its request may be sent again now, which it is
    not beside anybody's payment that is under way."""
    age, under_way = at.terms.now - attempt.intent_at, is_under_way(reading)
    if any(one.status == "processing" and may_be(attempt, one) for one in reading.payments):
        attempt = replace(attempt, state=AttemptState.PROCESSING)
    processing = attempt.state is AttemptState.PROCESSING
    limit = PROCESSING_AT_MOST if processing else NEVER_HAPPENED_AFTER
    if age >= limit and not (processing and under_way):
        unspent(at.book, at.case, attempt, "nothing of it at the provider", at.terms)
        decide(at.book, at.case, at.policy, at.terms, reading.method)
        return None
    attempt = replace(attempt, reads=attempt.reads + 1)
    at.book.put(attempt)
    at.book.add(resolve_action(at.case, attempt))
    over = processing or under_way or age >= RESEND_WITHIN
    return attempt if not over and may_repeat(at, attempt, reading) else None
