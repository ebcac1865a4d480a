"""Leaving, from the first screen to the receipt: over HTTP, at the sandbox, as the widget does."""

from dataclasses import replace

import pytest

from app.domain.cancellations import CancelRequest, RequestState
from app.domain.evidence import Evidence, EvidenceKind
from app.domain.messages import Mail, Message, MessageState
from app.domain.mirror import Subscription
from app.domain.sessions import CancelSession, SessionState
from app.domain.survey import SurveyAnswer
from app.ports.mailer import MailDeferred
from tests.stories.cards import APPROVES
from tests.stories.leaving import Door

pytestmark = pytest.mark.anyio


async def test_somebody_leaves_at_the_end_of_the_period_and_gets_a_receipt(door: Door) -> None:
    # given a customer in the middle of a paid month, who is asked why
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    await stage.passes(days=10)
    leaver = await door.opens(person)
    assert (leaver.step, leaver.seen["may"]) == ("why", ["confirm", "answer", "close"])

    # when they say why, look at what it would do, and confirm
    await leaver.does("answer", step="why", reason="missing_feature")
    assert leaver.step == "more"
    await leaver.does("answer", step="more", words="No export. My card is 4242 4242 4242 4242.")
    (told,) = await leaver.outlook()
    receipt = await leaver.leaves()
    await stage.plays()

    # then it ends with the period, as it was told, and nothing is charged any more
    assert receipt["ends_at"] == told["access_until"]
    assert (told["choice"], told["owed_minor"], told["next_charge_minor"]) == (
        "period_end",
        0,
        None,
    )
    assert receipt["state"] == "standing"
    assert (await leaver.looks())["state"] == "cancelled"
    there = stage.there(f"subscriptions/{person.subscription}")
    assert there["cancel_at_period_end"] is True
    assert there["cancellation_details"]["feedback"] == "missing_features"
    await stage.passes(days=30)
    (subscription,) = await stage.find(Subscription, subscription_id=person.subscription)
    assert subscription.status == "canceled"
    assert len(stage.there("charges", customer=person.customer)["data"]) == 1
    (request,) = await stage.find(CancelRequest)
    assert request.state is RequestState.ENDED


async def test_whoever_leaves_is_written_to_at_once(door: Door) -> None:
    stage = door.stage
    person = await stage.subscriber(APPROVES, locale="de")
    leaver = await door.opens(person)

    receipt = await leaver.leaves()
    await stage.plays()

    (letter,) = await stage.find(Message, template="cancellation_confirmed")
    (mail,) = await stage.mails()
    assert (letter.state, letter.sent_at) == (MessageState.SENT, stage.now)
    assert "Ihre Kündigung ist bestätigt" in mail.html
    assert receipt["id"] in mail.text


async def test_a_receipt_put_off_after_another_worker_took_it_for_sent_is_sent_later(
    door: Door,
) -> None:
    # given a worker that stands still while it sends, past its lease, and a mail server that is
    # away when it comes back
    stage, real = door.stage, door.stage.world.mailer
    person = await stage.subscriber(APPROVES)
    state = MessageState.PLANNED

    class Away:
        async def send(self, mail: Mail) -> None:
            nonlocal state
            stage.world = replace(stage.world, mailer=real)
            await stage.works()
            (letter,) = await stage.find(Message, customer_id=person.customer)
            state = letter.state
            raise MailDeferred("no connection")

    stage.world = replace(stage.world, mailer=Away())

    # when somebody leaves, and another worker has closed the letter meanwhile
    await (await door.opens(person)).leaves()
    await stage.passes(hours=1)

    # then it is known that it had not left, and it leaves
    assert state is MessageState.UNKNOWN
    (letter,) = await stage.find(Message, customer_id=person.customer)
    assert letter.state is MessageState.SENT


async def test_two_clicks_lead_from_the_first_screen_to_the_end(door: Door) -> None:
    person = await door.stage.subscriber(APPROVES)

    leaver = await door.opens(person)
    receipt = await leaver.leaves()

    assert receipt["state"] == "standing"


