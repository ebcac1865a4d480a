"""After somebody left: who is written to, when, and to whom never."""

from datetime import timedelta

import pytest

from app.domain.actions import ActionKind
from app.domain.afterwards import AfterLetter, ExitFeedback
from app.domain.cancellations import CancelRequest, RequestState
from app.domain.correspondence import Suppression
from app.domain.messages import PaymentLink
from app.services import actions, after_settings, suppressions
from tests.stories.cards import APPROVES, REFUSED
from tests.stories.leaving import Door
from tests.stories.parting import (
    BERLIN,
    RETURN,
    Place,
    agrees,
    leaves,
    link,
    notes,
    planned,
    says_why,
    sent,
    switched,
)

pytestmark = pytest.mark.anyio


async def test_one_question_is_asked_a_day_later_and_the_answer_is_kept(door: Door) -> None:
    # given a merchant who asks, and somebody who agreed to be asked and leaves
    stage = door.stage
    await switched(stage, AfterLetter.EXIT_FEEDBACK)
    person = await leaves(door, "too_expensive")
    await stage.passes(days=2)

    # when they follow the letter's link and answer
    token = await link(stage, AfterLetter.EXIT_FEEDBACK, "q")
    asked = await door.client.get(f"/q/{token}")
    looked = await stage.find(ExitFeedback)
    told = await door.client.post(f"/q/{token}", data={"words": "Dear. 4242 4242 4242 4242"})

    # then the answer is kept, without the card's number, and forgotten a year later
    (kept,) = await stage.find(ExitFeedback)
    assert looked == []
    assert await sent(stage) == ["exit_feedback"]
    assert (kept.customer_id, kept.words) == (person.customer, "Dear. ••••")
    assert "<textarea" in asked.text
    assert "Your answer has reached Kelp." in told.text
    await stage.passes(days=366)
    (forgotten,) = await stage.find(ExitFeedback)
    assert (forgotten.words, forgotten.forgotten_at is None) == (None, False)


async def test_all_is_off_until_the_merchant_switches_it_on(door: Door) -> None:
    await leaves(door, "too_expensive")
    await door.stage.passes(days=100)

    assert await sent(door.stage) == []
    assert await planned(door.stage) == []


async def test_nobody_who_left_before_the_switch_is_written_to(door: Door) -> None:
    await leaves(door, "too_expensive")
    await door.stage.passes(hours=0.5)
    await switched(door.stage, *AfterLetter)
    await door.stage.passes(days=100)
    await after_settings.mend(
        door.stage.world,
        door.stage.merchant.merchant_id,
        "too_expensive",
        {"en": "It costs less."},
        actor="test",
    )
    await door.stage.passes(days=3)

    assert await sent(door.stage) == []


async def test_without_permission_nobody_is_written_to(door: Door) -> None:
    stage = door.stage
    await switched(stage, *AfterLetter)
    person = await stage.subscriber(APPROVES, **BERLIN)
    await says_why(door, person, "too_expensive")
    await stage.passes(days=100)

    assert await sent(stage) == []
    assert await notes(stage, AfterLetter.WIN_BACK) == ["they did not agree to such letters"]


async def test_a_permission_withdrawn_at_the_last_minute_holds(door: Door) -> None:
    # given a letter that is due, claimed, and about to leave
    stage = door.stage
    await switched(stage, AfterLetter.EXIT_FEEDBACK)
    person = await leaves(door)
    await stage.passes(hours=7.9)
    stage.turns_to(stage.now + timedelta(hours=24))
    (due,) = [a for a in await stage.claims() if a.kind is ActionKind.AFTER_LETTER]

    await agrees(stage, person, given=False)
    await actions.carry_out(stage.world, due)

    assert await sent(stage) == []
    assert await notes(stage, AfterLetter.EXIT_FEEDBACK) == ["they did not agree to such letters"]


async def test_words_about_permission_may_come_late_and_the_newest_said_counts(
    door: Door,
) -> None:
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    await stage.passes(days=1)
    await agrees(stage, person, given=False)

    late = await after_settings.permit(
        stage.world,
        stage.merchant.merchant_id,
        person.customer,
        account_id=None,
        given=True,
        at=stage.now - timedelta(hours=1),
        how="a box at the order",
        actor="test",
    )

    assert late.given is False


async def test_while_access_runs_one_click_takes_it_back(door: Door) -> None:
    stage = door.stage
    await switched(stage, AfterLetter.WIN_BACK_BEFORE_END)
    person = await leaves(door)
    await stage.passes(days=25)
    token = await link(stage, AfterLetter.WIN_BACK_BEFORE_END, "b")

    before = await door.client.get(f"/b/{token}")
    unmoved = await stage.find(CancelRequest, state=RequestState.STANDING)
    pages = [await door.client.post(f"/b/{token}") for _ in range(2)]

    (request,) = await stage.find(CancelRequest)
    assert "Keep your subscription?" in before.text
    assert len(unmoved) == 1
    assert ["Your subscription goes on" in page.text for page in pages] == [True, True]
    assert request.state is RequestState.UNDONE
    shown = stage.there(f"subscriptions/{person.subscription}")
    assert shown["cancel_at_period_end"] is False


@pytest.mark.parametrize(
    "where",
    [
        pytest.param({"address[country]": "US", "address[state]": "MN"}, id="Minnesota"),
        pytest.param({"address[country]": "US"}, id="a state nobody knows"),
        pytest.param({}, id="a country nobody knows"),
    ],
)
async def test_where_no_offer_may_be_made_nobody_is_won_back_before_the_end(
    door: Door, where: Place
) -> None:
    await switched(door.stage, AfterLetter.WIN_BACK_BEFORE_END)
    await leaves(door, where=where)
    await door.stage.passes(days=29)

    assert await sent(door.stage) == []


