"""What a policy would do about a failure. Looks, and changes nothing."""

from dataclasses import dataclass

from app.domain.choosing import Failing, choose
from app.domain.merchants import CollectionMode, Merchant
from app.domain.policies import Policy
from app.domain.preview import Line
from app.domain.preview import preview as played
from app.domain.preview_cast import Assumed
from app.ports.world import World
from app.services.shelves import shelf_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """`applies`: whether the failure would get this policy, were it published now."""

    applies: bool
    timeline: tuple[Line, ...]


async def preview(
    world: World, merchant_id: str, policy: Policy, failure: Assumed, *, mode: CollectionMode
) -> Preview:
    """The timeline of a failure under a policy, stored or not."""
    async with world.store.transaction(merchant_id) as tx:
        (merchant,) = await tx.load(Merchant, [(merchant_id,)])
        own, shelf = await shelf_of(tx, world, merchant_id)
    published = [known for known in shelf.published if known.name != policy.name]
    chosen = choose([*published, policy], _facts(failure), otherwise=own)
    return Preview(
        applies=chosen is policy, timeline=played(policy, failure, merchant=merchant, mode=mode)
    )


def _facts(failure: Assumed) -> Failing:
    return Failing(
        plans=frozenset({failure.plan} if failure.plan else ()),
        interval=failure.interval,
        currency=failure.currency,
        amount_minor=failure.amount_minor,
        trial_conversion=failure.trial_conversion,
        segment=failure.segment,
    )