async def test_it_can_be_taken_back_before_the_end_and_goes_on_as_before(door: Door) -> None:
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    leaver = await door.opens(person)
    await leaver.leaves()
    await stage.passes(days=3)

    path = f"/v1/subscriptions/{person.subscription}/uncancel"
    first = await door.asks("POST", path, leaver.headers)
    again = await door.asks("POST", path, door.backend())

    assert (first.status_code, first.json()["state"]) == (200, "undone")
    assert again.json() == first.json()
    there = stage.there(f"subscriptions/{person.subscription}")
    assert (there["cancel_at"], there["cancel_at_period_end"]) == (None, False)
    await stage.passes(days=30)
    assert len(stage.there("charges", customer=person.customer)["data"]) == 2
    lines = [row for row in await stage.find(Evidence) if row.kind is EvidenceKind.UNCANCELLED]
    assert [line.data for line in lines] == [{"by": "customer"}]


async def test_two_tabs_are_one_session_and_two_clicks_one_outcome(door: Door) -> None:
    stage = door.stage
    person = await stage.subscriber(APPROVES)

    left, right = await door.opens(person), await door.opens(person)
    first, second = await left.leaves(key="a"), await right.leaves(key="b")

    assert left.seen["id"] == right.seen["id"]
    assert first == second
    assert len(await stage.find(CancelRequest)) == 1
    assert len(await stage.find(CancelSession)) == 1


async def test_a_session_that_is_left_alone_is_abandoned_and_nothing_changes(door: Door) -> None:
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    leaver = await door.opens(person)

    await stage.passes(hours=25)

    (session,) = await stage.find(CancelSession)
    assert session.state is SessionState.ABANDONED
    assert (await leaver.says()).status_code == 401
    assert stage.there(f"subscriptions/{person.subscription}")["cancel_at"] is None


async def test_what_was_shown_and_said_is_kept_and_no_card_number_with_it(door: Door) -> None:
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    leaver = await door.opens(person)

    await leaver.does("answer", step="why", reason="other")
    await leaver.does("answer", step="more", words="I will call my lawyer. 4242424242424242")
    await leaver.outlook()
    await leaver.leaves()

    lines = sorted(await stage.find(Evidence), key=lambda line: line.evidence_id)
    kinds = {str(line.kind) for line in lines}
    assert kinds == {
        "started",
        "step_viewed",
        "reason_selected",
        "answered",
        "previewed",
        "cancelled",
    }
    assert "4242424242424242" not in repr(lines)
    assert await stage.alerts() == ["red_flag"]


async def test_the_receipt_is_kept_as_text_and_as_a_page_and_says_what_the_letter_says(
    door: Door,
) -> None:
    stage = door.stage
    person = await stage.subscriber(APPROVES, locale="fr")
    leaver = await door.opens(person)
    too_early = await leaver.asks("receipt")

    told = await leaver.leaves()
    await stage.plays()
    text = await leaver.asks("receipt")
    page = await leaver.asks("receipt?form=html")

    (mail,) = await stage.mails()
    assert too_early.status_code == 404
    assert text.text.split() == mail.text.split()
    assert told["id"] in page.text
    assert "attachment" in text.headers["content-disposition"]
    assert text.headers["access-control-allow-origin"] == "https://app.kelp.example"


async def test_reasons_are_counted_with_how_the_sessions_ended(door: Door) -> None:
    stage = door.stage
    for reason, leaves in (("other", True), ("other", False), (None, True)):
        leaver = await door.opens(await stage.subscriber(APPROVES))
        if reason:
            await leaver.does("answer", step="why", reason=reason)
        if leaves:
            await leaver.leaves()
    day = stage.now.date()
    span = f"from={day}T00:00:00Z&to={day}T23:59:59Z"

    answer = await door.asks("GET", f"/v1/cancel-reasons?{span}", door.backend())
    await stage.passes(hours=25)
    later = await door.asks("GET", f"/v1/cancel-reasons?{span}", door.backend())

    assert answer.json()["reasons"] == [
        {"reason": "other", "sessions": 2, "cancelled": 1, "saved": 0, "abandoned": 0},
        {"reason": None, "sessions": 1, "cancelled": 1, "saved": 0, "abandoned": 0},
    ]
    assert later.json()["reasons"][0]["abandoned"] == 1


async def test_what_a_customer_wrote_is_forgotten_after_a_year_and_the_reason_is_not(
    door: Door,
) -> None:
    stage = door.stage
    leaver = await door.opens(await stage.subscriber(APPROVES))
    await leaver.does("answer", step="why", reason="other", words="my own words", rating=3)
    await leaver.leaves()

    await stage.passes(days=366)

    (kept,) = await stage.find(SurveyAnswer)
    assert (kept.reason, kept.rating, kept.words) == ("other", 3, None)
    assert kept.forgotten_at is not None
