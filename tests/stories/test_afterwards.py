"""After somebody left: who is written to, when, and to whom never."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.afterwards import AfterLetter, ExitFeedback, MailPermission
from app.domain.cancellations import CancelRequest, RequestState
from app.domain.correspondence import Letterhead, Suppression
from app.domain.messages import BY_PERMISSION, Message, MessageState, PaymentLink
from app.services import actions, after_settings, suppressions, ways_back
from tests.stories.cards import APPROVES, REFUSED
from tests.stories.leaving import Door, open_door
from tests.stories.looks import Person
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio
RETURN = "https://kelp.example/plans"
BERLIN = {"address[country]": "DE"}


@pytest.fixture
async def door(stage: Stage) -> AsyncIterator[Door]:
    opened = await open_door(stage)
    async with opened.client:
        yield opened


async def switched(stage: Stage, *on: AfterLetter) -> None:
    """The merchant switches letters on."""
    merchant = stage.merchant.merchant_id
    async with stage.world.store.transaction(merchant) as tx:
        await tx.save([Letterhead(merchant_id=merchant, postal_address="Kelp, 1 Shore Road")])
    await after_settings.switch(
        stage.world,
        merchant,
        on=on,
        feedback_hours=24,
        before_end_days=7,
        win_back_days={"too_expensive": 30, "": 60},
        return_url=RETURN,
        actor="test",
    )


async def agrees(stage: Stage, person: Person, *, given: bool = True) -> MailPermission:
    """What a customer says of such letters, now."""
    return await after_settings.permit(
        stage.world,
        stage.merchant.merchant_id,
        person.customer,
        account_id=None,
        given=given,
        at=stage.now,
        how="a box at the order",
        actor="test",
    )


async def leaves(door: Door, reason: str | None = None, **customer: Any) -> Person:
    """Somebody who agreed to letters cancels, for a reason."""
    person = await door.stage.subscriber(APPROVES, **(BERLIN | customer))
    await agrees(door.stage, person)
    await says_why(door, person, reason)
    return person


async def says_why(door: Door, person: Person, reason: str | None) -> None:
    leaver = await door.opens(person)
    if reason is not None:
        await leaver.does("answer", step="why", reason=reason)
    await leaver.leaves()
    await door.stage.plays()


async def sent(stage: Stage) -> list[str]:
    """The letters after leaving that went out, in order."""
    found = await stage.find(Message, state=MessageState.SENT)
    mine = [m for m in found if m.template in BY_PERMISSION]
    return [m.template for m in sorted(mine, key=lambda m: m.sent_at or m.due_at)]


async def notes(stage: Stage, letter: AfterLetter) -> list[str | None]:
    """Why letters of a kind were not sent."""
    found = await stage.find(Action, kind=ActionKind.AFTER_LETTER, state=ActionState.DROPPED)
    return [a.note for a in found if (a.data or {})["letter"] == letter]


async def link(stage: Stage, letter: AfterLetter, path: str) -> str:
    """The token of a link in the latest letter of a kind."""
    mails = [mail.text for mail in await stage.mails() if f"/{path}/" in mail.text]
    return mails[-1].partition(f"/{path}/")[2].split()[0]


async def test_one_question_is_asked_a_day_later_and_the_answer_is_kept(door: Door) -> None:
    # given a merchant who asks, and somebody who agreed to be asked and leaves
    stage = door.stage
    await switched(stage, AfterLetter.EXIT_FEEDBACK)
    person = await leaves(door, "too_expensive")
    await stage.passes(days=2)

    # when they follow the letter's link and answer
    token = await link(stage, AfterLetter.EXIT_FEEDBACK, "f")
    await ways_back.look(stage.world, token, "feedback")
    looked = await stage.find(ExitFeedback)
    view = await ways_back.answer(stage.world, token, "Too dear. 4242 4242 4242 4242")

    # then the answer is kept, without the card's number, and forgotten a year later
    (kept,) = await stage.find(ExitFeedback)
    assert looked == []
    assert await sent(stage) == ["exit_feedback"]
    assert (kept.customer_id, kept.words) == (person.customer, "Too dear. ••••")
    assert view is not None
    assert view.answered
    await stage.passes(days=366)
    (forgotten,) = await stage.find(ExitFeedback)
    assert (forgotten.words, forgotten.forgotten_at is None) == (None, False)


async def test_all_is_off_until_the_merchant_switches_it_on(door: Door) -> None:
    await leaves(door, "too_expensive")
    await door.stage.passes(days=100)

    assert await sent(door.stage) == []
    assert await door.stage.find(Action, kind=ActionKind.AFTER_LETTER) == []


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

    before = await ways_back.look(stage.world, token, "back")
    after = await ways_back.come_back(stage.world, token)
    again = await ways_back.come_back(stage.world, token)

    (request,) = await stage.find(CancelRequest)
    assert before is not None
    assert after is not None
    assert again is not None
    assert [before.way, after.way, again.way] == ["open", "kept", "kept"]
    assert request.state is RequestState.UNDONE
    shown = stage.there(f"subscriptions/{person.subscription}")
    assert shown["cancel_at_period_end"] is False


@pytest.mark.parametrize(
    "where",
    [
        pytest.param({"address[country]": "US", "address[state]": "MN"}, id="Minnesota"),
        pytest.param({"address[country]": "US"}, id="a state nobody knows"),
        pytest.param({"address[country]": ""}, id="a country nobody knows"),
    ],
)
async def test_where_no_offer_may_be_made_nobody_is_won_back_before_the_end(
    door: Door, where: dict[str, str]
) -> None:
    await switched(door.stage, AfterLetter.WIN_BACK_BEFORE_END)
    await leaves(door, card="visa", **{k: v for k, v in where.items() if v}) if where[
        "address[country]"
    ] else await _from_nowhere(door)
    await door.stage.passes(days=29)

    assert await sent(door.stage) == []


async def _from_nowhere(door: Door) -> None:
    person = await door.stage.subscriber(APPROVES)
    await agrees(door.stage, person)
    await says_why(door, person, None)


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
    view = await ways_back.look(stage.world, await link(stage, AfterLetter.WIN_BACK, "b"), "back")
    assert view is not None
    assert (view.way, view.return_url) == ("ended", RETURN)


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
    assert len([m for m in await stage.mails() if "/f/" in m.text]) == 1


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
        ("missing_feature", "de"),
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


async def test_a_letter_without_a_way_back_cannot_be_switched_on(stage: Stage) -> None:
    merchant = stage.merchant.merchant_id
    about: dict[str, Any] = {
        "feedback_hours": 24, "before_end_days": 7, "win_back_days": {}, "actor": "test",
    }  # fmt: skip

    with pytest.raises(after_settings.NotReady) as nowhere:
        await after_settings.switch(
            stage.world, merchant, on=[AfterLetter.WIN_BACK], return_url=None, **about
        )
    with pytest.raises(after_settings.NotReady) as unsigned:
        await after_settings.switch(
            stage.world, merchant, on=[AfterLetter.EXIT_FEEDBACK], return_url=None, **about
        )

    assert nowhere.value.where == "return_url"
    assert "postal address" in unsigned.value.why
