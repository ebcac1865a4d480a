"""Whatever is clicked, in whatever order, however often: one redemption, and the money as told."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.domain.redemptions import AT_WORK, RedemptionState
from app.services.redemptions import OfferRefused
from tests.offers.stage import THIRTY_OFF, Leaving
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio
OFFERS: dict[str, dict[str, Any]] = {
    "off": THIRTY_OFF,
    "five": {"id": "five", "kind": "credit", "amount_minor": {"usd": 500}},
    "rest": {"id": "rest", "kind": "pause"},
}
CLICKS = st.lists(
    st.tuples(
        st.sampled_from(["see", "claim", "accept", "carry on", "lose", "wait"]),
        st.sampled_from(sorted(OFFERS)),
        st.sampled_from(["cxs_1", "cxs_1", "cxs_2"]),
    ),
    min_size=4,
    max_size=7,
)


async def click(leaving: Leaving, deed: str, offer: str, session: str) -> None:
    """One click; what the rules refuse is refused."""
    document = OFFERS[offer]
    deeds: dict[str, Callable[[], Awaitable[object]]] = {
        "see": lambda: leaving.sees(document),
        "claim": lambda: leaving.claims(document, session=session),
        "accept": lambda: leaving.accepts(document, session=session),
        "carry on": lambda: carried_on(leaving),
        "wait": lambda: leaving.stage.passes(hours=1),
    }
    if deed == "lose":
        leaving.loses_the_answers()
    else:
        with suppress(OfferRefused):
            await deeds[deed]()


async def carried_on(leaving: Leaving) -> None:
    for redemption in await leaving.redeemed():
        await leaving.carries_on(redemption)


# Each example is a month of stories: few of them, the same each time, and none made smaller.
@settings(
    max_examples=6,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(ends=st.booleans(), clicks=CLICKS)
async def test_any_clicks_give_at_most_one_redemption(
    stage: Stage, ends: bool, clicks: list[tuple[str, str, str]]
) -> None:
    leaving = Leaving(stage, await stage.subscriber({}))
    if ends:
        leaving.plans_to_leave()
    for deed, offer, session in clicks:
        await click(leaving, deed, offer, session)
    stage.mended()

    await stage.passes(hours=3)

    mine = [row for row in await leaving.redeemed() if row.customer_id == leaving.person.customer]
    standing = await leaving.stands()
    given_away = len(leaving.discounts()) + len(leaving.credits()) + (standing.status == "paused")
    assert len(mine) <= 1
    assert not [row for row in mine if row.state in AT_WORK]
    assert given_away == len([row for row in mine if row.state is RedemptionState.APPLIED])
    assert standing.ends == (ends and not mine)
