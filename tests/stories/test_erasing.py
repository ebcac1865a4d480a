"""Somebody is erased: nothing that is kept tells who they are, nobody writes to them, no webhook
brings them back, and no figure changes."""

import json
from dataclasses import asdict, replace
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.correspondence import MessageEvent, Suppression
from app.domain.dunning import CaseState
from app.domain.messages import Mail, Message, MessageState, PaymentLink
from app.domain.mirror import Invoice
from app.domain.operations import AuditEntry, InboxEvent, InboxState
from app.domain.personal import ERASED, is_veiled
from app.ports.mailer import MailDeferred
from app.ports.payments import Payments
from app.services import (
    erasing,
    intake,
    payment_links,
    personal_data,
    suppressions,
    usage,
)
from app.services.usage import Pushed
from tests.reports.conftest import ENDPOINTS, Ledger
from tests.stories.breaking import Crash
from tests.stories.cards import APPROVES, EXPIRED, REFUSED, REFUSED_ONCE
from tests.stories.erased import (
    ADDRESS,
    CANARIES,
    NAMED,
    ErasedMeanwhile,
    customer,
    erased,
    known_by_all,
    reported,
    tellers,
    told,
)
from tests.stories.leaving import Door
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio


async def test_nothing_that_is_kept_tells_who_they_were(door: Door) -> None:
    # given somebody who is named wherever somebody can be
    stage, person = door.stage, await known_by_all(door)
    before = await tellers(stage)

    # when they are erased
    done = await erased(stage, person)

    # then no row of any table tells who they are, and what was done is in the audit log
    assert {c for canaries in before.values() for c in canaries} == set(CANARIES)
    assert {"customers", "invoices", "inbox", "messages", "declarations"} <= set(before)
    assert await tellers(stage) == {}
    assert done.overwritten["customer"] == 1
    lines = await stage.find(AuditEntry, action="customer.erased")
    assert [(line.subject, line.actor) for line in lines] == [(person.customer, "test")]
    assert (await customer(stage, person)).country == "DE"  # figures are told by it


async def test_erased_again_it_is_the_same(door: Door) -> None:
    stage, person = door.stage, await known_by_all(door)
    await erased(stage, person)
    once = await told(stage)

    again = await erased(stage, person)

    assert (again.stopped, again.overwritten) == ((), {})
    moved = {name for name, text in (await told(stage)).items() if text != once[name]}
    assert moved == {"audit_log"}


async def test_an_open_case_stops_and_nobody_is_charged_or_written_to(stage: Stage) -> None:
    # given a case in the middle of its letters and retries
    person = await stage.subscriber(REFUSED, **NAMED)
    case = await stage.fails(person)
    letters, keys = len(await stage.mails()), stage.fuse.keys()

    # when its customer is erased
    done = await erased(stage, person)
    await stage.passes(days=40)

    # then it is stopped, and nothing more is asked or said
    stopped = await stage.case(person)
    assert done.stopped == (case.case_id,)
    assert (stopped.state, stopped.reason) == (CaseState.STOPPED, ERASED)
    assert stage.fuse.keys() == keys
    assert len(await stage.mails()) == letters
    planned = await stage.find(Message, state=MessageState.PLANNED)
    assert planned == []


@pytest.mark.parametrize("what", ["customer.updated", "invoice.payment_failed"])
async def test_a_later_webhook_brings_nothing_back(stage: Stage, what: str) -> None:
    # given somebody who was erased, and whom the provider still knows
    person = await stage.subscriber(REFUSED, **NAMED)
    await stage.fails(person)
    await erased(stage, person)

    # when it goes on telling of them
    if what == "customer.updated":
        stage.call(f"customers/{person.customer}", **{"metadata[more]": "heron-lane"})
        await stage.plays()
    await stage.passes(days=31)

    # then it is heard, and nothing of it is kept
    heard = await stage.find(InboxEvent, type=what)
    assert len(heard) > 0
    assert await tellers(stage) == {}
    assert {row.state for row in await stage.find(InboxEvent)} == {InboxState.HANDLED}
    assert len(await stage.cases(person)) == 1


async def test_the_inbox_heard_once_more_brings_nobody_back(stage: Stage) -> None:
    # given the webhooks of somebody who was erased, as a backup has them
    person = await stage.subscriber(REFUSED, **NAMED)
    await stage.fails(person)
    heard = await stage.find(InboxEvent)
    await erased(stage, person)

    # when all of them are heard once more
    async with stage.world.store.transaction(stage.merchant.merchant_id) as tx:
        await tx.save([replace(row, state=InboxState.PENDING) for row in heard])
    while await intake.drain(stage.world):
        pass
    await stage.passes(days=10)

    # then nobody is named, and nobody was written to
    assert await tellers(stage) == {}
    assert {case.state for case in await stage.cases(person)} == {CaseState.STOPPED}


