"""Whom a policy version would touch, and moving cases to it. Publishing moves nobody."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from app.domain.choosing import choose, failing
from app.domain.dunning import Case, CaseState, IllegalMove
from app.domain.mirror import Customer, Subscription
from app.domain.moving import move_case
from app.domain.policies import Policy, PolicyState, PolicyVersion
from app.domain.policy_documents import policy_of
from app.ports.store import Transaction
from app.ports.world import World
from app.services.audit import audit
from app.services.books import account_terms, load_case, write
from app.services.cases import UnknownCase
from app.services.policies import PolicyRefused, UnknownPolicy, show_policy
from app.services.shelves import keep_file, key_of_label, opening, shelf_of

SCANNED = 2_000  # cases looked at for one page, at most
Position = tuple[datetime, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """A page of the active cases that a version would be given if they failed today.

    `scanned` is how many active cases were looked at, `next` where to go on, None at the end.
    """

    cases: tuple[Case, ...]
    scanned: int
    next: Position | None


async def touched(
    world: World,
    merchant_id: str,
    policy: Policy,
    *,
    after: Position | None = None,
    limit: int = 50,
) -> Touched:
    """Whose case this policy would be chosen for if it were published now, and has another; the
    latest opened first. Changes nothing."""
    async with world.store.transaction(merchant_id) as tx:
        own, shelf = await shelf_of(tx, world, merchant_id)
        published = [known for known in shelf.published if known.name != policy.name]
        otherwise = policy if policy.name == own.name else own
        published.append(policy)
        rows = await tx.find(
            Case,
            where={"merchant_id": merchant_id, "state": CaseState.ACTIVE},
            order=("-opened_at", "-case_id"),
            after=after,
            limit=SCANNED + 1,
        )
        facts = await _people_of(tx, rows[:SCANNED])
    found: list[Case] = []
    scanned = 0
    for case in rows[:SCANNED]:
        if len(found) == limit:
            break
        scanned += 1
        subscription, customer = facts(case)
        chosen = choose(published, failing(case, subscription, customer), otherwise=otherwise)
        if chosen is policy and case.policy != policy.label:
            found.append(case)
    last = rows[scanned - 1] if scanned and scanned < len(rows) else None
    return Touched(
        cases=tuple(found),
        scanned=scanned,
        next=(last.opened_at, last.case_id) if last else None,
    )


Facts = Callable[[Case], tuple[Subscription | None, Customer | None]]


async def _people_of(tx: Transaction, cases: list[Case]) -> Facts:
    """Subscription and customer of each case, loaded at once."""
    subscriptions = {(c.account_id, c.subscription_id) for c in cases if c.subscription_id}
    customers = {(c.account_id, c.customer_id) for c in cases if c.customer_id}
    of_subscription = {
        (row.account_id, row.subscription_id): row
        for row in await tx.load(Subscription, sorted(subscriptions))
    }
    of_customer = {
        (row.account_id, row.customer_id): row for row in await tx.load(Customer, sorted(customers))
    }

    def facts(case: Case) -> tuple[Subscription | None, Customer | None]:
        return (
            of_subscription.get((case.account_id, case.subscription_id or "")),
            of_customer.get((case.account_id, case.customer_id or "")),
        )

    return facts


async def move(world: World, merchant_id: str, case_id: str, label: str, *, actor: str) -> Case:
    """Let one case go on under a version that was published. Repeated it does nothing more.

    Raises `UnknownCase`, `UnknownPolicy`, `PolicyRefused` for a draft, and `IllegalMove`.
    """
    async with world.store.transaction(merchant_id) as tx:
        book, case, _ = await load_case(tx, case_id)
        if case is None or case.merchant_id != merchant_id:
            raise UnknownCase(case_id)
        terms = await account_terms(tx, world, merchant_id, case.account_id)
        terms = await opening(tx, terms, [case])
        await keep_file(tx, terms, [label])
        moved = move_case(book, case, await _published(tx, merchant_id, label), terms)
        if moved is not case:
            await write(tx, book, at=terms.now)
            subject = case.case_id
            line = audit(
                actor=actor,
                action="case.policy_moved",
                subject=subject,
                at=terms.now,
                before=case,
                after=moved,
            )
            await tx.insert([line])
    return moved


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What a bulk move did: the cases moved, those refused with the reason, where to go on."""

    policy: str
    moved: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    next: Position | None


async def move_touched(
    world: World,
    merchant_id: str,
    name: str,
    *,
    actor: str,
    after: Position | None = None,
    limit: int = 50,
) -> Moved:
    """Move the cases that the version in force touches, a page at a time and each by itself.

    Safe to repeat from the start: a case that was moved is touched no more. Raises
    `UnknownPolicy`, and `PolicyRefused` for a policy of which nothing is in force.
    """
    policy = await _in_force(world, merchant_id, name)
    page = await touched(world, merchant_id, policy, after=after, limit=limit)
    moved, refused = [], []
    for case in page.cases:
        try:
            await move(world, merchant_id, case.case_id, policy.label, actor=actor)
            moved.append(case.case_id)
        except IllegalMove as why:
            refused.append((case.case_id, str(why)))
    return Moved(policy=policy.label, moved=tuple(moved), refused=tuple(refused), next=page.next)


async def _in_force(world: World, merchant_id: str, name: str) -> Policy:
    file = await show_policy(world, merchant_id, name)
    if file.in_force is None:
        raise PolicyRefused(f"no version of `{name}` is in force")
    return policy_of(file.version(file.in_force))


async def _published(tx: Transaction, merchant_id: str, label: str) -> Policy:
    rows = await tx.load(PolicyVersion, [(merchant_id, *key_of_label(label))])
    if not rows:
        raise UnknownPolicy(label)
    if rows[0].state is PolicyState.DRAFT:
        raise PolicyRefused("a draft is published before cases are moved to it")
    return policy_of(rows[0])
