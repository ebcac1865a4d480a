"""What customers may use: answered from the facts, recorded and told when it changes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.access import Access, AccessState, Level, access_action, access_of, rests_from
from app.domain.actions import Action, ActionState, still_claimed
from app.domain.dunning import Case, CaseState
from app.domain.mirror import Subscription
from app.domain.offers.pause import PauseOffer
from app.domain.policies import AccessPolicy, PolicyVersion
from app.domain.policy_documents import policy_of
from app.domain.records import Book, Key, changed
from app.domain.redemptions import Redemption
from app.domain.terms import note
from app.ports.store import Ask, Transaction
from app.ports.world import World
from app.services.books import write
from app.services.shelves import ask_for_policies, key_of_label, shelf_from

MAY_COUNT = frozenset({CaseState.ACTIVE, CaseState.PARKED, CaseState.EXHAUSTED})


class AmbiguousCustomer(ValueError):
    """Several accounts of the merchant know a customer of this id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionAccess:
    """What one subscription gives. Of one that only its cases name there is no mirror."""

    account_id: str
    subscription_id: str
    subscription: Subscription | None
    cases: tuple[Case, ...]
    access: Access


async def of_customer(
    world: World, merchant_id: str, customer_id: str, *, account_id: str | None = None
) -> list[SubscriptionAccess]:
    """What each subscription of a customer gives now; empty where we know of none.

    One question to the database; others where a case keeps a policy version that is no longer
    published, or collection is paused. Raises `AmbiguousCustomer` where no account is named and
    several know the id.
    """
    where = {"merchant_id": merchant_id, "customer_id": customer_id}
    if account_id is not None:
        where["account_id"] = account_id
    async with world.store.transaction(merchant_id) as tx:
        subscriptions, cases, published = await tx.ask(
            Ask(Subscription, where=where), Ask(Case, where=where), ask_for_policies([merchant_id])
        )
        if len({row.account_id for row in [*subscriptions, *cases]}) > 1:
            raise AmbiguousCustomer(customer_id)
        policies = await _policies(tx, world, merchant_id, cases, published)
        now = world.clock.now()
        rests = await _rests(tx, subscriptions, now)
    return _judged(subscriptions, cases, policies, rests, now)


async def record(world: World, action: Action) -> None:
    """Look what a subscription gives, and where that has changed since the merchant was told,
    write it down and tell: row, line of the timeline and outgoing event in one transaction.

    Safe to repeat and to be late: it looks at the facts of now. Plans the next look.
    """
    key = (action.account_id, action.subject)
    about = {"account_id": action.account_id, "subscription_id": action.subject}
    async with world.store.transaction(action.merchant_id) as tx:
        await tx.lock(action.account_id, [_customer(action) or action.subject])
        actions, states, subscriptions, cases, published = await tx.ask(
            Ask(Action, keys=[(action.action_id,)]),
            Ask(AccessState, keys=[key]),
            Ask(Subscription, keys=[key]),
            Ask(Case, where=about),
            ask_for_policies([action.merchant_id]),
        )
        if still_claimed(actions, action) is None:
            return
        policies = await _policies(tx, world, action.merchant_id, cases, published)
        now = world.clock.now()
        book = Book()
        for rows in (actions, states, subscriptions, cases):
            book.know(rows)
        book.put(changed(actions[0], state=ActionState.DONE, leased_until=None))
        rests = await _rests(tx, subscriptions, now)
        for seen in _judged(subscriptions, cases, policies, rests, now):
            _keep(book, action, seen, now)
        await write(tx, book, at=now)


def _customer(action: Action) -> str | None:
    return (action.data or {}).get("customer")


def _judged(
    subscriptions: Iterable[Subscription],
    cases: Sequence[Case],
    policies: Mapping[str, AccessPolicy],
    rests: Mapping[Key, datetime | None],
    now: datetime,
) -> list[SubscriptionAccess]:
    """What each subscription gives that a row names, in the order of their ids."""
    known = {(row.account_id, row.subscription_id): row for row in subscriptions}
    by_key: dict[tuple[str, str], list[Case]] = {key: [] for key in known}
    for case in cases:
        if case.subscription_id is not None:
            by_key.setdefault((case.account_id, case.subscription_id), []).append(case)
    return [
        SubscriptionAccess(
            account_id=account,
            subscription_id=subscription,
            subscription=known.get((account, subscription)),
            cases=tuple(mine),
            access=access_of(
                known.get((account, subscription)),
                [(case, policies[case.policy]) for case in mine],
                now=now,
                rests_from=rests.get((account, subscription)),
            ),
        )
        for (account, subscription), mine in sorted(by_key.items())
    ]


async def _rests(
    tx: Transaction, subscriptions: Iterable[Subscription], now: datetime
) -> dict[Key, datetime | None]:
    """Since when those rest whose collection an accepted offer paused."""
    found: dict[Key, datetime | None] = {}
    for one in subscriptions:
        if one.collection_paused:
            key = (one.account_id, one.subscription_id)
            about = {"account_id": key[0], "subscription_id": key[1], "kind": PauseOffer.kind}
            pauses = await tx.find(Redemption, where=about, order=("-claimed_at",))
            found[key] = rests_from(pauses, now)
    return found


async def _policies(
    tx: Transaction,
    world: World,
    merchant: str,
    cases: Iterable[Case],
    published: Sequence[PolicyVersion],
) -> dict[str, AccessPolicy]:
    """The access section of each policy that these cases keep, by label. One that was never
    stored is the deployment's own."""
    own, shelf = shelf_from(world.policy, merchant, published)
    kept = dict(shelf.kept)
    labels = {case.policy for case in cases}
    missing = {case.policy for case in cases if case.state in MAY_COUNT} - set(kept)
    if missing:
        keys = [(merchant, *key_of_label(label)) for label in sorted(missing)]
        kept |= {row.label: policy_of(row) for row in await tx.load(PolicyVersion, keys)}
    return {label: kept.get(label, own).access for label in labels}


def _keep(book: Book, action: Action, seen: SubscriptionAccess, now: datetime) -> None:
    access = seen.access
    before = book.get(AccessState, seen.account_id, seen.subscription_id)
    if (before.level if before else Level.FULL) is not access.level:
        book.put(_state(action, seen, now))
        _note(book, seen, before, now)
    elif before is not None and before.until != access.until:
        book.put(changed(before, until=access.until))
    if access.until is not None:
        row: Any = seen.subscription or seen.cases[0]
        then = access_action(row, access.until, nth=f"{access.then}:{access.until.isoformat()}")
        if then is not None:
            book.add(then)


def _state(action: Action, seen: SubscriptionAccess, now: datetime) -> AccessState:
    return AccessState(
        merchant_id=action.merchant_id,
        account_id=seen.account_id,
        subscription_id=seen.subscription_id,
        customer_id=_customer(action),
        case_id=seen.access.case_id,
        level=seen.access.level,
        until=seen.access.until,
        reason=seen.access.reason,
        changed_at=now,
    )


def _note(book: Book, seen: SubscriptionAccess, before: AccessState | None, now: datetime) -> None:
    """A line for the case that decides, else for the one that decided last."""
    case_id = seen.access.case_id or (before and before.case_id)
    case = next((case for case in seen.cases if case.case_id == case_id), None)
    if case is not None:
        level, reason = seen.access.level, seen.access.reason
        note(book, case, now, "access", f"access is {level} now: {reason}", {"level": level})
