"""Applying an accepted offer: committed before it is asked for, read back before it counts."""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.actions import Action, ActionState
from app.domain.alerts import AlertKind
from app.domain.cancellations import CancelRequest
from app.domain.changes import (
    Change,
    DropPending,
    GiveCredit,
    TakeBackEnd,
    is_too_late,
    read_change,
    waits_in,
)
from app.domain.departures import has_left_since
from app.domain.merchants import ProviderAccount
from app.domain.mirror import Customer, Subscription
from app.domain.offers.common import ELSEWHERE
from app.domain.records import Book
from app.domain.redemptions import (
    AT_WORK,
    HAS_LEFT,
    KEY_KNOWN,
    KEY_SERVES,
    MOST_TRIES,
    IllegalMove,
    Redemption,
    RedemptionState,
    RedemptionStep,
    Seen,
    StepState,
    following,
    look_action,
    moved_by,
    next_step,
    stepped,
)
from app.domain.sessions import CancelSession
from app.domain.staying import follow, tell_of_offer
from app.ports.payments import AccountRefused, ProviderRefused, ProviderUnavailable
from app.ports.store import Ask, Transaction
from app.ports.world import World
from app.services.alarms import alert
from app.services.audit import audit
from app.services.books import write
from app.services.flows import flow_kept

REPORTED = "reported"


class UnknownRedemption(LookupError):
    """The merchant has no such redemption."""


async def carry_on(world: World, merchant_id: str, redemption: str) -> Redemption:
    """Apply what is left of a redemption as far as the provider answers, and return it as it is.

    Safe to call any number of times, at once and late. A provider that does not answer, refuses our
    key or knows the subscription no more leaves it to the action that was committed with the claim.
    Raises `UnknownRedemption`.
    """
    try:
        return await work_off(world, merchant_id, redemption)
    except (ProviderUnavailable, AccountRefused, ProviderRefused):
        async with world.store.transaction(merchant_id) as tx:
            return await _known(tx, redemption)


async def resolve(world: World, action: Action) -> None:
    """The look a minute after the claim, and all later ones, until the redemption is settled."""
    redemption = await work_off(world, action.merchant_id, action.subject)
    async with world.store.transaction(action.merchant_id) as tx:
        await _lock(tx, redemption)
        book = Book()
        (current,) = await tx.load(Action, [(action.action_id,)])
        redemption = await _known(tx, action.subject)
        book.know([current, redemption])
        if redemption.awaits_report:
            now, why = world.clock.now(), "nothing was reported"
            redemption = redemption.moved(RedemptionState.FAILED, at=now, reason=why)
            await _tell_report(tx, book, redemption, now)
        book.put(replace(current, state=ActionState.DONE, leased_until=None))
        if redemption.state in AT_WORK and current.state is ActionState.PENDING:
            looked = replace(redemption, looks=redemption.looks + 1)
            book.put(looked)
            book.add(look_action(looked, world.clock.now()))
        await write(tx, book, at=world.clock.now())


async def give_up(world: World, merchant_id: str, redemption: str) -> Redemption:
    """A change that waits for its payment is not waited for any longer: the session is closed.

    Safe to repeat. What was paid meanwhile stays and is applied. Raises as `work_off` does.
    """
    work = await _take_up(world, merchant_id, redemption)
    if work.step is None or work.redemption.state is not RedemptionState.WAITING:
        return work.redemption
    await _drop(world, work)
    return await work_off(world, merchant_id, redemption)


async def _drop(world: World, work: "Work") -> None:
    """Void the invoice that a change waits for, where it still does, and the change with it."""
    owner, customer = work.redemption.subscription_id, work.redemption.customer_id
    standing = await world.payments.read_standing(work.account, owner)
    if work.step and waits_in(work.change, standing) and standing.latest_invoice:
        drop, key = DropPending(invoice=standing.latest_invoice), f"{work.step.key}:drop"
        with suppress(ProviderRefused):  # paid at this very moment
            await world.payments.change(work.account, owner, drop, customer=customer, key=key)


async def report(
    world: World, merchant_id: str, session: str, *, kept: bool, actor: str
) -> Redemption:
    """What came of an offer that was accepted in this session and is kept elsewhere.

    The same report again changes nothing. Raises `UnknownRedemption`, and `IllegalMove` for another
    report, for one that comes too late, and for an offer that we apply ourselves.
    """
    now = world.clock.now()
    state = RedemptionState.APPLIED if kept else RedemptionState.FAILED
    async with world.store.transaction(merchant_id) as tx:
        where = {"merchant_id": merchant_id, "session_id": session}
        known = [row.redemption_id for row in await tx.find(Redemption, where=where)]
        if not known:
            raise UnknownRedemption(session)
        found, book = await _opened(tx, known[0])
        if found.kind not in ELSEWHERE:
            raise IllegalMove("this offer is applied here: nothing of it is to be reported")
        if not found.awaits_report and (found.state, found.reason) != (state, REPORTED):
            raise IllegalMove(f"it is {found.state} already: nobody waits for a report")
        if not found.awaits_report:
            return found
        told = found.moved(state, at=now, reason=REPORTED)
        await _tell_report(tx, book, told, now)
        subject, action = told.redemption_id, "offer.reported"
        line = audit(actor=actor, action=action, subject=subject, at=now, before=found, after=told)
        book.add(line)
        await write(tx, book, at=now)
        return told


