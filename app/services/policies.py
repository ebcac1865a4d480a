"""A merchant's policies: drafts, publishing, going back. Each change with its audit line."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.domain.choosing import applies_to_any
from app.domain.documents import Fault
from app.domain.policies import DEPLOYMENT, Policy, PolicyState, PolicyVersion
from app.domain.policy_documents import InvalidPolicy, document_of, policy_from, policy_of
from app.ports.store import Transaction
from app.ports.world import World
from app.services.audit import audit
from app.services.shelves import shelf_of

AT_MOST_NAMES = 50
AT_MOST_VERSIONS = 500  # of one name
LOCK = "policies"


class UnknownPolicy(LookupError):
    """The merchant has no such policy, or no such version of it."""


class PolicyRefused(ValueError):
    """The policy's state does not allow this; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """A policy: its versions, the newest first, and which of them new cases are given."""

    name: str
    versions: tuple[PolicyVersion, ...]
    in_force: int | None

    @property
    def newest(self) -> PolicyVersion:
        """The version made last."""
        return self.versions[0]

    def version(self, number: int | None) -> PolicyVersion:
        """The version of this number, the newest where none is given. Raises `UnknownPolicy`."""
        for row in self.versions:
            if number in (None, row.version):
                return row
        raise UnknownPolicy(f"{self.name}@{number}")


async def list_policies(world: World, merchant_id: str) -> list[PolicyFile]:
    """A merchant's policies by name. The deployment's own is among them, used or not."""
    async with world.store.transaction(merchant_id) as tx:
        rows = await tx.find(PolicyVersion, where={"merchant_id": merchant_id})
        own, _ = await shelf_of(tx, world, merchant_id)
    rows = [*rows, *_not_kept(rows, merchant_id, own)]
    names = sorted({row.name for row in rows})
    return [_file(name, [row for row in rows if row.name == name], own) for name in names]


async def show_policy(world: World, merchant_id: str, name: str) -> PolicyFile:
    """One policy with all its versions. Raises `UnknownPolicy`."""
    async with world.store.transaction(merchant_id) as tx:
        return await _opened(tx, world, merchant_id, name)


async def put_policy(
    world: World,
    merchant_id: str,
    name: str,
    document: Any,
    *,
    read_version: int | None,
    actor: str,
) -> PolicyVersion:
    """Make a new draft version of a policy; what was there stays as it is.

    `read_version` is the newest version the caller has read, None for a new name. Safe to
    repeat: a document that says what the newest version says makes none.
    Raises `InvalidPolicy`, and `PolicyRefused` when somebody made another version meanwhile.
    """
    policy = policy_of_name(name, document, world.policy)
    now = world.clock.now()
    async with world.store.transaction(merchant_id) as tx:
        await tx.lock(merchant_id, [LOCK])
        rows = await _stored(tx, world, merchant_id, name)
        newest = max(rows, key=lambda row: row.version, default=None)
        if newest is not None and policy_of(newest).means_the_same(policy):
            return newest
        await _may_be_made(tx, merchant_id, rows, newest, read_version)
        row = PolicyVersion(
            merchant_id=merchant_id,
            name=name,
            version=newest.version + 1 if newest else 1,
            document=document_of(policy),
            made_at=now,
            made_by=actor,
        )
        await tx.insert([row, _line("policy.drafted", row, None, now, actor)])
    return row


def policy_of_name(name: str, document: Any, file: Policy) -> Policy:
    """The policy of a document under a name, not a version yet. Raises `InvalidPolicy`."""
    if isinstance(document, dict):
        if document.get("name", name) != name:
            raise InvalidPolicy(Fault("name", "is not the name of the path; leave it out"))
        document = {**document, "name": name}
    policy = policy_from(document, version=0)
    if name == file.name and not applies_to_any(policy.applies_to):
        raise InvalidPolicy(
            Fault("applies_to", f"`{name}` is for all that no other policy is for: leave it out")
        )
    return policy


async def publish(
    world: World, merchant_id: str, name: str, version: int, *, actor: str
) -> PolicyVersion:
    """Give new cases this draft from now on; the version before it is retired. Repeated it does
    nothing more. Raises `UnknownPolicy`, and `PolicyRefused` for a version that was retired."""
    return await _in_force(world, merchant_id, name, version, PolicyState.DRAFT, actor)


async def roll_back(
    world: World, merchant_id: str, name: str, version: int, *, actor: str
) -> PolicyVersion:
    """Give new cases a retired version again. Repeated it does nothing more. Raises
    `UnknownPolicy`, and `PolicyRefused` for a draft."""
    return await _in_force(world, merchant_id, name, version, PolicyState.RETIRED, actor)


async def retire(world: World, merchant_id: str, name: str, *, actor: str) -> PolicyVersion:
    """Give no new case this policy any more; cases in flight keep it. Repeated it does nothing
    more. Raises `UnknownPolicy`, and `PolicyRefused` for the one that all others rest on."""
    if name == world.policy.name:
        raise PolicyRefused(f"`{name}` is for all that no other policy is for")
    now = world.clock.now()
    async with world.store.transaction(merchant_id) as tx:
        await tx.lock(merchant_id, [LOCK])
        file = await _opened(tx, world, merchant_id, name)
        if file.in_force is None:
            return file.newest
        return await _retired(tx, file.version(file.in_force), now, actor)


