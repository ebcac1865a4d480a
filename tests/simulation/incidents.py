"""Planted faults that are each one incident of `tests/incidents.toml`, as it happened elsewhere."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.domain import attributing, calendar, outcomes, sequence
from app.domain.actions import Action, ActionKind
from app.domain.dunning import Attempt, Case, CaseState, Trigger
from app.domain.messages import Message, PaymentLink
from app.domain.mirror import Subscription
from app.domain.openings import case_action
from app.domain.records import Book
from app.domain.recovery import RecoveryEntry
from app.domain.terms import note
from app.ports.world import World
from app.services import actions, cancel_opening, payment_links
from app.services.books import write
from tests.simulation.means import changed_rows, entered
from tests.simulation.swaps import Swap, put, put_entry

AN_HOUR_EAST = ZoneInfo("Etc/GMT-1")  # of UTC, as summer time is
HOURLY = timedelta(minutes=50)
_begin, _by_another = outcomes.begin, attributing.by_another
_in_daytime, _letters_on, _sendable_at = (
    calendar.in_daytime,
    sequence.letters_on,
    sequence.sendable_at,
)
_end = actions.HANDLERS[ActionKind.END]
_wanted, _find = cancel_opening._wanted, payment_links._find


def _all_count(book: Book, case: Case, trigger: Trigger, *rest: Any) -> tuple[Case, Attempt]:
    """Polar 10857: a try with a card the customer entered is one of the policy's."""
    case, attempt = _begin(book, case, trigger, *rest)
    case = replace(case, attempts_used=case.attempts_used + (trigger is not Trigger.HOLDFAST))
    book.put(case)
    return case, attempt


def _taken_for_ours(*told: Any) -> Attempt:
    """Polar 10857: what the customer or the provider began has our name on it."""
    return replace(_by_another(*told), trigger=Trigger.HOLDFAST)


def _an_hour_off(at: datetime, tz: ZoneInfo) -> datetime:
    """PostHog 42016: local hours are those of before the clock changed."""
    return _in_daytime(at, AN_HOUR_EAST)


def _unspaced(message: Message, others: Any, customer: Any, terms: Any) -> Any:
    """fxa 8362: each case writes as if it were the customer's only one, as often as it likes."""
    return _sendable_at(message, (), customer, terms)


def _farewell(row: Any) -> Any:
    """fxa 7886, 9172: who is ended unasked reads what those read who asked."""
    ends = isinstance(row, Message) and row.template == "subscription_ended"
    return replace(row, template="cancellation_confirmed") if ends else row


def _other_event(event: str, policy: Any) -> Any:
    """fxa 7886, 9172: whoever was ended hears that all is settled."""
    return _letters_on("recovered" if event == "ended" else event, policy)


def _unrecognised(row: RecoveryEntry) -> RecoveryEntry:
    """Polar 13268: a payment is known by when it was heard of, so each report enters it again."""
    heard = f"{row.provider_ref}:{row.recorded_at.isoformat()}"
    return replace(row, provider_ref=heard, entry_id=f"{row.entry_id}:{heard}")


async def _for_ever(world: World, action: Action) -> None:
    """Lago 5106: what is over is announced as over every hour."""
    await _end(world, action)
    async with world.store.transaction(action.merchant_id) as tx:
        for case in await tx.load(Case, [(action.case_id,)]):
            if case.state is CaseState.EXHAUSTED:
                now, book = world.clock.now(), Book()
                book.know([case])
                again = case_action(case, ActionKind.END, now + HOURLY, nth=now.isoformat())
                book.add(again)
                note(book, case, now, "exhausted", case.reason or "")
                await write(tx, book, at=now)


async def _anybodys(world: World, wish: Any) -> Subscription:
    """mollie/PrestaShop 1444: an id is taken as it comes, and comes from somebody else."""
    async with world.store.transaction(wish.merchant_id) as tx:
        found = await tx.find(Subscription, where={"merchant_id": wish.merchant_id})
    theirs = [one for one in found if one.customer_id not in (None, wish.customer_id)]
    return theirs[0] if theirs else await _wanted(world, wish)


async def _any_link(tx: Any, token: str) -> PaymentLink | None:
    """bldrs-ai 1492: whose link it is, the request says."""
    mine = await _find(tx, token)
    links = await tx.find(PaymentLink, where={"purpose": payment_links.PURPOSES})
    theirs = [one for one in links if mine and one.customer_id != mine.customer_id]
    return theirs[0] if theirs else mine


INCIDENTS: dict[str, Swap] = {
    "the customer's own tries are counted": put(outcomes.begin, _all_count),
    "the customer's own tries are taken for ours": put(attributing.by_another, _taken_for_ours),
    "a payment is entered each time it is heard of": entered(_unrecognised),
    "the end is announced every hour": put_entry(actions.HANDLERS, ActionKind.END, _for_ever),
    "each case writes as if it were alone": put(sequence.sendable_at, _unspaced),
    "an end unasked is told as a farewell": changed_rows(_farewell),
    "an end is told as a recovery": put(sequence.letters_on, _other_event),
    "clocks are an hour off": put(calendar.in_daytime, _an_hour_off),
    "anybody's subscription may be named": put(cancel_opening._wanted, _anybodys),
    "a link leads to anybody's page": put(payment_links._find, _any_link),
}
