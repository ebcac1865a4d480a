"""Who is told of a renewal or an expiring card, when, and who is not."""

import pytest

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.correspondence import Letterhead
from app.domain.messages import Message, MessageState
from app.domain.mirror import Subscription
from app.ports.mailer import MailDeferred, MailUnknown
from app.services import payment_links, suppressions
from tests.stories.cards import APPROVES
from tests.stories.looks import Person
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio
SOON = {"base": "visa", "exp_month": 11, "exp_year": 2026, "last4": "0005"}


async def told(stage: Stage) -> list[str]:
    """The steps that went out, without their dates, in order."""
    sent = await stage.find(Message, state=MessageState.SENT)
    return [m.step.partition(":")[0] for m in sorted(sent, key=lambda m: m.sent_at or m.due_at)]


async def subscription(stage: Stage, person: Person) -> Subscription:
    (found,) = await stage.find(Subscription, subscription_id=person.subscription)
    return found


async def test_a_yearly_renewal_is_told_28_7_3_and_2_days_before(stage: Stage) -> None:
    person = await stage.subscriber(APPROVES, every="year")
    renews = (await subscription(stage, person)).period_end
    await stage.passes(days=370)

    sent = await stage.find(Message, state=MessageState.SENT)
    ahead = sorted((renews - m.sent_at).days for m in sent if renews and m.sent_at)
    assert sorted(m.step.partition(":")[0] for m in sent) == [
        "renewal-2",
        "renewal-28",
        "renewal-3",
        "renewal-7",
    ]
    assert ahead == [1, 2, 6, 27]  # at eight in the morning of the day: hours less than whole days
    assert {8 <= m.sent_at.hour < 20 for m in sent if m.sent_at} == {True}


async def test_a_monthly_renewal_is_told_to_nobody(stage: Stage) -> None:
    await stage.subscriber(APPROVES)
    await stage.passes(days=95)

    assert await stage.mails() == []


async def test_a_reminder_says_amount_day_and_how_to_stop(stage: Stage) -> None:
    manage = "https://kelp.example/account"
    async with stage.world.store.transaction(stage.merchant.merchant_id) as tx:
        head = Letterhead(merchant_id=stage.merchant.merchant_id, manage_url=manage)
        await tx.save([head])
    await stage.subscriber(APPROVES, every="year", amount=12000)
    await stage.passes(days=340)

    (mail,) = await stage.mails()
    assert "$120.00" in mail.text
    assert "September 21, 2027" in mail.text
    assert f"you can cancel before that day: {manage}" in mail.text


async def test_who_cancelled_meanwhile_is_not_reminded(stage: Stage) -> None:
    person = await stage.subscriber(APPROVES, every="year")
    await stage.passes(days=300)
    stage.call(f"subscriptions/{person.subscription}", cancel_at_period_end="true")
    await stage.passes(days=60)

    dropped = await stage.find(Action, state=ActionState.DROPPED)
    assert await stage.mails() == []
    assert {a.note for a in dropped if a.kind is ActionKind.REMIND} == {"it will not renew"}


async def test_the_last_look_stops_a_reminder_even_if_no_webhook_came(stage: Stage) -> None:
    person = await stage.subscriber(APPROVES, every="year")
    stage.hears = False
    await stage.passes(days=300)

    stage.call(f"subscriptions/{person.subscription}", cancel_at_period_end="true")
    await stage.passes(days=60)

    assert await stage.mails() == []


async def test_a_new_price_is_told_with_the_former_one(stage: Stage) -> None:
    person = await stage.subscriber(APPROVES)
    shown = stage.there(f"subscriptions/{person.subscription}")["items"]["data"][0]
    price = stage.call(
        "prices",
        product=shown["price"]["product"],
        currency="usd",
        unit_amount=4500,
        **{"recurring[interval]": "month"},
    )
    items = {"items[0][id]": shown["id"], "items[0][price]": price["id"]}
    stage.call(f"subscriptions/{person.subscription}", **items, proration_behavior="none")
    await stage.plays()
    await stage.passes(days=29)

    mails = await stage.mails()
    assert await told(stage) == ["renewal-7", "renewal-3", "renewal-2"]
    assert "until now it was $30.00" in mails[0].text
    assert "$45.00" in mails[0].text


