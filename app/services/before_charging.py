"""The last looks before a charge: whether somebody has stopped it since it was intended."""

from dataclasses import replace
from datetime import timedelta

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.cards import card_key_of, rail_of, uses_of
from app.domain.dunning import Attempt, AttemptState, CardUse, Case, CaseState, Trigger
from app.domain.holds import is_barred
from app.domain.mirror import InvoiceStatus, PaymentMethod, Subscription
from app.domain.mirroring import ENDED
from app.domain.network_rules import earliest_within_budget
from app.domain.openings import case_action
from app.domain.outcomes import unspent
from app.domain.records import Book
from app.ports.payments import InvoiceReading
from app.ports.store import Ask
from app.ports.world import World
from app.services.customer_desk import CustomerDesk
from app.services.merchants import PAUSED_AGAIN
from app.services.work import Desk, glance

AFTER_HOLD = timedelta(days=1)  # looked at again so much later where no release wakes it
# Attempts that no decision plans anew when a hold ends: they wait for it.
KEPT = frozenset(Trigger) - {Trigger.HOLDFAST, Trigger.OPERATOR}
DEAD_CARD = "this card must not be tried again"


def is_by_link(action: Action) -> bool:
    """Whether the customer asked for this charge on a page of ours."""
    return bool((action.data or {}).get("link"))


async def may_go(world: World, action: Action, attempt: Attempt) -> bool:
    """Look at the case once more, as the last thing before the call.

    A command or a report that waited for the customer's lock while the intent was written comes
    before this look, so it is heeded: the attempt is closed as one that never happened, or left to
    be found out about where this repeats a request. What is committed later than this cannot be,
    because nothing is held while the provider is asked; a command then answers that an attempt is
    under way. Where the call has to wait for its turn, this is asked once more.
    """
    about = (Attempt, *_uses_of_card(attempt))
    async with glance(world, action, *about, after_the_deed=True) as at:
        if at is None:
            return False
        current = at.book.get(Attempt, attempt.attempt_id) or attempt
        why = _why_not(at.book, at.case, current, attempt)
        if why is None:
            return True
        if current.state is AttemptState.SENT and not current.reads:
            unspent(at.book, at.case, current, why, at.terms)
            if why == DEAD_CARD:
                nth = f"dead:{current.number}"
                at.book.add(case_action(at.case, ActionKind.ASSESS, at.terms.now, nth=nth))
            else:
                _keep(at, action, current)
    return False


def _uses_of_card(attempt: Attempt) -> tuple[Ask, Ask]:
    """What anybody's attempts on the card said, of this case or another, and the card."""
    names = [name for name in (attempt.fingerprint, attempt.method_id) if name]
    return (
        Ask(CardUse, where={"account_id": attempt.account_id, "card_key": names}),
        Ask(PaymentMethod, keys=[(attempt.account_id, attempt.method_id or "")]),
    )


def _card_of(book: Book, attempt: Attempt) -> PaymentMethod | None:
    """The card that an attempt names."""
    if attempt.method_id is None:
        return None
    return book.get(PaymentMethod, attempt.account_id, attempt.method_id) or PaymentMethod(
        merchant_id=attempt.merchant_id,
        account_id=attempt.account_id,
        method_id=attempt.method_id,
        fingerprint=attempt.fingerprint,
    )


def is_never(book: Book, method: PaymentMethod | None) -> bool:
    """Whether a refusal of anybody's attempt forbids to try this card again."""
    uses = uses_of(book.all(CardUse), card_key_of(method), method)
    return any(use.never for use in uses)


def _why_not(book: Book, case: Case, current: Attempt, attempt: Attempt) -> str | None:
    moved = (current.state, current.reads) != (attempt.state, attempt.reads)
    left = attempt.trigger is Trigger.HOLDFAST and not case.driven
    reasons = (
        (moved, f"it is {current.state}"),
        (case.state is not CaseState.ACTIVE, f"the case is {case.state}"),
        (is_barred(case, by_link=attempt.link_id is not None), "the case is on hold"),
        (left, "the provider retries"),
        (is_never(book, _card_of(book, attempt)), DEAD_CARD),
    )
    return next((reason for holds, reason in reasons if holds), None)


def _keep(at: Desk, action: Action, attempt: Attempt) -> None:
    """What others asked for is tried when the hold has ended."""
    if at.case.state is CaseState.ACTIVE and attempt.trigger in KEPT:
        due, nth = at.terms.now + AFTER_HOLD, f"{attempt.trigger}:held:{attempt.number}"
        at.book.add(case_action(at.case, ActionKind.RETRY, due, nth=nth, data=action.data))


def has_ended_unheard(at: Desk, reading: InvoiceReading) -> bool:
    """Whether the subscription of what the provider works has ended, and nobody told us why: who
    left is not charged. Of what we drive a look decides at once."""
    known = at.book.get(Subscription, at.case.account_id, at.case.subscription_id)
    is_news = known is None or known.status not in ENDED
    return not at.case.driven and reading.subscription_status in ENDED and is_news


def may_repeat(at: Desk, attempt: Attempt, reading: InvoiceReading) -> bool:
    """Whether nothing has stopped the case since the request was sent first, and nobody's attempt
    on the same card was refused for good: it may be that the request never arrived."""
    case = at.case
    if case.state is not CaseState.ACTIVE or is_barred(case, by_link=attempt.link_id is not None):
        return False
    if is_never(at.book, _card_of(at.book, attempt) or reading.method):
        return False
    if has_ended_unheard(at, reading):
        return False
    ours = case.driven or attempt.trigger is not Trigger.HOLDFAST
    return ours and reading.invoice.status is InvoiceStatus.OPEN


async def wake(at: Desk) -> None:
    """A hold has ended: what others asked for meanwhile, and was put off, is tried now."""
    where = {
        "case_id": at.case_id,
        "account_id": at.case.account_id,
        "state": ActionState.PENDING,
        "kind": ActionKind.RETRY,
    }
    for row in await at.tx.find(Action, where=where):
        trigger = (row.data or {}).get("trigger")
        if trigger in KEPT and row.due_at > at.terms.now:
            at.book.know([row])
            at.book.put(replace(row, due_at=at.terms.now))


def waits_out_pause(at: Desk | CustomerDesk, action: Action) -> bool:
    """Put the action off where its account was paused since the batch was looked at."""
    paused = at.terms.account.paused_reason
    if paused is not None:
        later = at.terms.now + PAUSED_AGAIN
        at.book.put(replace(action, due_at=later, leased_until=None, note=paused))
    return paused is not None


def network_forbids(at: Desk, reading: InvoiceReading) -> bool:
    """Whether a network's budget or a never-flag speaks against a charge now. Counted again right
    before it: others may have used the card since."""
    uses = uses_of(at.book.all(CardUse), card_key_of(reading.method), reading.method)
    brand = reading.method.brand if reading.method else None
    now = at.terms.now
    within, rule = earliest_within_budget(uses, rail=rail_of(reading.method), brand=brand, at=now)
    return within > now or rule is not None or any(use.never for use in uses)
