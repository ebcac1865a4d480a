"""What comparisons of the ledger with the provider found, for those who ask."""

from collections.abc import Sequence
from datetime import datetime

from app.domain.comparing import ComparedLine, Comparison, LineKind, LineState
from app.domain.merchants import ProviderAccount
from app.ports.world import World


class UnknownComparison(LookupError):
    """The merchant has no such comparison, or no such account."""


async def find(
    world: World, merchant_id: str, *, after: tuple[datetime, str] | None, limit: int
) -> list[Comparison]:
    """The latest first, those behind `after` (began, id)."""
    async with world.store.transaction(merchant_id) as tx:
        return await tx.find(
            Comparison,
            where={"merchant_id": merchant_id},
            order=("-began_at", "-comparison_id"),
            after=after,
            limit=limit,
        )


async def show(world: World, merchant_id: str, comparison_id: str) -> Comparison:
    """One comparison as far as it has come. Raises `UnknownComparison`."""
    async with world.store.transaction(merchant_id) as tx:
        found = await tx.load(Comparison, [(comparison_id,)])
    if not found:
        raise UnknownComparison(comparison_id)
    return found[0]


async def lines(
    world: World,
    merchant_id: str,
    comparison_id: str,
    *,
    states: Sequence[LineState],
    after: tuple[LineKind, str] | None,
    limit: int,
) -> list[ComparedLine]:
    """A page of its lines in these states, in order of (kind, ref). Raises
    `UnknownComparison`."""
    await show(world, merchant_id, comparison_id)
    async with world.store.transaction(merchant_id) as tx:
        return await tx.find(
            ComparedLine,
            where={"comparison_id": comparison_id, "state": list(states)},
            order=("kind", "ref"),
            after=after,
            limit=limit,
        )


async def account_of(world: World, merchant_id: str, account_id: str) -> ProviderAccount:
    """The merchant's account of this id. Raises `UnknownComparison` for another's."""
    async with world.store.transaction(merchant_id) as tx:
        found = await tx.load(ProviderAccount, [(account_id,)])
    if not found:
        raise UnknownComparison(account_id)
    return found[0]
