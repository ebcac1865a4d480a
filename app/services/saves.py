"""The save ladder: whether who accepted an offer is still there a day, a month, a quarter later."""

from datetime import datetime, timedelta

from app.domain.absorb import absorb
from app.domain.actions import Action
from app.domain.cancellations import CancelRequest
from app.domain.merchants import ProviderAccount
from app.domain.mirror import Subscription
from app.domain.notices import Notice
from app.domain.records import Book
from app.domain.redemptions import Redemption
from app.domain.saves import (
    AFTER,
    Lost,
    Rung,
    SaveStep,
    accepted,
    checks,
    in_doubt,
    judged,
    lost_by,
)
from app.domain.sessions import CancelSession, SessionState
from app.ports.payments import ProviderRefused
from app.ports.store import Ask, Transaction
from app.ports.world import World
from app.services.books import Touched, write
from app.services.customer_desk import CustomerDesk, customer_desk

LOOKED_BACK = AFTER[Rung.SAVED_90D] + timedelta(days=10)  # for ladders that nobody began
AT_ONCE = 200


async def check(world: World, action: Action) -> None:
    """Judge one rung by the mirror, and where that is in doubt by the live subscription.

    Safe to run late or twice: a rung is judged once. Raises the provider's errors where it is
    needed and away; the rung stays open until it answers.
    """
    async with customer_desk(world, action, _touched(action)) as at:
        if at is None or await _judged_before(at):
            return
        account = at.terms.account
        if not in_doubt(_first(at), _mirrored(at), _due(at)):
            await _judge(at, None)
            return
    notices, refused = await _live(world, account, action)
    async with customer_desk(world, action, _touched(action)) as at:
        if at is None or await _judged_before(at):
            return
        for notice in notices:
            absorb(at.book, notice, at.terms)
        await _judge(at, Lost.UNKNOWN_THERE if refused else None)


def _touched(action: Action) -> Touched:
    touched = Touched()
    touched.ends(_subscription(action), action.customer_id)
    return touched


def _subscription(action: Action) -> str:
    return str((action.data or {})["subscription"])


def _rung(action: Action) -> Rung:
    return Rung((action.data or {})["rung"])


async def _judged_before(at: CustomerDesk) -> bool:
    """Know the ladder; whether this rung needs no look any more."""
    at.book.know(await at.tx.find(SaveStep, where={"session_id": at.action.subject}))
    if at.book.get(SaveStep, at.action.subject, Rung.ACCEPTED) is None:
        at.done("nothing was accepted")
        return True
    if at.book.get(SaveStep, at.action.subject, _rung(at.action)) is not None:
        at.done("it was judged before")
        return True
    return False


def _mirrored(at: CustomerDesk) -> Subscription | None:
    return at.book.get(Subscription, at.action.account_id, _subscription(at.action))


def _first(at: CustomerDesk) -> SaveStep:
    first = at.book.get(SaveStep, at.action.subject, Rung.ACCEPTED)
    if first is None:
        raise LookupError("a ladder begins with what was accepted")
    return first


def _due(at: CustomerDesk) -> datetime:
    return _first(at).begun_at + AFTER[_rung(at.action)]


async def _live(
    world: World, account: ProviderAccount, action: Action
) -> tuple[list[Notice], bool]:
    """The subscription as the provider has it; whether it refuses to know it."""
    try:
        found = await world.payments.read_object(
            account,
            type="subscription",
            id=_subscription(action),
            event=f"save:{action.subject}:{_rung(action)}",
            at=world.clock.now(),
        )
    except ProviderRefused:
        return [], True
    return found, False


async def _judge(at: CustomerDesk, why: Lost | None) -> None:
    """Write the rung. What was lost before is not found again: a later rung is lost with it."""
    rung, first = _rung(at.action), _first(at)
    about = {"account_id": first.account_id, "subscription_id": first.subscription_id}
    sessions = await at.tx.find(CancelSession, where=about)
    requests = at.book.all(CancelRequest, **about)
    earlier = [one for one in at.book.all(SaveStep) if not one.kept and one.due_at < _due(at)]
    lost = why or lost_by(rung, _mirrored(at), requests, sessions, first)
    before = min(earlier, key=lambda one: one.due_at, default=None)
    at.book.add(judged(first, rung, before.why if before else lost, at.terms.now))
    at.done()


async def catch_up(world: World, account: ProviderAccount) -> int:
    """Begin the ladders that nobody began: of offers that workers applied unseen, or that were
    accepted before ladders were kept. Safe to repeat; returns how many there were."""
    now = world.clock.now()
    async with world.store.transaction(account.merchant_id) as tx:
        sessions = await _without_ladder(tx, account, now)
        redeemed, mirrored = await tx.ask(
            Ask(Redemption, where={"session_id": [one.session_id for one in sessions]}),
            Ask(Subscription, keys=[(one.account_id, one.subscription_id) for one in sessions]),
        )
        book = Book()
        subscriptions = {one.subscription_id: one for one in mirrored}
        redemptions = {one.session_id: one for one in redeemed}
        found = [
            (one, redemptions[one.session_id]) for one in sessions if one.session_id in redemptions
        ]
        for session, redemption in found:
            first = accepted(session, redemption, subscriptions.get(session.subscription_id), now)
            for row in (first, *checks(first)):
                book.add(row)
        await write(tx, book, at=now)
    return len(found)


async def _without_ladder(
    tx: Transaction, account: ProviderAccount, now: datetime
) -> list[CancelSession]:
    where = {
        "account_id": account.account_id,
        "state": SessionState.SAVED,
        "ended_at__gte": now - LOOKED_BACK,
    }
    sessions = await tx.find(CancelSession, where=where)
    keys = [(session.session_id, Rung.ACCEPTED) for session in sessions]
    begun = {step.session_id for step in await tx.load(SaveStep, keys)}
    return [one for one in sessions if one.session_id not in begun][:AT_ONCE]