async def test_no_figure_changes(stage: Stage, connected: AsyncEngine, door: Door) -> None:
    # given money that came back, somebody who left for a reason, and what finance says of it
    paid = await stage.subscriber(REFUSED_ONCE, **NAMED)
    left = await stage.subscriber(APPROVES, **{**NAMED, "address": "her@quillfeather.example"})
    await stage.fails(paid)
    await stage.passes(days=10)
    leaver = await door.opens(left, attributes={"team": "canary-segment"})
    await leaver.does("answer", step="why", reason="too_expensive", words="i-move-to-uqbar")
    await leaver.leaves()
    await stage.passes(days=35)
    ledger, merchant = Ledger(connected), stage.merchant.merchant_id

    async def figures() -> dict[str, str]:
        whose: dict[str, Any] = {"merchant_id": merchant, "now": stage.now}
        return {name: await ledger.says(name, **whose) for name in ENDPOINTS}

    before = await figures()

    # when both are erased
    await erased(stage, paid)
    await erased(stage, left)

    # then every figure is the same
    assert (await stage.case(paid)).state is CaseState.RECOVERED
    assert '"too_expensive"' in "".join(before.values())
    assert await figures() == before
    assert await tellers(stage) == {}


async def test_a_suppression_holds_for_who_comes_back_with_the_address(stage: Stage) -> None:
    # given an address that mail came back from, whose owner was erased
    merchant = stage.merchant.merchant_id
    first = await stage.subscriber(EXPIRED, **NAMED)
    case = await stage.fails(first)
    await stage.passes(days=1)
    letter = next(m for m in await stage.find(Message, case_id=case.case_id) if m.sent_at)
    await reported(stage, letter, "report-1")
    await erased(stage, first)
    mails = len(await stage.mails())

    # when somebody subscribes with it and cannot pay
    again = await stage.subscriber(EXPIRED, address=ADDRESS)
    await stage.passes(days=50)
    assert len(await stage.cases(again)) == 1

    # then nothing is sent there, and the suppression is found by the address
    assert len(await stage.mails()) == mails
    (row,) = await suppressions.find(stage.world, merchant, recipient=ADDRESS)
    assert (is_veiled(row.recipient), row.detail) == (True, None)

    # when they are erased as well, after the address was suppressed anew
    await reported(stage, letter, "report-2")
    await suppressions.lift(stage.world, merchant, row.suppression_id, actor="test")
    put = replace(row, suppression_id="sup_again", recipient=ADDRESS.lower(), lifted_at=None)
    async with stage.world.store.transaction(merchant) as tx:
        await tx.insert([put])
    await erased(stage, again)

    # then it is in force once more
    (held,) = await suppressions.find(stage.world, merchant, recipient=ADDRESS)
    assert (held.suppression_id, held.lifted_at) == (row.suppression_id, None)
    assert len(await stage.find(Suppression)) == 2
    assert await tellers(stage) == {}


async def test_a_report_about_mail_of_before_tells_no_address(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED, **NAMED)
    case = await stage.fails(person)
    await stage.passes(days=1)
    letter = next(m for m in await stage.find(Message, case_id=case.case_id) if m.sent_at)
    await erased(stage, person)

    await reported(stage, letter, "late")

    (event,) = await stage.find(MessageEvent)
    assert (is_veiled(event.recipient), event.detail) == (True, None)
    assert await tellers(stage) == {}


async def test_a_letter_that_is_on_its_way_does_not_bring_the_address_back(stage: Stage) -> None:
    # given a letter that leaves at the moment at which its customer is erased
    person = await stage.subscriber(EXPIRED, **NAMED)
    case = await stage.fails(person)
    send = stage.world.mailer.send

    async def erased_meanwhile(mail: Any) -> None:
        await send(mail)
        await erasing.erase(stage.world, stage.merchant.merchant_id, person.customer, actor="test")

    class Meanwhile:
        send = staticmethod(erased_meanwhile)

    stage.world = replace(stage.world, mailer=Meanwhile())

    # when it has left, and they pay afterwards
    await stage.passes(days=1)
    stage.act(person, "pay_hosted_invoice", card={"base": "visa"})
    await stage.plays()

    # then it is known that it did, and not to whom; nobody is to be thanked
    (sent,) = await stage.find(Message, case_id=case.case_id, state=MessageState.SENT)
    assert sent.step != "recovered"
    assert (await stage.case(person)).state is CaseState.RECOVERED
    assert await stage.find(Message, case_id=case.case_id, state=MessageState.PLANNED) == []
    assert await tellers(stage) == {}


async def test_a_charge_that_is_on_its_way_brings_nobody_back(stage: Stage) -> None:
    # given a retry that is answered with the invoice, when its customer is erased already
    person = await stage.subscriber(REFUSED_ONCE, **NAMED)
    case = await stage.fails(person)
    payments = ErasedMeanwhile(stage, person.customer)
    stage.world = replace(stage.world, payments=cast("Payments", payments))

    await stage.passes(days=8)

    # then it counts, and nothing tells who paid
    known = await stage.case(person)
    assert (known.case_id, known.state) == (case.case_id, CaseState.RECOVERED)
    assert await tellers(stage) == {}


