"""Short texts for those who agreed to them, and alerts for the merchant's people."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.alerts import AlertKind
from app.domain.correspondence import Channels
from app.domain.dunning import Case, CaseState
from app.domain.messages import Message, MessageState
from app.domain.policies import MessageRow
from app.ports.outgoing import Response
from app.services import channels
from app.services.merchants import alert
from app.services.telling import MOST_POSTS, tell_alerts
from tests.stories.cards import EXPIRED
from tests.stories.looks import Person
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio
URL = "https://sms.example.com/send"
TAKEN = Response(status=202, ms=1, text="")
AGREED: dict[str, Any] = {
    "phone": "+4915112345678",
    "metadata[holdfast_sms_consent]": "2026-09-01 by form",
}


@dataclass
class Elsewhere:
    """`ports.outgoing.Outgoing` that keeps what was posted and answers as told."""

    answers: list[Response] = field(default_factory=list)
    posted: list[tuple[str, dict[str, Any], Mapping[str, str]]] = field(default_factory=list)

    def why_not(self, url: str) -> str | None:
        return None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        self.posted.append((url, json.loads(body), dict(headers)))
        return self.answers.pop(0) if self.answers else TAKEN


async def a_gateway(stage: Stage, *answers: Response, on: bool = True) -> Elsewhere:
    """The merchant has an SMS gateway, and its policy a short text beside the final notice."""
    elsewhere = Elsewhere(list(answers))
    row = MessageRow(step="final-sms", template="final_notice", before_end=3, channel="sms")
    policy = replace(stage.world.policy, messages=(*stage.world.policy.messages, row))
    stage.world = replace(stage.world, outgoing=elsewhere, policy=policy)
    await channels.set_channels(
        stage.world,
        stage.merchant.merchant_id,
        actor="test",
        sms_on=on,
        sms_url=URL,
        sms_sender="Kelp",
        sms_secret="sms-secret-1",
        alert_address=None,
        alert_url=None,
    )
    return elsewhere


async def until_the_end(stage: Stage, **customer: Any) -> tuple[Person, Case]:
    person = await stage.subscriber(EXPIRED, **customer)
    case = await stage.fails(person)
    await stage.passes(days=30)
    return person, case


async def test_who_agrees_no_more_gets_no_short_text_that_was_planned_before(stage: Stage) -> None:
    gateway = await a_gateway(stage)
    person = await stage.subscriber(EXPIRED, **AGREED)
    case = await stage.fails(person)
    await stage.passes(days=2)

    consent = {"metadata[holdfast_sms_consent]": ""}
    stage.call(f"customers/{person.customer}", **consent)
    await stage.passes(days=28)

    assert gateway.posted == []
    assert (await stage.message(case, "final-sms")).state is MessageState.DROPPED


async def test_who_agreed_gets_a_short_text_beside_the_mail(stage: Stage) -> None:
    gateway = await a_gateway(stage)
    person, case = await until_the_end(stage, **AGREED)

    ((url, body, headers),) = gateway.posted
    text = await stage.message(case, "final-sms")
    assert (url, body["to"], body["from"]) == (URL, "+4915112345678", "Kelp")
    assert "last reminder, $30.00 is still unpaid" in body["text"]
    assert "https://pay.kelp.example/p/" in body["text"]
    assert headers["authorization"] == "Bearer sms-secret-1"
    assert headers["idempotency-key"] == body["id"] == text.message_id
    assert text.sent_at is not None
    assert 8 <= text.sent_at.hour < 20
    assert (await stage.message(case, "final")).state is MessageState.SENT
    assert (await stage.case(person)).state is CaseState.EXHAUSTED


@pytest.mark.parametrize(
    "customer",
    [
        pytest.param({"phone": "+4915112345678"}, id="never asked"),
        pytest.param({"metadata[holdfast_sms_consent]": "yes"}, id="no number"),
    ],
)
async def test_nobody_gets_a_text_without_having_agreed(
    stage: Stage, customer: dict[str, str]
) -> None:
    gateway = await a_gateway(stage)
    _, case = await until_the_end(stage, **customer)

    assert gateway.posted == []
    assert await stage.find(Message, case_id=case.case_id, step="final-sms") == []


async def test_sms_is_off_until_it_is_switched_on(stage: Stage) -> None:
    gateway = await a_gateway(stage, on=False)
    person, case = await until_the_end(stage, **AGREED)

    text = await stage.message(case, "final-sms")
    assert gateway.posted == []
    assert (text.state, text.reason) == (MessageState.FAILED, "MailRefused: SMS is off")
    assert (await stage.case(person)).state is CaseState.EXHAUSTED


@pytest.mark.parametrize(
    ("answer", "state", "times"),
    [
        (Response(status=400, ms=1, text="no such number"), MessageState.FAILED, 1),
        (Response(status=500, ms=1, text=""), MessageState.UNKNOWN, 1),
        (Response(status=None, ms=1, text="no answer within 15 s"), MessageState.UNKNOWN, 1),
        (Response(status=None, ms=1, text="refused: the URL is inside"), MessageState.FAILED, 1),
        (Response(status=429, ms=1, text=""), MessageState.SENT, 2),
        (Response(status=None, ms=1, text="no answer: ConnectError"), MessageState.SENT, 2),
    ],
)
async def test_what_a_gateway_answers_decides_whether_it_is_asked_again(
    stage: Stage, answer: Response, state: MessageState, times: int
) -> None:
    gateway = await a_gateway(stage, answer)
    _, case = await until_the_end(stage, **AGREED)

    assert (await stage.message(case, "final-sms")).state is state
    assert len(gateway.posted) == times
    assert len({body["id"] for _, body, _ in gateway.posted}) == 1


async def test_a_text_that_left_holds_the_end_as_long_as_a_mail_would(stage: Stage) -> None:
    await a_gateway(stage)
    person = await stage.subscriber(EXPIRED, address=None, **AGREED)
    case = await stage.fails(person)
    await stage.passes(days=30)

    ended = await stage.case(person)
    text = await stage.message(case, "final-sms")
    assert text.sent_at is not None
    assert ended.state is CaseState.EXHAUSTED
    assert ended.closed_at is not None
    assert (ended.closed_at - text.sent_at).total_seconds() >= 72 * 3600


async def test_an_alert_is_told_once_by_mail_and_by_request(stage: Stage) -> None:
    elsewhere, merchant = await to_be_told(stage), stage.merchant.merchant_id
    told: dict[str, str] = {"subject": "final_notice", "text": "it is <broken>"}

    await alert(stage.world, merchant_id=merchant, kind=AlertKind.TEMPLATE, **told)
    await alert(stage.world, merchant_id=merchant, kind=AlertKind.TEMPLATE, **told)
    counts = [await tell_alerts(stage.world), await tell_alerts(stage.world)]

    (mail,) = await stage.mails()
    ((_, body, _),) = elsewhere.posted
    assert counts == [1, 0]
    assert mail.recipient == "ops@kelp.example"
    assert "it is <broken>" in mail.text
    assert "<broken>" not in mail.html
    assert body["kind"] == "template"


async def to_be_told(stage: Stage, *answers: Response) -> Elsewhere:
    """Alerts go by mail and to a URL that answers like this, and takes what comes after."""
    elsewhere = Elsewhere(list(answers))
    stage.world = replace(stage.world, outgoing=elsewhere)
    merchant = stage.merchant.merchant_id
    row = Channels(
        merchant_id=merchant,
        alert_address="ops@kelp.example",
        alert_url="https://chat.example.com/hook",
    )
    async with stage.world.store.transaction(merchant) as tx:
        await tx.save([row])
    return elsewhere


async def looks(stage: Stage, times: int, *, minutes: int = 1) -> int:
    """A worker looks so often, so many minutes apart; how many alerts are done with by then."""
    told = 0
    for _ in range(times):
        told += await tell_alerts(stage.world)
        stage.turns_to(stage.now + timedelta(minutes=minutes))
    return told


async def test_an_alert_that_its_url_did_not_take_is_posted_again_and_mailed_once(
    stage: Stage,
) -> None:
    # given a URL that is away, and then answers 503
    away = Response(status=None, ms=15_000, text="no answer within 15 s")
    busy = Response(status=503, ms=1, text="")
    elsewhere = await to_be_told(stage, away, busy)
    merchant = stage.merchant.merchant_id
    await alert(stage.world, merchant_id=merchant, kind=AlertKind.CURRENCY, subject="s", text="t")

    # when a worker looks for an hour
    told = [await looks(stage, n) for n in (6, 54)]

    # then it was told at the third try, as the same, and by one mail
    assert told == [0, 1]
    assert len(elsewhere.posted) == 3
    assert len({headers["idempotency-key"] for _, _, headers in elsewhere.posted}) == 1
    assert len(await stage.mails()) == 1


async def test_an_alert_that_nobody_ever_takes_is_given_up_and_holds_up_no_other(
    stage: Stage,
) -> None:
    # given a URL that refuses all of a day
    elsewhere = await to_be_told(stage, *[Response(status=500, ms=1, text="")] * MOST_POSTS)
    merchant = stage.merchant.merchant_id
    await alert(stage.world, merchant_id=merchant, kind=AlertKind.CURRENCY, subject="s", text="t")

    # when a worker looks for two days, and then there is another
    told = await looks(stage, 2 * 24 * 3, minutes=20)
    refused = len(elsewhere.posted)
    await alert(stage.world, merchant_id=merchant, kind=AlertKind.CURRENCY, subject="x", text="t")
    other = await looks(stage, 2)

    # then the first was tried for a day, and the second is told
    assert (told, refused) == (1, MOST_POSTS)
    assert (other, len(elsewhere.posted)) == (1, MOST_POSTS + 1)
    assert len(await stage.mails()) == 2


async def test_without_an_address_an_alert_waits_to_be_looked_at(stage: Stage) -> None:
    merchant = stage.merchant.merchant_id
    await alert(stage.world, merchant_id=merchant, kind=AlertKind.CURRENCY, subject="s", text="t")

    assert await tell_alerts(stage.world) == 0
    assert await stage.mails() == []
    assert await stage.alerts() == ["currency"]
