"""Who says in two ways, or twice, that they leave: one end stands, that of the newest word, and
what is told of it is true."""

import pytest

from app.domain.cancellations import CancelRequest, RequestState
from app.domain.messages import Message, MessageState
from app.ports.mailer import MailDeferred
from tests.stories.cards import APPROVES
from tests.stories.leaving import Door
from tests.stories.looks import Person
from tests.stories.stage import PRICE, Stage
from tests.stories.test_declaring import declares, filled
from tests.stories.test_leaving_crossed import HALF, offering

pytestmark = pytest.mark.anyio
LATER = "2026-12-05"  # in the third month; the first ends on October 21


@pytest.fixture
def door(forms_door: Door) -> Door:
    return forms_door


def kept(stage: Stage, person: Person) -> int:
    """What was charged and not given back."""
    charges = stage.there("charges", customer=person.customer)["data"]
    return sum(charge["amount"] - charge["amount_refunded"] for charge in charges)


async def test_a_word_on_the_page_after_a_form_is_carried_out_and_confirmed(door: Door) -> None:
    # given a page that is open while they send a form
    stage, person = door.stage, await door.stage.subscriber(APPROVES)
    leaver = await door.opens(person)
    await declares(door, filled(person))
    await stage.passes(hours=1)

    # when they say it on the page as well
    receipt = await leaver.leaves("period_end")
    await stage.passes(hours=1)

    # then it stands at the provider, and there is a letter for each word
    (request,) = await stage.find(CancelRequest)
    letters = await stage.find(Message, template="cancellation_confirmed")
    assert (receipt["state"], request.state) == ("standing", RequestState.STANDING)
    assert (await leaver.looks())["state"] == "cancelled"
    assert [letter.state for letter in letters] == [MessageState.SENT] * 2


async def test_an_end_on_the_page_before_the_day_of_the_form_is_the_one_that_counts(
    door: Door,
) -> None:
    # given a form for a day that other months come before, and a page that is open
    stage, person = door.stage, await door.stage.subscriber(APPROVES)
    leaver = await door.opens(person)
    await declares(door, filled(person, wished_for=LATER))
    await stage.passes(hours=1)

    # when they leave with the month that is paid
    await leaver.leaves("period_end")
    await stage.passes(days=60)

    (request,) = await stage.find(CancelRequest)
    assert kept(stage, person) == PRICE
    assert request.state is RequestState.ENDED
    assert stage.there(f"subscriptions/{person.subscription}")["status"] == "canceled"


async def test_a_second_form_for_an_earlier_day_counts(door: Door) -> None:
    stage, person = door.stage, await door.stage.subscriber(APPROVES)
    await declares(door, filled(person, wished_for=LATER))
    await stage.passes(hours=1)

    await declares(door, filled(person))
    await stage.passes(days=60)

    (request,) = await stage.find(CancelRequest)
    assert (kept(stage, person), request.state) == (PRICE, RequestState.ENDED)


async def test_who_is_to_pay_until_the_day_they_wished_for_may_leave_before(door: Door) -> None:
    stage, person = door.stage, await door.stage.subscriber(APPROVES)
    await declares(door, filled(person, wished_for=LATER))
    await stage.passes(hours=1)

    leaver = await door.opens(person)
    await leaver.leaves()
    await stage.passes(days=60)

    assert kept(stage, person) == PRICE
    assert (await stage.find(CancelRequest))[0].state is RequestState.ENDED


async def test_a_letter_that_was_put_off_confirms_no_end_that_was_taken_back(door: Door) -> None:
    # given a mail server that is away when somebody leaves
    stage, person = door.stage, await door.stage.subscriber(APPROVES)
    leaver = await door.opens(person)
    stage.mailer.moods = [MailDeferred("come back later")]
    await leaver.leaves()
    await stage.plays()

    # when they stay after all before it is there again
    back = f"/v1/subscriptions/{person.subscription}/uncancel"
    await door.asks("POST", back, leaver.headers)
    await stage.passes(days=1)

    # then nobody writes that it ends
    (letter,) = await stage.find(Message)
    assert await stage.mails() == []
    assert (letter.state, letter.reason) == (
        MessageState.DROPPED,
        "the cancellation was taken back",
    )


async def test_a_page_that_waits_for_the_provider_follows_a_form_that_ends_it_at_once(
    door: Door,
) -> None:
    # given a reason and a word on the page, which the provider has not heard yet
    stage, person = door.stage, await door.stage.subscriber(APPROVES)
    leaver = await door.opens(person)
    await leaver.does("answer", step="why", reason="product_problem")

    async def goes() -> None:
        stage.fuse.away = True

    stage.fuse.arm(8, goes)
    assert (await leaver.leaves())["state"] == "asked"

    # when a form ends it for a reason of weight, and the provider is there again
    await declares(door, filled(person, kind="extraordinary", reason="Es geht nichts."))
    stage.fuse.away = False
    await stage.passes(hours=2)

    (request,) = await stage.find(CancelRequest)
    assert (request.state, request.reason) == (RequestState.ENDED, "product_problem")
    assert (await leaver.looks())["state"] == "cancelled"


async def test_who_took_it_back_leaves_again_in_a_session_of_its_own(door: Door) -> None:
    # given an end that was taken back, on a page that stands open in another tab
    stage, person = door.stage, await door.stage.subscriber(APPROVES)
    former = await door.opens(person)
    await former.leaves()
    await door.asks("POST", f"/v1/subscriptions/{person.subscription}/uncancel", former.headers)
    page = f"/c/{former.seen['token']}"
    goes_on = await door.client.get(page)

    # when they say it there once more, and then in a new session
    refused, receipt = await former.says(key="k2"), await former.asks("receipt")
    leaver = await door.opens(person)
    again = await leaver.leaves()

    # then nobody is told that it was done where it was not, or that it goes on where it ends
    assert (refused.status_code, receipt.status_code, again["state"]) == (409, 404, "standing")
    assert "goes on" in goes_on.text
    assert (await door.client.get(page)).status_code == 404
    assert stage.there(f"subscriptions/{person.subscription}")["cancel_at_period_end"] is True


async def test_nothing_is_accepted_while_the_provider_is_yet_to_hear_of_the_end(
    door: Door,
) -> None:
    # given an offer on the page, and a form whose end is told to the provider in a minute
    stage, person = door.stage, await door.stage.subscriber(APPROVES)
    await offering(door, HALF)
    leaver = await door.opens(person)
    await leaver.does("answer", step="why")
    await declares(door, filled(person))
    await stage.passes(hours=10 / 3600)

    early = await leaver.asks("accept", {"step": "offer"}, **{"Idempotency-Key": "a"})
    await stage.passes(hours=0.5)
    late = await leaver.asks("accept", {"step": "offer"}, **{"Idempotency-Key": "b"})

    # then it is refused until the end can be taken back with it
    there = stage.there(f"subscriptions/{person.subscription}")
    assert (early.status_code, late.status_code) == (409, 200)
    assert (await leaver.looks())["state"] == "saved"
    assert (len(there["discounts"]), there["cancel_at_period_end"]) == (1, False)
