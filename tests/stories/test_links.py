"""The link in a letter: a look changes nothing, the button leads to a page, the page pays."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.dunning import CaseState, Trigger
from app.domain.messages import LinkEvent, PaymentLink
from app.domain.policies import EndPolicy
from app.domain.recovery import Cause
from app.ports.mailer import MailDeferred
from app.ports.payments import ProviderUnavailable
from app.sealing import KeyedTokens
from app.services import me, payment_links
from app.services.cases import show
from tests.stories.cards import APPROVES, AUTHENTICATES, EXPIRED
from tests.stories.leaving import Door
from tests.stories.looks import Person
from tests.stories.stage import PRICE, Stage

pytestmark = pytest.mark.anyio
OLD, NEW = "o" * 32, "n" * 32


async def written_to(stage: Stage, behaviour: dict[str, Any] = EXPIRED) -> tuple[Person, str]:
    """Somebody who has got a letter with a link, and its token."""
    person = await stage.subscriber(behaviour)
    await stage.fails(person)
    await stage.passes(days=1)
    return person, await stage.token()


async def kinds(stage: Stage) -> list[str]:
    return sorted(event.kind for event in await stage.find(LinkEvent))


async def test_a_look_changes_nothing(stage: Stage) -> None:
    person, token = await written_to(stage)
    before = (await stage.case(person), await kinds(stage), len(stage.sandbox.events()))

    views = [await payment_links.look(stage.world, token) for _ in range(3)]
    await stage.plays()

    assert {(v.status, v.amount_minor, v.needs) for v in views if v} == {("open", PRICE, "card")}
    assert (await stage.case(person), await kinds(stage), len(stage.sandbox.events())) == before


async def test_a_card_entered_through_the_link_pays_at_once(stage: Stage) -> None:
    # given a customer who followed the link to the provider's page
    person, token = await written_to(stage)
    url = await payment_links.go(stage.world, token)
    session = url.rstrip("/").rpartition("/")[2]

    # when they finish there
    stage.act(person, "new_card", card={"base": "visa"}, checkout_session=session)
    await stage.plays()

    case = await stage.case(person)
    paid = (await stage.attempts(case))[-1]
    view = await payment_links.look(stage.world, token)
    assert (case.state, case.cause) == (CaseState.RECOVERED, Cause.CUSTOMER_NEW_CARD)
    (link,) = {event.link_id for event in await stage.find(LinkEvent)}
    assert (paid.trigger, paid.link_id) == (Trigger.NEW_CARD, link)
    assert view is not None
    assert view.status == "paid"
    assert "went_to_provider" in await kinds(stage)


async def test_the_button_pressed_twice_charges_nothing(stage: Stage) -> None:
    person, token = await written_to(stage)

    urls = {await payment_links.go(stage.world, token) for _ in range(2)}
    await stage.plays()

    assert len(urls) == 2
    assert stage.captures(await stage.case(person)) == []


async def test_a_bank_that_wants_to_ask_does_so_on_the_page_of_the_invoice(stage: Stage) -> None:
    person, token = await written_to(stage, AUTHENTICATES)
    url = await payment_links.go(stage.world, token)
    stage.act(person, "authenticate")
    await stage.plays()

    case = await stage.case(person)
    assert url == stage.there(f"invoices/{case.invoice_id}")["hosted_invoice_url"]
    assert (case.state, case.cause) == (CaseState.RECOVERED, Cause.CUSTOMER_AUTHENTICATED)
    assert (await stage.attempts(case))[-1].link_id is not None


async def test_paid_through_the_page_of_the_invoice_the_link_has_its_part(stage: Stage) -> None:
    person, token = await written_to(stage)
    await payment_links.go(stage.world, token)
    stage.program(person.method, {"kind": "approve"})
    stage.act(person, "pay_hosted_invoice", card=person.method)
    await stage.plays()

    case = await stage.case(person)
    assert case.cause == Cause.CUSTOMER_PAID_LINK


async def test_a_link_leads_nowhere_once_it_is_paid(stage: Stage) -> None:
    person, token = await written_to(stage)
    stage.act(person, "pay_hosted_invoice")
    await stage.plays()

    with pytest.raises(payment_links.LinkDead) as dead:
        await payment_links.go(stage.world, token)

    assert dead.value.status == "paid"


async def test_a_link_leads_nowhere_after_the_customer_left(stage: Stage) -> None:
    person, token = await written_to(stage)
    stage.act(person, "cancel_subscription")
    await stage.plays()

    with pytest.raises(payment_links.LinkDead) as dead:
        await payment_links.go(stage.world, token)

    assert dead.value.status == "ended"


async def test_a_link_asks_nobody_for_what_was_forgiven_when_they_left(door: Door) -> None:
    # given a debt that our end left open, with the subscription
    stage = door.stage
    end = EndPolicy(subscription="leave", invoice="leave")
    stage.world = replace(stage.world, policy=replace(stage.world.policy, end=end))
    person, token = await written_to(stage)
    await stage.passes(days=28)
    late = await payment_links.look(stage.world, token)

    # when the customer leaves, and is told that they need not pay it
    await (await door.opens(person)).leaves("now")
    await stage.passes(hours=1)

    view = await payment_links.look(stage.world, token)
    assert (late and late.status, view and view.status) == ("late", "ended")
    with pytest.raises(payment_links.LinkDead):
        await payment_links.go(stage.world, token)


async def test_a_link_outlives_the_window_by_a_month(stage: Stage) -> None:
    _, token = await written_to(stage)
    stage.turns_to(stage.now + timedelta(days=56))
    late = await payment_links.look(stage.world, token)
    stage.turns_to(stage.now + timedelta(days=2))

    view = await payment_links.look(stage.world, token)

    assert (late and late.status, view and view.status) == ("open", "expired")


async def test_a_token_that_never_was_is_nothing(stage: Stage) -> None:
    _, token = await written_to(stage)

    odd = ["", "x", token[:-1], f"{token}x", "ü" * 300]

    assert [await payment_links.look(stage.world, one) for one in odd] == [None] * 5


async def test_a_provider_without_an_answer_leaves_the_link_alive(stage: Stage) -> None:
    person, token = await written_to(stage)
    stage.fuse.away = True
    with pytest.raises(ProviderUnavailable):
        await payment_links.go(stage.world, token)

    stage.fuse.away = False

    assert (await payment_links.go(stage.world, token)).startswith("http")
    assert stage.captures(await stage.case(person)) == []


async def test_one_link_pays_every_overdue_invoice_of_the_customer(stage: Stage) -> None:
    # given two subscriptions of one customer, both refused
    person = await stage.subscriber(APPROVES)
    stage.subscribes(person)
    stage.program(person.method, EXPIRED)
    await stage.passes(days=32)
    token = await stage.token()
    before = await payment_links.look(stage.world, token)

    # when a card is entered through the link of one
    session = (await payment_links.go(stage.world, token)).rstrip("/").rpartition("/")[2]
    stage.act(person, "new_card", card={"base": "visa"}, checkout_session=session)
    await stage.plays()

    cases = await stage.cases(person)
    after = await payment_links.look(stage.world, token)
    paid = [event for event in await stage.find(LinkEvent) if event.kind == "paid"]
    assert before is not None
    assert (before.amount_minor, len(before.owed)) == (PRICE + 2000, 2)
    assert {case.state for case in cases} == {CaseState.RECOVERED}
    assert [len(stage.captures(case)) for case in cases] == [1, 1]
    assert after is not None
    assert after.status == "paid"
    assert {(event.data or {})["invoice"] for event in paid} == {c.invoice_id for c in cases}
    assert len({event.link_id for event in paid}) == 1


async def test_the_steps_of_a_link_are_shown_with_its_case(stage: Stage) -> None:
    person, token = await written_to(stage, AUTHENTICATES)

    await payment_links.opened(stage.world, token)
    await payment_links.go(stage.world, token)
    stage.act(person, "authenticate")
    await stage.plays()

    case = await stage.case(person)
    file = await show(stage.world, stage.merchant.merchant_id, case.case_id)
    assert file is not None
    (steps,) = file.links
    assert steps.sent_at is not None
    assert steps.sent_at <= stage.now
    assert steps.opened_at == steps.went_to_provider_at == stage.now
    assert steps.paid_at is not None


@pytest.mark.parametrize(
    "keys", [[NEW, OLD], [NEW]], ids=["the old key is kept", "the old key is lost"]
)
async def test_a_letter_put_off_over_a_rotation_of_keys_leaves_with_a_link_that_works(
    stage: Stage, keys: list[str]
) -> None:
    # given a letter that was rendered once and could not leave
    stage.world = replace(stage.world, tokens=KeyedTokens([OLD]))
    stage.mailer.moods = [MailDeferred("come back")]
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    await stage.passes(hours=7)
    (first,) = await stage.find(PaymentLink, case_id=case.case_id)

    # when the master keys are rotated before it does
    stage.world = replace(stage.world, tokens=KeyedTokens(keys))
    await stage.passes(days=1)

    (link,) = await stage.find(PaymentLink, case_id=case.case_id)
    view = await payment_links.look(stage.world, await stage.token())
    assert view is not None
    assert view.status == "open"
    assert (link.token_hash == first.token_hash) is (OLD in keys)


async def test_the_link_in_the_app_works_on_the_day_the_keys_are_rotated(stage: Stage) -> None:
    # given a customer who went to the page from the app
    stage.world = replace(stage.world, tokens=KeyedTokens([OLD]))
    person = await stage.subscriber(EXPIRED)
    await stage.fails(person)
    asker = me.Asker(
        merchant_id=stage.merchant.merchant_id,
        account_id=stage.account.account_id,
        customer_id=person.customer,
    )
    before, _ = await me.payment_link(stage.world, asker)

    # when they do so again after the rotation
    stage.world = replace(stage.world, tokens=KeyedTokens([NEW, OLD]))
    after, _ = await me.payment_link(stage.world, asker)

    assert (await me.payment_link(stage.world, asker))[0] == after
    for url in (before, after):
        view = await payment_links.look(stage.world, url.rpartition("/")[2])
        assert view is not None
        assert view.status == "open"


async def test_a_link_that_left_goes_on_working_after_a_rotation(stage: Stage) -> None:
    person, token = await written_to(stage)

    stage.world = replace(stage.world, tokens=KeyedTokens([NEW]))
    url = await payment_links.go(stage.world, token)

    assert url
    assert (await stage.case(person)).state is CaseState.ACTIVE