async def test_a_letter_wins_back_by_the_reason_and_may_be_stopped_with_one_click(
    door: Door,
) -> None:
    stage = door.stage
    await switched(stage, AfterLetter.WIN_BACK)
    await leaves(door, "too_expensive")
    await stage.passes(days=62)

    (mail,) = [m for m in await stage.mails() if "/b/" in m.text]
    unsubscribe = mail.text.partition("/u/")[2].split()[0]
    await suppressions.unsubscribe(stage.world, unsubscribe)
    assert "You said that the price was the reason" in mail.text
    assert "Kelp, 1 Shore Road" in mail.text
    assert "It is not advertising" not in mail.text
    assert len(await stage.find(Suppression)) == 1
    token = await link(stage, AfterLetter.WIN_BACK, "b")
    page = await door.client.post(f"/b/{token}")
    assert f'href="{RETURN}"' in page.text


async def test_whoever_came_back_is_not_won_back(door: Door) -> None:
    stage = door.stage
    await switched(stage, *AfterLetter)
    person = await leaves(door, "too_expensive")
    await stage.passes(days=40)
    already = await sent(stage)
    stage.subscribes(person)
    await stage.passes(days=40)

    assert await sent(stage) == already
    assert await notes(stage, AfterLetter.WIN_BACK) == ["they are a customer still, or again"]


async def test_who_takes_it_back_where_no_webhook_tells_hears_nothing_more(door: Door) -> None:
    stage = door.stage
    await switched(stage, AfterLetter.WIN_BACK_BEFORE_END)
    person = await leaves(door)
    stage.hears = False
    stage.call(f"subscriptions/{person.subscription}", cancel_at_period_end="false")
    await stage.passes(days=29)

    assert await sent(stage) == []


async def test_a_late_letter_is_dropped_not_sent_late(door: Door) -> None:
    stage = door.stage
    await switched(stage, AfterLetter.EXIT_FEEDBACK)
    await leaves(door)
    await stage.passes(hours=2)
    stage.turns_to(stage.now + timedelta(days=9))
    await stage.plays()

    assert await sent(stage) == []
    assert await notes(stage, AfterLetter.EXIT_FEEDBACK) == ["its time has passed"]


async def test_a_doubled_job_sends_one_letter(door: Door) -> None:
    stage = door.stage
    await switched(stage, AfterLetter.EXIT_FEEDBACK)
    await leaves(door)
    await stage.passes(hours=7.9)
    stage.turns_to(stage.now + timedelta(hours=24))
    first = [a for a in await stage.claims() if a.kind is ActionKind.AFTER_LETTER]
    second = [a for a in await stage.claims() if a.kind is ActionKind.AFTER_LETTER]

    for claimed in [*first, *second, *second]:
        await actions.carry_out(stage.world, claimed)
    await stage.passes(days=3)

    assert await sent(stage) == ["exit_feedback"]
    assert len([m for m in await stage.mails() if "/q/" in m.text]) == 1


async def test_nobody_is_written_to_while_a_payment_is_open(door: Door) -> None:
    # given somebody whose other subscription is unpaid when the question would be asked
    stage = door.stage
    await switched(stage, AfterLetter.EXIT_FEEDBACK)
    person = await stage.subscriber(REFUSED, **BERLIN)
    await agrees(stage, person)
    await stage.fails(person)
    leaver = await door.opens(person)
    await leaver.leaves("period_end")
    await stage.plays()
    await stage.passes(days=8)

    assert await sent(stage) == []


async def test_two_subscriptions_are_one_conversation(door: Door) -> None:
    stage = door.stage
    await switched(stage, AfterLetter.EXIT_FEEDBACK)
    person = await stage.subscriber(APPROVES, **BERLIN)
    second = stage.subscribes(person)
    await stage.plays()
    await agrees(stage, person)
    for subscription in (person.subscription, second):
        leaver = await door.opens(person, subscription=subscription)
        await leaver.leaves()
    await stage.passes(days=12)

    assert await sent(stage) == ["exit_feedback"]


async def test_those_who_left_for_a_reason_hear_that_it_is_put_right(door: Door) -> None:
    # given two who left for a missing feature and one who left for the price
    stage = door.stage
    await switched(stage, AfterLetter.WE_FIXED_IT)
    for reason, locale in (
        ("missing_feature", "de-AT"),
        ("missing_feature", "en"),
        ("too_expensive", "en"),
    ):
        await leaves(door, reason, locale=locale)
    await stage.passes(days=40)

    # when the merchant says that it is there, twice
    merchant, note = stage.merchant.merchant_id, {"en": "The export is there.", "de": "Da ist er."}
    await after_settings.mend(stage.world, merchant, "missing_feature", note, actor="test")
    with pytest.raises(after_settings.MendedAlready):
        await after_settings.mend(stage.world, merchant, "missing_feature", note, actor="test")
    await stage.passes(days=3)

    # then those two are told once, each in their language
    texts = [mail.text for mail in await stage.mails() if "/b/" in mail.text]
    assert await sent(stage) == ["we_fixed_it", "we_fixed_it"]
    assert sorted("Da ist er." in text for text in texts) == [False, True]
    assert len(await stage.find(PaymentLink, purpose="back")) == 2
