"""Nobody leaves on other terms than those they saw: what has changed meanwhile is told anew."""

import pytest

from app.domain.cancellations import CancelRequest
from tests.stories.cards import APPROVES
from tests.stories.leaving import Door, Json, Leaver
from tests.stories.stage import PRICE
from tests.stories.test_leaving_pages import heading, hidden, seen

pytestmark = pytest.mark.anyio
ANEW = "Something has changed since you looked."


@pytest.fixture
async def door(door: Door) -> Door:
    door.client.follow_redirects = True
    return door


async def on_the_last_day(door: Door) -> Leaver:
    """Somebody with a page open an hour before their period ends."""
    person = await door.stage.subscriber(APPROVES)
    await door.stage.passes(days=29, hours=23)
    return await door.opens(person)


async def word(leaver: Leaver, end: Json) -> int:
    body = {"choice": end["choice"], "told": end["told"]}
    answer = await leaver.asks("confirm", body, **{"Idempotency-Key": "k1"})
    return answer.status_code


async def test_a_word_about_the_period_that_was_shown_buys_no_other(door: Door) -> None:
    # given somebody who was told that nothing more is charged
    leaver = await on_the_last_day(door)
    (end,) = await leaver.outlook()

    # when they say the word after the next period has begun
    await door.stage.passes(hours=1.5)
    first = await word(leaver, end)
    asked = await door.stage.find(CancelRequest)
    now, _ = await leaver.outlook()
    second = await word(leaver, now)

    # then it is told anew, and what they then choose holds
    assert (end["owed_minor"], now["forgiven_minor"]) == (0, PRICE)
    assert (first, asked, second) == (409, [], 200)


async def test_what_was_paid_between_look_and_word_is_not_promised_away(door: Door) -> None:
    leaver = await on_the_last_day(door)
    await door.stage.passes(hours=1.5)
    forgiven, _ = await leaver.outlook()

    await door.stage.passes(hours=12)
    refused = await word(leaver, forgiven)
    (later,) = await leaver.outlook()

    assert (forgiven["choice"], refused, later["choice"]) == ("now", 409, "period_end")
    assert await word(leaver, later) == 200


async def test_reading_for_an_hour_changes_nothing(door: Door) -> None:
    leaver = await door.opens(await door.stage.subscriber(APPROVES))
    (end,) = await leaver.outlook()

    await door.stage.passes(hours=1)

    assert await word(leaver, end) == 200


async def test_the_page_shows_it_anew_and_says_why(door: Door) -> None:
    leaver = await on_the_last_day(door)
    here = leaver.seen["page"].removeprefix(door.stage.world.public_url)
    before = await door.client.get(f"{here}/leave")

    await door.stage.passes(hours=1.5)
    told = await door.client.post(f"{here}/confirm", data=hidden(before))
    done = await door.client.post(f"{here}/confirm", data=hidden(told))

    assert ANEW not in seen(before)
    assert heading(told) == "Cancel your subscription"
    assert ANEW in seen(told)
    assert heading(done) == "Your subscription is cancelled"


@pytest.mark.parametrize("told", ["x", "0" * 16, "../../etc", "<script>"])
async def test_a_mark_that_was_never_given_is_shown_the_end_anew(door: Door, told: str) -> None:
    leaver = await door.opens(await door.stage.subscriber(APPROVES))
    here = leaver.seen["page"].removeprefix(door.stage.world.public_url)

    page = await door.client.post(f"{here}/confirm", data={"told": told})

    assert ANEW in seen(page)
    assert await door.stage.find(CancelRequest) == []