async def test_a_card_that_expires_before_a_charge_is_told_twice_and_at_the_renewal(
    stage: Stage,
) -> None:
    person = await stage.subscriber(APPROVES)
    stage.act(person, "new_card", card=SOON)
    await stage.plays()
    await stage.passes(days=90)

    letters = await told(stage)
    mails = await stage.mails()
    assert letters[:2] == ["card-30", "card-7"]
    assert {"renewal-7", "renewal-3", "renewal-2"} <= set(letters)
    assert "•••• 0005" in mails[0].text
    assert "valid until the end of November 2026" in mails[0].text
    # one payment comes before it expires: that of which is told is not the next
    assert "The first payment after that, $30.00, is due on Monday, December 21" in mails[0].text


async def test_a_card_replaced_in_time_is_not_warned_of_again(stage: Stage) -> None:
    person = await stage.subscriber(APPROVES)
    stage.act(person, "new_card", card=SOON)
    await stage.plays()
    await stage.passes(days=45)
    stage.act(person, "new_card", card={"base": "visa"})
    await stage.passes(days=50)

    assert await told(stage) == ["card-30"]


async def test_nobody_is_warned_of_a_card_that_is_charged_no_more(stage: Stage) -> None:
    person = await stage.subscriber(APPROVES)
    stage.act(person, "new_card", card=SOON)
    stage.call(f"subscriptions/{person.subscription}", cancel_at_period_end="true")
    await stage.passes(days=90)

    assert await stage.mails() == []


async def test_the_button_of_a_warning_leads_to_where_a_card_is_entered(stage: Stage) -> None:
    person = await stage.subscriber(APPROVES)
    stage.act(person, "new_card", card=SOON)
    await stage.plays()
    await stage.passes(days=45)
    view = await suppressions.look(stage.world, await stage.token())

    page = await payment_links.look(stage.world, await stage.token())
    url = await payment_links.go(stage.world, await stage.token())
    stage.sandbox.http.get(url)

    assert view is None
    assert page is not None
    assert page.status == "card"
    assert url.startswith("http")


async def test_one_click_ends_the_courtesy_and_nothing_else(stage: Stage) -> None:
    person = await stage.subscriber(APPROVES, every="year")
    stage.act(person, "new_card", card=SOON)
    await stage.plays()
    await stage.passes(days=45)
    (mail,) = await stage.mails()
    headers = dict(mail.headers)
    token = headers["List-Unsubscribe"].strip("<>").rpartition("/")[2]

    view = await suppressions.unsubscribe(stage.world, token)
    await suppressions.unsubscribe(stage.world, token)
    await stage.passes(days=30)

    assert view is not None
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert await told(stage) == ["card-30"]
    dropped = await stage.find(Message, state=MessageState.DROPPED)
    assert {m.reason for m in dropped} == {"the address is suppressed: unsubscribed"}


async def test_a_reminder_that_may_have_gone_is_never_sent_again(stage: Stage) -> None:
    await stage.subscriber(APPROVES, every="year")
    await stage.passes(days=330)
    stage.mailer.moods = [MailUnknown("lost after the body")]
    await stage.passes(days=20)

    (message,) = await stage.find(Message)
    assert message.state is MessageState.UNKNOWN
    assert await stage.mails() == []


async def test_a_reminder_put_off_by_the_server_goes_later_once(stage: Stage) -> None:
    await stage.subscriber(APPROVES, every="year")
    await stage.passes(days=330)
    stage.mailer.moods = [MailDeferred("come back")]
    await stage.passes(days=20)

    (message,) = await stage.find(Message)
    assert message.state is MessageState.SENT
    assert len(await stage.mails()) == 1
    assert message.sent_at is not None
    assert message.sent_at.minute == 15


async def test_a_legal_notice_cannot_be_unsubscribed(stage: Stage) -> None:
    await stage.subscriber(APPROVES, every="year")
    await stage.passes(days=364)

    headers = [dict(mail.headers) for mail in await stage.mails()]
    assert ["List-Unsubscribe" in found for found in headers] == [False, False, True, True]
