"""Which letter goes out when, in whose words, and which one never does."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.dunning import AttemptState, CaseState
from app.domain.messages import Letter, Message, MessageState, Rendered
from app.domain.operations import Alert
from app.ports.mailer import MailDeferred, MailRefused, MailUnknown, Renderer, TemplateFault
from app.services import payment_links
from app.services.telling import tell_alerts
from tests.stories.cards import AUTHENTICATES, BROKE, EXPIRED, REFUSED, REFUSED_ONCE, STOLEN
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio
REMINDERS = ["reminder-2", "reminder-3", "reminder-4"]
LOST_AFTER_THE_BODY = MailUnknown("lost after the body")


@dataclass
class BrokenFor:
    """`ports.mailer.Renderer` with one broken template."""

    real: Renderer
    template: str

    def render(self, letter: Letter) -> Rendered:
        if letter.template == self.template:
            raise TemplateFault(f"{letter.template}: it is broken")
        return self.real.render(letter)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


async def test_a_dead_card_is_told_at_once_and_until_the_end(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    await stage.passes(hours=8)
    at_once = await stage.letters(case)

    await stage.passes(days=30)

    assert at_once == ["failed"]
    assert await stage.letters(case) == ["failed", "reminder-1", *REMINDERS, "final", "ended"]


async def test_short_of_funds_nobody_hears_before_the_second_refusal(stage: Stage) -> None:
    # given a refusal on Wednesday whose next try is on payday, Friday
    person = await stage.subscriber(BROKE)
    case = await stage.fails(person)
    await stage.reaches(case.next_attempt_at, hours=-0.1)
    silent = await stage.letters(case)

    await stage.passes(hours=1)

    assert silent == []
    assert await stage.letters(case) == ["failed"]


async def test_a_soft_refusal_is_told_on_the_third_day(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    await stage.passes(days=3)
    silent = await stage.letters(case)

    await stage.passes(hours=8)

    assert silent == []
    assert await stage.letters(case) == ["failed"]


@pytest.mark.parametrize(
    ("card", "announced"),
    [
        pytest.param(STOLEN, False, id="refused for good"),
        pytest.param(AUTHENTICATES, False, id="to be confirmed"),
        pytest.param(EXPIRED, True, id="expired"),
    ],
)
async def test_no_try_is_announced_that_the_provider_makes_in_name_alone(
    watching: Stage, card: dict[str, str], announced: bool
) -> None:
    person = await watching.subscriber(card)
    await watching.fails(person)
    await watching.passes(hours=8)

    (mail,) = await watching.mails()
    page = await payment_links.look(watching.world, await watching.token())
    assert page is not None
    assert (await watching.case(person)).next_attempt_at is not None
    assert ("again automatically" in mail.text, page.next_retry_at is not None) == (
        announced,
        announced,
    )


async def test_who_never_heard_of_a_failure_is_not_thanked(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    await stage.passes(days=10)

    assert (await stage.case(person)).state is CaseState.RECOVERED
    assert await stage.mails() == []
    assert (await stage.message(case, "failed")).state is MessageState.DROPPED


async def test_who_was_written_to_hears_that_it_is_settled(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    await stage.passes(days=1)

    stage.act(person, "new_card", card={"base": "visa"})
    await stage.passes(days=30)

    assert await stage.letters(case) == ["failed", "recovered"]


async def test_nothing_is_planned_any_more_about_a_case_that_is_over(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    await stage.passes(days=1)
    planned = await stage.find(Message, case_id=case.case_id, state=MessageState.PLANNED)

    stage.act(person, "new_card", card={"base": "visa"})
    await stage.passes(hours=8)

    mine = {"case_id": case.case_id}
    assert [letter.step for letter in planned] != []
    assert await stage.find(Message, state=MessageState.PLANNED, **mine) == []
    pending = await stage.find(Action, state=ActionState.PENDING, **mine)
    assert {action.kind for action in pending} <= {ActionKind.ACCESS_CHANGE}


async def test_a_payment_in_the_last_minute_stops_the_letter(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    await stage.passes(hours=6.9)
    stage.hears = False

    stage.act(person, "pay_hosted_invoice")
    await stage.passes(hours=1)

    assert (await stage.message(case, "failed")).state is MessageState.DROPPED
    assert await stage.mails() == []


async def test_no_letter_claims_a_refusal_while_a_charge_is_in_doubt(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    stage.hears = False
    stage.fault("timeout_after")

    await stage.reaches(case.next_attempt_at, hours=12)

    assert await stage.states(case) == [AttemptState.APPROVED]
    assert await stage.mails() == []


async def test_a_letter_that_may_have_gone_is_never_sent_again(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    stage.mailer.moods = [LOST_AFTER_THE_BODY]

    await stage.passes(days=2)

    message = await stage.message(case, "failed")
    assert (message.state, message.reason) == (MessageState.UNKNOWN, "lost after the body")
    assert await stage.mails() == []


async def test_a_letter_put_off_by_the_server_goes_later_once(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    stage.mailer.moods = [MailDeferred("come back"), MailDeferred("come back")]

    await stage.passes(hours=8)

    message = await stage.message(case, "failed")
    assert message.sent_at is not None
    assert message.sent_at.hour == 8
    assert message.sent_at.minute == 45
    assert len(await stage.mails()) == 1


async def test_a_server_that_is_away_for_long_is_asked_ever_less_often(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    stage.mailer.moods = [MailDeferred("no connection")] * 100

    # when it is back after four hours
    await stage.passes(hours=12)
    asked = 100 - len(stage.mailer.moods)
    stage.mailer.moods = []
    await stage.passes(hours=2)

    # then it was asked after 15 min, 30 min, an hour, and every two hours from then on
    assert 4 <= asked <= 6
    assert (await stage.message(case, "failed")).state is MessageState.SENT
    assert len(await stage.mails()) == 1


async def test_a_broken_template_keeps_the_letter_and_not_the_money(stage: Stage) -> None:
    stage.world = replace(
        stage.world, renderer=cast("Renderer", BrokenFor(stage.world.renderer, "payment_failed"))
    )
    person = await stage.subscriber(
        {"kind": "script", "codes": ["insufficient_funds", "insufficient_funds", "approve"]}
    )
    case = await stage.fails(person)

    await stage.passes(days=12)

    assert (await stage.message(case, "failed")).state is MessageState.FAILED
    assert await stage.alerts() == ["template"]
    assert (await stage.case(person)).state is CaseState.RECOVERED


async def test_a_template_that_breaks_again_is_told_of_again_though_nobody_settled_it(
    stage: Stage,
) -> None:
    # given a person who was told that a letter to two customers cannot be written
    stage.world = replace(
        stage.world, renderer=cast("Renderer", BrokenFor(stage.world.renderer, "payment_failed"))
    )
    person, other = await stage.subscriber(EXPIRED), await stage.subscriber(EXPIRED)
    await stage.fails(person)
    await stage.fails(other)
    await stage.passes(hours=20)
    told = [await tell_alerts(stage.world), await stage.alerts()]

    # when a third letter cannot, a month later
    await stage.fails(await stage.subscriber(EXPIRED))
    await stage.passes(hours=20)

    # then it is to be told once more
    (alert,) = await stage.find(Alert)
    assert told == [0, ["template"]]
    assert alert.told_at is None
    assert stage.now - alert.at < timedelta(days=1)


async def test_without_an_address_no_letter_goes_and_nothing_stops(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED, address=None)
    case = await stage.fails(person)

    await stage.passes(days=29)

    states = {message.state for message in await stage.find(Message, case_id=case.case_id)}
    assert states == {MessageState.DROPPED}
    assert (await stage.case(person)).state is CaseState.EXHAUSTED


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
async def test_letters_and_charges_keep_to_the_local_day(stage: Stage, zone: str) -> None:
    await stage.has(time_zone=zone)
    person = await stage.subscriber(BROKE)
    case = await stage.fails(person)
    await stage.passes(days=29)

    sent = [m.sent_at for m in await stage.find(Message) if m.sent_at]
    tried = [a.intent_at for a in (await stage.attempts(case))[1:]]
    assert len(sent) >= 5
    assert len(tried) >= 3
    assert {8 <= at.astimezone(ZoneInfo(zone)).hour < 20 for at in [*sent, *tried]} == {True}


async def test_a_german_customer_is_written_to_in_german(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED, locale="de-AT")
    await stage.fails(person)
    await stage.passes(days=1)

    (mail,) = await stage.mails()
    assert mail.language.startswith("de")
    assert "Zahlung" in mail.text
    assert "30,00" in mail.text


async def test_a_stolen_card_is_not_named(stage: Stage) -> None:
    person = await stage.subscriber(STOLEN)
    await stage.fails(person)
    await stage.passes(days=1)

    (mail,) = await stage.mails()
    assert not {"stolen", "lost", "fraud"} & set(mail.text.lower().split())


async def test_a_bank_that_wants_to_ask_is_told_at_once(stage: Stage) -> None:
    person = await stage.subscriber(AUTHENTICATES)
    case = await stage.fails(person)
    await stage.passes(hours=8)

    assert await stage.letters(case) == ["failed"]


async def test_below_its_materiality_a_case_is_silent(stage: Stage) -> None:
    policy = replace(stage.world.policy, materiality_minor={"usd": 100_000})
    stage.world = replace(stage.world, policy=policy)
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    await stage.passes(days=30)

    assert await stage.mails() == []
    assert len(await stage.states(case)) >= 5
    assert (await stage.case(person)).state is CaseState.EXHAUSTED


async def test_an_address_that_is_refused_does_not_stop_the_end(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    stage.mailer.moods = [MailRefused("no such box") for _ in range(8)]

    await stage.passes(days=29)

    assert (await stage.message(case, "final")).state is MessageState.FAILED
    assert (await stage.case(person)).state is CaseState.EXHAUSTED
