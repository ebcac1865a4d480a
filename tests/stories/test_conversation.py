"""One conversation with a customer over all their open cases: merged, capped, at most once."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from app.domain.correspondence import Channel
from app.domain.dunning import Case, CaseState
from app.domain.messages import Message, MessageState
from app.ports.mailer import MailDeferred, MailUnknown
from app.services import suppressions
from app.services.suppressions import take_reports
from tests.mail.reports import a_report
from tests.stories.cards import EXPIRED
from tests.stories.looks import Person
from tests.stories.stage import HOUR, Stage

pytestmark = pytest.mark.anyio


async def two_open(stage: Stage) -> tuple[Person, list[Case]]:
    """A customer whose card died when two subscriptions of one day renewed."""
    person = await stage.subscriber(EXPIRED)
    stage.program(person.method, {"kind": "approve"})
    stage.subscribes(person)
    stage.program(person.method, EXPIRED)
    await stage.passes(days=30, hours=2)
    return person, await stage.cases(person)


async def of_both(stage: Stage, cases: list[Case], step: str) -> list[Message]:
    return [await stage.message(case, step) for case in cases]


async def test_two_open_invoices_are_told_in_one_mail(stage: Stage) -> None:
    _, cases = await two_open(stage)
    await stage.passes(days=1)

    (mail,) = await stage.mails()
    one, other = await of_both(stage, cases, "failed")
    assert len(cases) == 2
    assert [one.state, other.state] == [MessageState.SENT, MessageState.SENT]
    assert {one.carried_by, other.carried_by} in ({None, one.message_id}, {None, other.message_id})
    assert "$30.00" in mail.text
    assert "Also open" in mail.text
    assert "$20.00" in mail.text


async def test_what_was_paid_in_the_last_minute_is_not_in_the_mail(stage: Stage) -> None:
    person, cases = await two_open(stage)
    cheap = next(case for case in cases if case.due_minor == 2000)
    stage.hears = False
    stage.act(person, "pay_hosted_invoice", invoice=cheap.invoice_id)
    await stage.passes(days=1)

    (mail,) = await stage.mails()
    assert "$20.00" not in mail.text
    assert "Also open" not in mail.text
    assert (await stage.message(cheap, "failed")).state is MessageState.DROPPED


async def test_both_get_their_final_notice_and_both_end(stage: Stage) -> None:
    person, cases = await two_open(stage)
    await stage.passes(days=32)

    finals = await of_both(stage, cases, "final")
    last = [mail for mail in await stage.mails() if "Last reminder" in mail.subject]
    assert [m.state for m in finals] == [MessageState.SENT, MessageState.SENT]
    assert len(last) == 1
    assert "last day" in last[0].text
    assert {case.state for case in await stage.cases(person)} == {CaseState.EXHAUSTED}


async def test_a_merged_mail_that_may_have_gone_is_unknown_for_every_case(stage: Stage) -> None:
    _, cases = await two_open(stage)
    stage.mailer.moods = [MailUnknown("lost after the body")]
    await stage.passes(days=1)

    assert await stage.mails() == []
    found = await of_both(stage, cases, "failed")
    assert {m.state for m in found} == {MessageState.UNKNOWN}


async def test_a_merged_mail_put_off_goes_later_once(stage: Stage) -> None:
    _, cases = await two_open(stage)
    stage.mailer.moods = [MailDeferred("come back")]
    await stage.passes(days=1)

    assert len(await stage.mails()) == 1
    found = await of_both(stage, cases, "failed")
    assert {m.state for m in found} == {MessageState.SENT}


async def test_a_crash_while_sending_leaves_every_case_of_the_mail_unknown(stage: Stage) -> None:
    _, cases = await two_open(stage)
    at = (await stage.message(cases[0], "failed")).due_at
    await stage.reaches(at, hours=-0.1)
    stage.turns_to(at)
    claimed = await stage.claims()
    async with stage.world.store.transaction(stage.merchant.merchant_id) as tx:
        found = await tx.find(Message, where={"merchant_id": stage.merchant.merchant_id})
        mine = [m for m in found if m.step == "failed"]
        lead, other = sorted(mine, key=lambda m: m.message_id)
        await tx.save([_begun(lead, None), _begun(other, lead.message_id)])

    await stage.passes(days=1)

    assert claimed
    assert await stage.mails() == []
    assert {m.state for m in await of_both(stage, cases, "failed")} == {MessageState.UNKNOWN}


def _begun(message: Message, lead: str | None) -> Message:
    return replace(message, state=MessageState.SENDING, carried_by=lead)


async def test_no_more_than_one_mail_in_20_hours_and_12_in_30_days(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    stage.program(person.method, {"kind": "approve"})
    for _ in range(4):
        stage.subscribes(person)
        await stage.passes(hours=49)
    stage.program(person.method, EXPIRED)
    await stage.passes(days=60)

    letters = [m for m in await stage.find(Message) if m.sent_at and m.step != "ended"]
    mails = sorted(m.sent_at for m in letters if m.sent_at and m.carried_by is None)
    month = timedelta(days=30)
    assert len(await stage.cases(person)) >= 5
    assert all(later - earlier >= 20 * HOUR for earlier, later in pairwise(mails))
    assert max(sum(at <= one < at + month for one in mails) for at in mails) <= 12
    finals = {m.state for m in await stage.find(Message, step="final")}
    assert finals <= {MessageState.SENT, MessageState.PLANNED}


async def test_letters_go_to_where_the_customer_is_by_then(stage: Stage) -> None:
    # given letters that were planned when the payment failed
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    await stage.passes(days=1)
    former = (await stage.message(case, "failed")).recipient

    # when the customer has another address and another language since
    stage.call(
        f"customers/{person.customer}", email="ada@kelp.example", **{"preferred_locales[0]": "de"}
    )
    await stage.passes(days=30)

    # then what leaves afterwards goes there and nowhere else
    found = [m for m in await stage.find(Message) if m.state is MessageState.SENT]
    told = {(m.recipient, m.language) for m in found if m.step != "failed"}
    assert len(found) > 3
    assert told == {("ada@kelp.example", "de")}
    assert [m.step for m in found if m.recipient == former] == ["failed"]


async def test_a_hard_bounce_ends_the_mail_and_not_the_case(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    await stage.passes(days=1)
    sent = await stage.message(case, "failed")
    report = a_report(recipient=sent.recipient.upper(), message_id=sent.message_id)

    first = await take_reports(stage.world, stage.merchant.merchant_id, "plain", [report])
    again = await take_reports(stage.world, stage.merchant.merchant_id, "plain", [report])
    await stage.passes(days=30)

    assert (first, again) == (1, 0)
    assert len(await stage.mails()) == 1
    assert (await stage.message(case, "failed")).state is MessageState.FAILED
    final = await stage.message(case, "final")
    assert (final.state, final.reason) == (
        MessageState.DROPPED,
        "the address is suppressed: bounced",
    )
    assert (await stage.case(person)).state is CaseState.EXHAUSTED


async def test_a_complaint_about_an_address_in_another_script_ends_the_mail(stage: Stage) -> None:
    # given a domain that mail is sent to, and reported on, in ASCII
    person = await stage.subscriber(EXPIRED, address="ada@käse.example")
    case = await stage.fails(person)
    await stage.passes(days=1)
    sent = await stage.message(case, "failed")
    about = {"recipient": "ada@xn--kse-qla.example", "message_id": sent.message_id}
    report = a_report(**about)

    await take_reports(stage.world, stage.merchant.merchant_id, "plain", [report])
    await stage.passes(days=30)

    # then nothing more is sent there, and the suppression is found by either
    merchant = stage.merchant.merchant_id
    found = [
        await suppressions.find(stage.world, merchant, recipient=address)
        for address in ("Ada@Käse.example", about["recipient"])
    ]
    assert len(await stage.mails()) == 1
    assert (await stage.message(case, "failed")).state is MessageState.FAILED
    assert len(found[0]) == 1
    assert found[0] == found[1]


async def test_a_lifted_suppression_lets_mail_through_again(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    merchant = stage.merchant.merchant_id
    address = (await stage.message(case, "failed")).recipient
    kept = await suppressions.suppress(
        stage.world, merchant, address, channel=Channel.MAIL, actor="test"
    )
    await stage.passes(days=1)
    silent = await stage.mails()

    await suppressions.lift(stage.world, merchant, kept.suppression_id, actor="test")
    await stage.passes(days=4)

    assert silent == []
    assert len(await stage.mails()) == 1


async def test_another_merchants_report_touches_nothing_of_ours(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    await stage.passes(days=1)
    sent = await stage.message(case, "failed")
    report = a_report(recipient="somebody@else.example", message_id=sent.message_id)

    await take_reports(stage.world, stage.merchant.merchant_id, "plain", [report])

    assert (await stage.message(case, "failed")).state is MessageState.SENT
