"""A merchant's policies: what new cases are given, and what the cases at hand keep."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from app.domain.choosing import Shelf
from app.domain.dunning import Case
from app.domain.policies import DEPLOYMENT, Policy, PolicyState, PolicyVersion
from app.domain.policy_documents import document_of, policy_of
from app.domain.terms import Terms
from app.ports.store import Ask, Conflict, Transaction
from app.ports.world import World


def ask_for_policies(merchants: Collection[str]) -> Ask:
    """What `shelf_from` needs to be told."""
    where = {"merchant_id": sorted(merchants), "state": PolicyState.PUBLISHED}
    return Ask(PolicyVersion, where=where)


def shelf_from(
    file: Policy, merchant: str, published: Iterable[PolicyVersion]
) -> tuple[Policy, Shelf]:
    """The policy that applies where no other does, and the merchant's shelf.

    That policy is the merchant's own published version of the deployment's name, else the policy
    file: under the version it was kept as, or as it is where no case has begun under it.
    """
    mine = [row for row in published if row.merchant_id == merchant]
    kept = {row.label: policy_of(row) for row in mine}
    chosen = tuple(kept[row.label] for row in mine if row.published_by != DEPLOYMENT)
    return _in_force(mine, file) or file, Shelf(published=chosen, kept=kept)


async def shelf_of(tx: Transaction, world: World, merchant: str) -> tuple[Policy, Shelf]:
    """The same for one merchant, the policy file under the version it has or would have."""
    (rows,) = await tx.ask(ask_for_policies([merchant]))
    own, shelf = shelf_from(world.policy, merchant, rows)
    return await _numbered(tx, own, merchant, shelf), shelf


def _in_force(published: Iterable[PolicyVersion], file: Policy) -> Policy | None:
    own = [row for row in published if row.name == file.name]
    for row in own:
        if row.published_by != DEPLOYMENT:
            return policy_of(row)
    return _same(own, file)


def _same(rows: Iterable[PolicyVersion], file: Policy) -> Policy | None:
    """The version that says what the file says, if the file was kept before."""
    made = (policy_of(row) for row in rows if row.made_by == DEPLOYMENT)
    return next((policy for policy in made if policy.means_the_same(file)), None)


async def _numbered(tx: Transaction, own: Policy, merchant: str, shelf: Shelf) -> Policy:
    """A policy file not kept yet, as a version of the merchant's: the next, or a former one that
    said the same. While two releases with different files run side by side each finds its own
    version again; neither undoes the other's.
    """
    if own.label in shelf.kept and shelf.kept[own.label].means_the_same(own):
        return own
    rows = await tx.find(PolicyVersion, where={"merchant_id": merchant, "name": own.name})
    latest = max((row.version for row in rows), default=own.version - 1)
    return _same(rows, own) or replace(own, version=latest + 1)


async def keep_file(tx: Transaction, terms: Terms, labels: Collection[str]) -> None:
    """Store the policy file as a version of the merchant's if it is among these labels and was
    not yet: cases keep it when the file changes. The file's former version is retired.

    Raises `Conflict` if another file was kept at this very moment.
    """
    policy, now = terms.policy, terms.now
    if policy.label not in labels or policy.label in terms.shelf.kept:
        return
    merchant = terms.merchant.merchant_id
    row = PolicyVersion(
        merchant_id=merchant,
        name=policy.name,
        version=policy.version,
        document=document_of(policy),
        state=PolicyState.PUBLISHED,
        made_at=now,
        made_by=DEPLOYMENT,
        published_at=now,
        published_by=DEPLOYMENT,
    )
    if not await tx.insert([row]):
        if not await _is_there(tx, row):
            raise Conflict(f"another policy was kept as {row.label} meanwhile")
        return
    where = {"merchant_id": merchant, "name": row.name, "state": PolicyState.PUBLISHED}
    await tx.save(
        [
            replace(old, state=PolicyState.RETIRED, retired_at=now)
            for old in await tx.find(PolicyVersion, where=where)
            if old.published_by == DEPLOYMENT and old.version != row.version
        ]
    )


async def _is_there(tx: Transaction, row: PolicyVersion) -> bool:
    found = await tx.load(PolicyVersion, [(row.merchant_id, row.name, row.version)])
    return any(policy_of(known).means_the_same(policy_of(row)) for known in found)


async def opening(tx: Transaction, terms: Terms, cases: Iterable[Case]) -> Terms:
    """`keeping`, where cases may begin: the policy file has its version among the merchant's."""
    own = await _numbered(tx, terms.policy, terms.merchant.merchant_id, terms.shelf)
    return await keeping(tx, replace(terms, policy=own), cases)


async def keeping(tx: Transaction, terms: Terms, cases: Iterable[Case]) -> Terms:
    """The terms with the versions that these cases keep on the shelf as well."""
    labels = {case.policy for case in cases} - set(terms.shelf.kept)
    if not labels:
        return terms
    merchant = terms.merchant.merchant_id
    rows = await tx.load(PolicyVersion, [(merchant, *key_of_label(label)) for label in labels])
    kept = {**terms.shelf.kept, **{row.label: policy_of(row) for row in rows}}
    return replace(terms, shelf=replace(terms.shelf, kept=kept))


def key_of_label(label: str) -> tuple[str, int]:
    """Name and version of a label such as `default@1`; version 0 where it has none."""
    name, _, version = label.rpartition("@")
    return (name, int(version)) if version.isdecimal() else (label, 0)