async def _tell_report(tx: Transaction, book: Book, redemption: Redemption, now: datetime) -> None:
    """Write down what came of an offer that is kept elsewhere; its session stays as it is."""
    book.put(redemption)
    for session in await tx.load(CancelSession, [(redemption.session_id,)]):
        tell_of_offer(book, session, redemption, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A redemption and the step it is at; `fresh`: nobody asked for it before; `left`: who
    accepted it has cancelled since. No step: it is settled."""

    redemption: Redemption
    account: ProviderAccount
    step: RedemptionStep | None = None
    fresh: bool = False
    left: bool = False

    @property
    def undoing(self) -> bool:
        """Whether the step is taken back."""
        return self.step is not None and self.step.state is StepState.UNDO_SENT

    @property
    def change(self) -> Change:
        """What is asked for."""
        if self.step is None:
            raise LookupError("a settled redemption has no change left")
        return read_change((self.undoing and self.step.undo) or self.step.change)


async def work_off(world: World, merchant_id: str, redemption: str) -> Redemption:
    """`carry_on` for who can wait: raises `ProviderUnavailable` and `AccountRefused`."""
    while True:
        work = await _take_up(world, merchant_id, redemption)
        if work.step is None:
            return work.redemption
        seen, why = await _ask_for(world, work)
        after = await _write_down(world, work, seen, why)
        if seen is Seen.WAITS:
            return after


async def _take_up(world: World, merchant_id: str, redemption: str) -> Work:
    """The next step, committed as sent before anybody asks for it. Of who has cancelled meanwhile
    nothing more is begun."""
    now = world.clock.now()
    async with world.store.transaction(merchant_id) as tx:
        found, book = await _opened(tx, redemption)
        (account,) = await tx.load(ProviderAccount, [(found.account_id,)])
        step = next_step(found, list(book.all(RedemptionStep)))
        if step is None:
            if found.state in AT_WORK and not found.awaits_report:
                over = found.state is RedemptionState.UNDOING
                state = RedemptionState.FAILED if over else RedemptionState.APPLIED
                found = found.moved(state, at=now, reason=found.reason)
                book.put(found)
                await _tell_session(tx, book, found, now)
                for action in following(found):
                    book.add(action)
                await write(tx, book, at=now)
            return Work(redemption=found, account=account)
        fresh = step.state in {StepState.PLANNED, StepState.DONE}
        left = await _has_left(tx, found, list(book.all(RedemptionStep)))
        if fresh and not left:
            undoing = step.state is StepState.DONE
            sent = StepState.UNDO_SENT if undoing else StepState.SENT
            step = replace(step, state=sent, sent_at=now, tries=1)
            book.put(step)
            await write(tx, book, at=now)
        return Work(redemption=found, account=account, step=step, fresh=fresh, left=left)


async def _has_left(tx: Transaction, redemption: Redemption, steps: list[RedemptionStep]) -> bool:
    """Whether they have cancelled or were erased since: no step of theirs is sent any more, least
    of all one that charges. What is taken back is taken back all the same."""
    if redemption.state is RedemptionState.UNDOING:
        return False
    who = await tx.load(Customer, [(redemption.account_id, redemption.customer_id)])
    if any(customer.erased for customer in who):
        return True
    about = {
        "account_id": redemption.account_id,
        "subscription_id": redemption.subscription_id,
    }
    found = await tx.find(CancelRequest, where=about)
    takes_back = any(step.change["op"] == TakeBackEnd.op for step in steps)
    return has_left_since(found, redemption.claimed_at, takes_back=takes_back)


async def _ask_for(world: World, work: Work) -> tuple[Seen, str | None]:
    """Ask for a step and read back what became of it. One that was asked for before is read
    first: the call may have been carried out and its answer lost."""
    change, step, why = work.change, work.step, None
    if work.left:
        return await _after_the_word(world, work)
    if not work.fresh and step is not None:
        seen = await _read_back(world, work, change)
        if seen is not Seen.LOST:
            return seen, None
        if work.redemption.state is RedemptionState.WAITING:
            return Seen.REFUSED, "it was not paid for in time"
        if (over := _outlived(change, step, world.clock.now())) is not None:
            return over
    if is_too_late(change, world.clock.now()):
        return Seen.REFUSED, "the day on which it was to begin is over"
    try:
        await world.payments.change(
            work.account,
            work.redemption.subscription_id,
            change,
            customer=work.redemption.customer_id,
            key=step.key if step else "",
        )
    except ProviderRefused as refused:
        why = f"provider: {refused}"
    seen = await _read_back(world, work, change)
    return (Seen.REFUSED, why) if why and seen is Seen.LOST else (seen, why)


async def _after_the_word(world: World, work: Work) -> tuple[Seen, str | None]:
    """What became of a step of somebody who has cancelled since it was accepted: one that was not
    asked for is not, one that waits for its payment is given up, and of one that may still be on
    its way it is waited for what comes. Raises `ProviderUnavailable` for that."""
    if work.fresh or work.step is None:
        return Seen.LEFT, HAS_LEFT
    await _drop(world, work)
    seen = await _read_back(world, work, work.change)
    if seen is not Seen.LOST:
        return seen, None
    asked = work.redemption.state is not RedemptionState.WAITING  # else it has arrived
    if asked and _outlived(work.change, work.step, world.clock.now()) is None:
        raise ProviderUnavailable("what was asked for before the word may still be on its way")
    return Seen.LEFT, HAS_LEFT


def _outlived(
    change: Change, step: RedemptionStep, now: datetime
) -> tuple[Seen, str | None] | None:
    """What follows where the key has served and nothing of the step is there; None while it
    serves."""
    adds = isinstance(change, GiveCredit)
    if step.sent_at is not None and now - step.sent_at < (KEY_KNOWN if adds else KEY_SERVES):
        return None
    if adds:
        return Seen.LOST, "no answer for a day: it must not be given twice"
    over = step.tries >= MOST_TRIES
    return (Seen.REFUSED, "nothing of it at the provider") if over else (Seen.ANEW, None)


async def _read_back(world: World, work: Work, change: Change) -> Seen:
    customer = work.redemption.customer_id if isinstance(change, GiveCredit) else None
    standing = await world.payments.read_standing(
        work.account, work.redemption.subscription_id, credits_of=customer
    )
    if change.stands_in(standing):
        return Seen.DONE
    return Seen.WAITS if waits_in(change, standing) else Seen.LOST


async def _write_down(world: World, work: Work, seen: Seen, why: str | None) -> Redemption:
    """Keep what was seen, unless somebody else was quicker."""
    now = world.clock.now()
    async with world.store.transaction(work.redemption.merchant_id) as tx:
        redemption, book = await _opened(tx, work.redemption.redemption_id)
        steps_now = list(book.all(RedemptionStep))
        step = next((s for s in steps_now if work.step and s.number == work.step.number), None)
        if redemption.state not in AT_WORK:
            return redemption
        if step is None or work.step is None or step.state is not work.step.state:
            return redemption
        moved = moved_by(redemption, step, seen, why, steps_now, now)
        book.put(moved)
        book.put(stepped(step, seen, why, now))
        if moved.state is RedemptionState.PARKED:
            kind, text = AlertKind.REDEMPTION_PARKED, f"{moved.kind}: {moved.reason}"
            book.add(alert(now, moved.merchant_id, kind, moved.redemption_id, text))
        await _tell_session(tx, book, moved, now)
        await write(tx, book, at=now)
        return moved


async def _opened(tx: Transaction, redemption: str) -> tuple[Redemption, Book]:
    """A redemption and its steps, its customer locked."""
    await _lock(tx, await _known(tx, redemption))
    rows, found = await tx.ask(
        Ask(Redemption, keys=[(redemption,)]),
        Ask(RedemptionStep, where={"redemption_id": redemption}),
    )
    book = Book()
    book.know([*rows, *found])
    return rows[0], book


async def _tell_session(tx: Transaction, book: Book, redemption: Redemption, now: datetime) -> None:
    """The session follows in the transaction that settles its offer, so that it is told of then
    and not when somebody looks at it next."""
    if redemption.state in AT_WORK:
        return
    for session in await tx.load(CancelSession, [(redemption.session_id,)]):
        book.know([session])
        leaving = (session.account_id, session.subscription_id)
        book.know(await tx.load(Subscription, [leaving]))
        flow = await flow_kept(tx, session.merchant_id, session.flow)
        follow(book, session, redemption, flow, now)


async def _lock(tx: Transaction, redemption: Redemption) -> None:
    who = redemption.customer_id or redemption.subscription_id
    await tx.lock(redemption.account_id, [who])


async def _known(tx: Transaction, redemption: str) -> Redemption:
    found = await tx.load(Redemption, [(redemption,)])
    if not found:
        raise UnknownRedemption(redemption)
    return found[0]
