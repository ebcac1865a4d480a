"""What a person at the desk looks at first: pages of cases with their counts, and what waits."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.actions import Action, ActionState
from app.domain.dunning import Case, CaseKind, CaseState
from app.domain.merchants import Merchant, ProviderAccount
from app.domain.mirror import Customer
from app.domain.operations import Alert, InboxEvent, InboxState
from app.ports.store import Transaction
from app.ports.world import World
from app.services.cases import CaseQuery

AT_MOST = 50  # rows of each kind on one page
SET_ASIDE = (InboxState.PARKED, InboxState.QUARANTINED)


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePage:
    """A page of cases, the latest opened first. `customers` holds those that are known, by
    account and id; `counts` how many cases the other filters leave in each state."""

    merchant: Merchant
    accounts: tuple[ProviderAccount, ...]
    cases: tuple[Case, ...]
    more: bool
    customers: Mapping[tuple[str, str], Customer]
    counts: Mapping[CaseState, int]


async def page_of_cases(
    world: World,
    merchant_id: str,
    query: CaseQuery,
    *,
    after: tuple[datetime, str] | None = None,
    limit: int = AT_MOST,
) -> CasePage:
    """A page of the cases that `query` describes; `after` is the last one of the page before."""
    async with world.store.transaction(merchant_id) as tx:
        found = await tx.find(
            Case,
            where={"merchant_id": merchant_id, **query.where()},
            order=("-opened_at", "-case_id"),
            after=after,
            limit=limit + 1,
        )
        cases = tuple(found[:limit])
        return CasePage(
            merchant=await _merchant(tx, merchant_id),
            accounts=await _accounts(tx, merchant_id),
            cases=cases,
            more=len(found) > limit,
            customers=await _customers(tx, cases),
            counts=await _counts(tx, merchant_id, query),
        )


async def largest_open(
    world: World, merchant_id: str, currency: str, *, limit: int
) -> tuple[tuple[Case, ...], Mapping[tuple[str, str], Customer]]:
    """The open cases of refused payments in a currency on which most is owed, as in what is at
    risk, and their customers as on a page."""
    async with world.store.transaction(merchant_id) as tx:
        where = {"merchant_id": merchant_id, "currency": currency, "kind": CaseKind.PAYMENT}
        found = await tx.find(
            Case,
            where={**where, "state": [CaseState.ACTIVE, CaseState.PARKED]},
            order=("-due_minor", "-case_id"),
            limit=limit,
        )
        return tuple(found), await _customers(tx, tuple(found))


async def _counts(tx: Transaction, merchant_id: str, query: CaseQuery) -> dict[CaseState, int]:
    """By state, whatever states `query` itself asks for. Only active cases wait for anything."""
    counts = {}
    for state in CaseState:
        waits = query.waits if state is CaseState.ACTIVE else ()
        where = replace(query, states=(state,), waits=waits).where()
        counts[state] = await tx.count(Case, where={"merchant_id": merchant_id, **where})
    return counts


async def _customers(tx: Transaction, cases: tuple[Case, ...]) -> dict[tuple[str, str], Customer]:
    keys = sorted({(case.account_id, case.customer_id) for case in cases if case.customer_id})
    rows = await tx.load(Customer, keys)
    return {(row.account_id, row.customer_id): row for row in rows}


async def merchant_of(world: World, merchant_id: str) -> Merchant:
    """The merchant itself: its name and its time zone."""
    async with world.store.transaction(merchant_id) as tx:
        return await _merchant(tx, merchant_id)


async def _merchant(tx: Transaction, merchant_id: str) -> Merchant:
    (merchant,) = await tx.load(Merchant, [(merchant_id,)])
    return merchant


async def _accounts(tx: Transaction, merchant_id: str) -> tuple[ProviderAccount, ...]:
    of_merchant = {"merchant_id": merchant_id}
    return tuple(
        await tx.find(ProviderAccount, where=of_merchant, order=("created_at", "account_id"))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What waits for a person, at most 50 of each, the newest first: alerts nobody resolved,
    paused accounts, parked cases, actions and events that were set aside."""

    merchant: Merchant
    alerts: tuple[Alert, ...]
    paused: tuple[ProviderAccount, ...]
    cases: tuple[Case, ...]
    customers: Mapping[tuple[str, str], Customer]
    actions: tuple[Action, ...]
    events: tuple[InboxEvent, ...]


async def waiting(world: World, merchant_id: str) -> Waiting:
    """Everything of a merchant that goes on only once a person looked at it."""
    mine = {"merchant_id": merchant_id}
    async with world.store.transaction(merchant_id) as tx:
        parked = {**mine, "state": CaseState.PARKED}
        newest = ("-opened_at", "-case_id")
        cases = tuple(await tx.find(Case, where=parked, order=newest, limit=AT_MOST))
        open_alerts = {**mine, "resolved_at": None}
        stuck = {**mine, "state": ActionState.PARKED}
        aside = {**mine, "state": SET_ASIDE}
        accounts = await _accounts(tx, merchant_id)
        return Waiting(
            merchant=await _merchant(tx, merchant_id),
            alerts=tuple(
                await tx.find(Alert, where=open_alerts, order=("-at", "-alert_id"), limit=AT_MOST)
            ),
            paused=tuple(account for account in accounts if account.paused_reason),
            cases=cases,
            customers=await _customers(tx, cases),
            actions=tuple(
                await tx.find(Action, where=stuck, order=("-due_at", "-key"), limit=AT_MOST)
            ),
            events=tuple(
                await tx.find(
                    InboxEvent, where=aside, order=("-received_at", "-event_id"), limit=AT_MOST
                )
            ),
        )


async def how_many_wait(world: World, merchant_id: str) -> int:
    """Alerts nobody resolved and parked cases: the number beside the way to them."""
    mine = {"merchant_id": merchant_id}
    async with world.store.transaction(merchant_id) as tx:
        alerts = await tx.count(Alert, where={**mine, "resolved_at": None})
        cases = await tx.count(Case, where={**mine, "state": CaseState.PARKED})
    return alerts + cases