async def _in_force(
    world: World, merchant_id: str, name: str, version: int, state: PolicyState, actor: str
) -> PolicyVersion:
    now = world.clock.now()
    async with world.store.transaction(merchant_id) as tx:
        await tx.lock(merchant_id, [LOCK])
        rows = await _stored(tx, world, merchant_id, name)
        row = _file(name, rows, world.policy).version(version) if rows else None
        if row is None:
            raise UnknownPolicy(name)
        pinned = row.state is PolicyState.PUBLISHED and row.published_by != DEPLOYMENT
        if pinned:
            return row
        if row.state not in {state, PolicyState.PUBLISHED}:
            raise PolicyRefused(WRONG_STATE[row.state])
        for other in rows:
            if other.state is PolicyState.PUBLISHED and other.version != version:
                await _retired(tx, other, now, actor)
        after = replace(
            row,
            state=PolicyState.PUBLISHED,
            published_at=now,
            published_by=actor,
            retired_at=None,
        )
        await tx.save([after])
        done = "policy.published" if state is PolicyState.DRAFT else "policy.rolled_back"
        await tx.insert([_line(done, after, row, now, actor)])
    return after


WRONG_STATE = {
    PolicyState.DRAFT: "a draft was never in force: publish it",
    PolicyState.RETIRED: "a retired version comes back by a roll-back",
}


async def _retired(tx: Transaction, row: PolicyVersion, now: datetime, actor: str) -> PolicyVersion:
    after = replace(row, state=PolicyState.RETIRED, retired_at=now)
    await tx.save([after])
    await tx.insert([_line("policy.retired", after, row, now, actor)])
    return after


def _line(
    action: str, row: PolicyVersion, before: PolicyVersion | None, now: datetime, actor: str
) -> Any:
    return audit(actor=actor, action=action, subject=row.label, at=now, after=row, before=before)


async def _may_be_made(
    tx: Transaction,
    merchant_id: str,
    rows: list[PolicyVersion],
    newest: PolicyVersion | None,
    read_version: int | None,
) -> None:
    if newest is None:
        if read_version is not None:
            raise PolicyRefused("there is no such policy yet")
        known = await tx.find(PolicyVersion, where={"merchant_id": merchant_id})
        if len({row.name for row in known}) >= AT_MOST_NAMES:
            raise PolicyRefused(f"a merchant has at most {AT_MOST_NAMES} policies")
    elif read_version != newest.version:
        raise PolicyRefused(f"the newest version is {newest.version}: read it and name it")
    if len(rows) >= AT_MOST_VERSIONS:
        raise PolicyRefused(f"a policy has at most {AT_MOST_VERSIONS} versions")


async def _stored(
    tx: Transaction, world: World, merchant_id: str, name: str
) -> list[PolicyVersion]:
    """The versions of a name. The policy file is stored first where the name is its own, so that
    there is always a version to go back to."""
    where = {"merchant_id": merchant_id, "name": name}
    rows = await tx.find(PolicyVersion, where=where)
    if name != world.policy.name:
        return rows
    own, _ = await shelf_of(tx, world, merchant_id)
    missing = [
        replace(row, made_at=world.clock.now(), published_at=world.clock.now())
        for row in _not_kept(rows, merchant_id, own)
    ]
    await tx.insert(missing)
    return [*rows, *missing]


async def _opened(tx: Transaction, world: World, merchant_id: str, name: str) -> PolicyFile:
    where = {"merchant_id": merchant_id, "name": name}
    rows = await tx.find(PolicyVersion, where=where)
    own, _ = await shelf_of(tx, world, merchant_id)
    if name == own.name:
        rows = [*rows, *_not_kept(rows, merchant_id, own)]
    if not rows:
        raise UnknownPolicy(name)
    return _file(name, rows, own)


def _not_kept(
    rows: Iterable[PolicyVersion], merchant_id: str, own: Policy
) -> Iterator[PolicyVersion]:
    """The policy file as it would be kept, where no case has begun under it yet."""
    if own.label not in {row.label for row in rows}:
        yield PolicyVersion(
            merchant_id=merchant_id,
            name=own.name,
            version=own.version,
            document=document_of(own),
            state=PolicyState.PUBLISHED,
            made_by=DEPLOYMENT,
            published_by=DEPLOYMENT,
        )


def _file(name: str, rows: Iterable[PolicyVersion], own: Policy) -> PolicyFile:
    versions = tuple(sorted(rows, key=lambda row: -row.version))
    published = [row for row in versions if row.state is PolicyState.PUBLISHED]
    pinned = [row.version for row in published if row.published_by != DEPLOYMENT]
    file = [own.version] if name == own.name else []
    return PolicyFile(name=name, versions=versions, in_force=next(iter([*pinned, *file]), None))
