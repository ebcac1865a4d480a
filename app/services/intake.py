"""Draining the inbox: webhooks become notices, notices become state, in one transaction."""

import asyncio

import structlog

from app.domain.absorb import absorb
from app.domain.dunning import Case
from app.domain.merchants import ProviderAccount
from app.domain.mirror import Customer
from app.domain.notices import Notice, not_ahead
from app.domain.operations import InboxEvent
from app.domain.personal import names
from app.domain.records import Key, key_of
from app.domain.terms import Terms
from app.ports.store import Conflict, StoreUnavailable, Transaction
from app.ports.webhooks import BadEvent, EventHead
from app.ports.world import World
from app.services.books import Touched, asks_for_terms, load_touched, terms_from, write
from app.services.shelves import keep_file, opening

TRIES_ALONE, PAUSE_S = 8, 0.05  # of an event that meets somebody else's change, 1.8 s in all
BREATH = 8  # events translated in one go: about a millisecond, for whoever waits meanwhile

log = structlog.get_logger()


class _Overtaken(Exception):
    """What was claimed is not what failed: it is given back."""


def mismatch_of(account: ProviderAccount, head: EventHead) -> str | None:
    """Why a validly signed event is not this account's, or None: then it is handled."""
    if head.account and account.provider_ref and head.account != account.provider_ref:
        return "the event is of another provider account"
    if head.live is not None and head.live != account.live:
        modes = ("live", "test") if head.live else ("test", "live")
        return "a {} event on a {} account".format(*modes)
    return None


async def drain(world: World, *, limit: int = 500) -> int:
    """Work off up to `limit` pending webhooks; returns how many were settled, fewer than `limit`
    where no more were free.

    Safe to run anywhere any number of times and many at a time: rows are claimed inside the
    transaction that settles them, and the events of one customer by one drain at a time, in
    order. A batch that fails is halved until the poisonous row stands alone; that one is
    parked with its reason and the rest goes on; so is one that meets a conflict each time. Raises
    only `StoreUnavailable`.
    """
    taken: list[InboxEvent] = []
    try:
        return await _drain_batch(world, limit, taken)
    except StoreUnavailable:
        raise
    except Exception as fault:  # noqa: BLE001 - whatever a hostile event provokes must not stop the rest
        if limit > 1:
            return await _in_halves(world, limit // 2, len(taken))
        if isinstance(fault, Conflict):
            return await _once_more(world, taken, fault)
        return await _park(world, taken, fault)


async def _once_more(world: World, failed: list[InboxEvent], fault: Exception) -> int:
    """A conflict passes when whoever was faster is through. One that stays is of the event itself,
    whose rows another unique key refuses: it would hold up all that came after it, of everybody."""
    for turn in range(1, TRIES_ALONE):
        await asyncio.sleep(turn * PAUSE_S)
        taken: list[InboxEvent] = []
        try:
            return await _drain_batch(world, 1, taken)
        except StoreUnavailable:
            raise
        except Exception as again:  # noqa: BLE001 - as of a batch
            fault = again
        if not failed or list(map(key_of, taken)) != list(map(key_of, failed)):
            return 0  # another drain has it
        if not isinstance(fault, Conflict):
            break
    return await _park(world, failed, fault)


async def _in_halves(world: World, limit: int, count: int) -> int:
    """What a failed batch of `count` could not settle together, as far as it can be."""
    settled = await drain(world, limit=limit)
    while 0 < settled < count:
        more = await drain(world, limit=min(limit, count - settled))
        if not more:
            break
        settled += more
    return settled


async def _drain_batch(world: World, limit: int, taken: list[InboxEvent]) -> int:
    """One batch in one transaction; `taken` tells the caller of a failed one what was in it."""
    async with world.store.system() as tx:
        now = world.clock.now()
        await tx.agree_on(now)
        events = await tx.claim_inbox(limit, at=now)
        taken += events
        if not events:
            return 0
        notices, parked = await _translated(world, events)
        await tx.act_for(sorted({event.merchant_id for event in events}))
        await tx.park_inbox(parked)
        asked = asks_for_terms({event.merchant_id for event in events}, notices)
        for account, terms in terms_from(world, *await tx.ask(*asked)).items():
            gone = await absorb_notices(tx, terms, notices[account])
            await _empty(tx, account, gone, events)
        return len(events)


async def _empty(tx: Transaction, account: str, gone: set[str], events: list[InboxEvent]) -> None:
    """Of somebody who was erased no webhook keeps what it says."""
    if not gone:
        return
    mine = [event for event in events if event.account_id == account]
    naming = [one for one in mine if any(names(one.body or "", who) for who in gone)]
    await tx.empty_bodies([key_of(event) for event in naming])


async def _translated(
    world: World, events: list[InboxEvent]
) -> tuple[dict[str, list[Notice]], dict[Key, str]]:
    """The notices by account, and why what is no event must be set aside."""
    parked: dict[Key, str] = {}
    notices: dict[str, list[Notice]] = {event.account_id: [] for event in events}
    for place, event in enumerate(events):
        if place % BREATH == 0:
            await asyncio.sleep(0)
        if event.body is None:
            continue  # dropped since it was handled: heard again it says nothing
        try:
            told = world.webhooks.translate(event.body)
            notices[event.account_id] += [not_ahead(one, event.received_at) for one in told]
        except BadEvent as fault:
            parked[key_of(event)] = f"no event: {fault}"[:500]
    return notices, parked


async def absorb_notices(tx: Transaction, terms: Terms, notices: list[Notice]) -> set[str]:
    """Load what the notices touch, let each change it, write it back: one set of statements
    however many there are. Runs inside the caller's transaction. Returns which of the customers
    concerned were erased."""
    if not notices:
        return set()
    touched = Touched()
    for notice in notices:
        touched.add(notice)
    book = await load_touched(tx, terms.account.account_id, touched)
    terms = await opening(tx, terms, book.all(Case))
    for notice in notices:
        absorb(book, notice, terms)
    begun = {case.policy for case in book.added(Case)}
    await keep_file(tx, terms, begun)
    await write(tx, book, at=terms.now)
    return {customer.customer_id for customer in book.all(Customer) if customer.erased}


async def _park(world: World, failed: list[InboxEvent], fault: Exception) -> int:
    """Set the row aside that failed alone; not another, should a worker have been faster."""
    if not failed:
        raise fault
    reason = f"{type(fault).__name__}: {fault}"[:500]
    try:
        async with world.store.system() as tx:
            events = await tx.claim_inbox(1, at=world.clock.now())
            if [key_of(event) for event in events] != [key_of(failed[0])]:
                raise _Overtaken
            await tx.act_for([events[0].merchant_id])
            await tx.park_inbox({key_of(failed[0]): reason})
    except _Overtaken:
        return 0
    log.error("inbox_event_parked", fault=type(fault).__name__)
    return 1