@pytest.mark.parametrize("about", ["a failure", "a farewell"])
async def test_a_letter_that_was_put_off_is_not_sent_once_its_reader_is_erased(
    door: Door, about: str
) -> None:
    # given a letter that a server puts off, to somebody who is erased at that moment
    stage, tried = door.stage, []
    person = await stage.subscriber(EXPIRED if about == "a failure" else APPROVES, **NAMED)

    class Away:
        async def send(self, mail: Mail) -> None:
            tried.append(mail.recipient)
            whom = (stage.merchant.merchant_id, person.customer)
            await erasing.erase(stage.world, *whom, actor="test")
            raise MailDeferred("come back later")

    stage.world = replace(stage.world, mailer=Away())
    if about == "a failure":
        await stage.fails(person)
    else:
        await (await door.opens(person)).leaves()

    # when it would be sent again
    await stage.passes(days=2)

    # then it is dropped, and nobody was written to
    assert tried == [ADDRESS]
    letters = await stage.find(Message, customer_id=person.customer)
    assert {one.state for one in letters} == {MessageState.DROPPED}
    assert await tellers(stage) == {}


async def test_a_process_that_dies_leaves_all_or_nothing(stage: Stage) -> None:
    # given somebody who is known, and a process that dies at each of its points
    person = await stage.subscriber(REFUSED, **NAMED)
    await stage.fails(person)
    point = 0
    while not (await customer(stage, person)).erased:
        point += 1
        stage.fuse.arm(point)
        try:
            await erasing.erase(
                stage.world, stage.merchant.merchant_id, person.customer, actor="test"
            )
        except Crash:
            seen = await customer(stage, person)
            assert seen.erased or seen.name == NAMED["name"]
        stage.fuse.armed = None

    # when the workers go on
    await stage.passes(hours=1)

    # then they are erased as a whole
    assert point > 1
    assert await tellers(stage) == {}
    walks = [a for a in await stage.find(Action) if a.kind is ActionKind.ERASE_BODIES]
    assert {walk.state for walk in walks} == {ActionState.DONE}


async def test_all_that_is_held_is_handed_out_as_one_document(door: Door) -> None:
    # given somebody who is named wherever somebody can be
    stage, person = door.stage, await known_by_all(door)
    merchant = stage.merchant.merchant_id

    # when they ask what is known of them
    document = await personal_data.export(stage.world, merchant, person.customer, actor="test")

    # then the document says it all, is plain JSON, and opens no door
    text = json.dumps(document, ensure_ascii=False)
    assert [canary for canary in CANARIES if canary not in text.casefold()] == []
    assert (document["customer"], document["erased"]) == (person.customer, False)
    assert document["held"]["customer"][0]["email"] == ADDRESS
    assert len(document["held"]["invoices"]) == len(
        await stage.find(Invoice, customer_id=person.customer)
    )
    assert "token_hash" not in text
    (line,) = await stage.find(AuditEntry, action="customer.exported")
    assert not any(canary in str(asdict(line)).casefold() for canary in CANARIES)


async def test_of_another_merchants_customer_nothing_is_known(stage: Stage) -> None:
    person = await stage.subscriber(APPROVES, **NAMED)

    for of in (erasing.erase, personal_data.export):
        with pytest.raises(personal_data.UnknownCustomer):
            await of(stage.world, "mer_other", person.customer, actor="test")

    assert (await customer(stage, person)).name == NAMED["name"]


async def test_who_was_erased_may_still_leave_and_no_words_are_kept(door: Door) -> None:
    # given somebody on the way out when they are erased
    stage = door.stage
    person = await stage.subscriber(APPROVES, **NAMED)
    leaver = await door.opens(person, attributes={"team": "canary-segment"})
    await erased(stage, person)

    # when they say why, and go; and their merchant goes on telling of them
    await leaver.does("answer", step="why", reason="other", words="i-move-to-uqbar")
    receipt = await leaver.leaves()
    fact = Pushed(name="projects", labels={"en": "canary-usage"}, value="canary-usage")
    with pytest.raises(usage.UnknownCustomer):
        await usage.push(stage.world, stage.merchant.merchant_id, person.customer, [fact])
    await stage.plays()

    # then they have left, nothing is sent to them, and nothing tells who they were
    assert receipt["ends_at"]
    assert [mail.recipient for mail in await stage.mails()] == []
    assert stage.there(f"subscriptions/{person.subscription}")["cancel_at_period_end"] is True
    assert await tellers(stage) == {}


async def test_links_in_letters_of_before_lead_nowhere(door: Door) -> None:
    # given the link of a letter whose reader was erased
    stage = door.stage
    person = await stage.subscriber(EXPIRED, **NAMED)
    await stage.fails(person)
    await stage.passes(days=1)
    token = await stage.token()
    await erased(stage, person)

    # when it is followed
    seen = await payment_links.look(stage.world, token)

    # then it is over, and so is every other
    assert seen is not None
    assert seen.status == "expired"
    with pytest.raises(payment_links.LinkDead):
        await payment_links.go(stage.world, token)
    assert all(link.revoked_at for link in await stage.find(PaymentLink))
