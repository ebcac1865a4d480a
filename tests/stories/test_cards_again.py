"""Cards that follow one another: each is tried when its turn comes, and the newest is charged."""

from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from app.domain.actions import Action, ActionKind
from app.domain.dunning import AttemptState, Case, CaseState, Trigger
from app.domain.recovery import Cause
from app.ports.payments import Payments
from app.providers.sandbox import collection
from app.services import case_commands, intake, payment_links
from app.services.case_commands import Order
from tests.stories.cards import APPROVES, BROKE, EXPIRED, REFUSED
from tests.stories.looks import Person
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio


def enters(stage: Stage, person: Person, behaviour: dict[str, Any] = APPROVES) -> str:
    """The customer makes another card the default at the provider's portal."""
    card = {"base": "visa", "behaviour": behaviour}
    return str(stage.act(person, "new_card", card=card)["payment_method"])


def charged(stage: Stage, person: Person) -> list[str]:
    """The methods of all charges, the newest first."""
    charges = stage.there("charges", customer=person.customer)["data"]
    return [str(charge["payment_method"]) for charge in charges]


@dataclass
class Beside:
    """`Payments` under whose first charge of an invoice the provider retries, and is heard."""

    stage: Stage
    invoice: str
    tried: bool = False

    def __post_init__(self) -> None:
        self.real = self.stage.world.payments

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    async def pay(self, *about: Any, **told: Any) -> Any:
        if not self.tried:
            self.tried = True
            self.stage.sandbox.inside(self._retries)
            await self.stage.listens()
            await intake.drain(self.stage.world)
        return await self.real.pay(*about, **told)

    def _retries(self, house: Any) -> None:
        collection.collect(house.world, house.world.find("invoice", self.invoice))


async def test_a_card_that_replaces_one_we_set_is_the_one_that_is_charged(stage: Stage) -> None:
    # given a card that paid what was open, and is the subscription's own by us from then on
    person = await stage.subscriber(BROKE)
    await stage.passes(days=30, hours=10)
    first = enters(stage, person)
    await stage.passes(days=10)
    set_by_us = stage.there(f"subscriptions/{person.subscription}")["default_payment_method"]

    # when it expires, and the customer has replaced it while nothing was open
    newer = enters(stage, person)
    stage.program(first, EXPIRED)
    await stage.passes(days=60)

    assert set_by_us == first
    assert charged(stage, person)[:2] == [newer, newer]
    assert [case.state for case in await stage.cases(person)] == [CaseState.RECOVERED]


async def test_a_card_that_the_merchant_set_on_a_subscription_is_left_alone(stage: Stage) -> None:
    # given a subscription with a card of its own that nobody but the merchant set
    person = await stage.subscriber(APPROVES)
    where = f"subscriptions/{person.subscription}"
    stage.call(where, default_payment_method=person.method)
    await stage.plays()

    enters(stage, person)
    await stage.passes(days=31)

    assert stage.there(where)["default_payment_method"] == person.method
    assert charged(stage, person)[0] == person.method


async def pays_with_another(stage: Stage) -> tuple[list[str], str]:
    """An unpaid invoice names the card that was refused, and the customer enters another, which
    has no money yet either. What was charged, and the newer card."""
    person = await stage.subscriber(BROKE)
    case = await stage.fails(person)
    stage.call(f"invoices/{case.invoice_id}", default_payment_method=person.method)
    await stage.plays()

    newer = enters(stage, person, {"kind": "script", "codes": ["insufficient_funds", "approve"]})
    await stage.passes(days=20)

    case = await stage.case(person)
    assert (case.state, len(stage.captures(case))) == (CaseState.RECOVERED, 1)
    return charged(stage, person), newer


async def test_a_new_card_is_charged_where_the_invoice_named_an_old_one(stage: Stage) -> None:
    tried, newer = await pays_with_another(stage)

    assert tried[:2] == [newer, newer]


async def test_the_provider_charges_a_new_card_where_the_invoice_named_an_old_one(
    watching: Stage,
) -> None:
    tried, newer = await pays_with_another(watching)

    assert tried[:2] == [newer, newer]


async def test_a_card_that_comes_back_months_later_is_tried_again(stage: Stage) -> None:
    # given a second card that paid when the first was refused, and the other way round
    person = await stage.subscriber(BROKE)
    first = person.method
    await stage.passes(days=30, hours=1)
    second = enters(stage, person)
    await stage.passes(hours=1)

    for refused, good in ((second, first), (first, second)):
        stage.program(refused, BROKE)
        stage.program(good, APPROVES)
        await stage.passes(days=31)
        stage.call(
            f"customers/{person.customer}", **{"invoice_settings[default_payment_method]": good}
        )
        await stage.passes(hours=2)

    assert [case.state for case in await stage.cases(person)] == [CaseState.RECOVERED] * 3


async def test_the_end_waits_for_a_card_that_waits_for_its_turn(stage: Stage) -> None:
    # given a fourth card on the last day, where three a day may be tried
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    await stage.reaches(case.window_ends_at, hours=-30)
    case = await stage.case(person)
    await stage.reaches(case.window_ends_at, hours=-10)
    for behaviour in (REFUSED, REFUSED, REFUSED, APPROVES):
        enters(stage, person, behaviour)
        await stage.passes(hours=1)

    await stage.passes(days=3)

    assert (await stage.case(person)).state is CaseState.RECOVERED


async def test_an_error_kept_under_a_key_does_not_keep_a_new_card_back(stage: Stage) -> None:
    # given a server fault when the new card is to be made the default, hours before the end
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    await stage.reaches(case.window_ends_at, hours=-30)
    case = await stage.case(person)
    await stage.reaches(case.window_ends_at, hours=-20)
    stage.fault("500", "/v1/subscriptions/*", times=1, method="POST")

    enters(stage, person)
    await stage.plays()
    await stage.passes(hours=2)

    assert (await stage.case(person)).state is CaseState.RECOVERED
    (set_once,) = [a for a in await stage.find(Action) if a.kind is ActionKind.NEW_CARD]
    assert set_once.claims > 1


async def test_the_page_of_a_card_makes_no_payment_of_the_providers_own_retry(
    watching: Stage,
) -> None:
    # given somebody who looked at the page for a card and left, where the provider retries
    stage = watching
    codes = ["insufficient_funds", "insufficient_funds", "approve"]
    person = await stage.subscriber({"kind": "script", "codes": codes})
    await stage.fails(person)
    await stage.passes(days=4)
    case = await stage.case(person)
    await stage.reaches(case.next_attempt_at, hours=-5)
    await payment_links.go(stage.world, await stage.token())

    await stage.passes(days=2)

    assert [line[2] for line in await stage.ledger(case)] == [Cause.PROVIDER_RETRY]


async def test_the_answer_to_our_own_charge_is_ours_whoever_tried_beside_it(
    watching: Stage,
) -> None:
    # given another card made the default, and a try of the provider while ours is on its way
    stage = watching
    person = await stage.subscriber(REFUSED, address=None)
    codes = {"kind": "script", "codes": ["do_not_honor", "approve"]}
    card = {"base": "visa", "behaviour": codes}
    other = stage.act(person, "new_card", default=False, card=card)["payment_method"]
    case = await stage.fails(person)
    await stage.reaches(case.next_attempt_at, hours=-3)
    stage.call(
        f"customers/{person.customer}", **{"invoice_settings[default_payment_method]": other}
    )
    payments = cast("Payments", Beside(stage, case.invoice_id))
    stage.world = replace(stage.world, payments=payments)

    await stage.passes(hours=1)

    assert [line[2] for line in await stage.ledger(case)] == [Cause.CUSTOMER_NEW_CARD]
    assert await stage.states(case, Trigger.NEW_CARD) == [AttemptState.APPROVED]


async def parked(stage: Stage) -> Person:
    """Somebody whose card is dead, who was written to, and whose case waits for a person."""
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    await stage.passes(days=1)
    async with stage.world.store.transaction(stage.merchant.merchant_id) as tx:
        (known,) = await tx.load(Case, [(case.case_id,)])
        await tx.save([known.moved(CaseState.PARKED, at=stage.now, reason="a contradiction")])
    return person


async def is_taken_up(stage: Stage, person: Person) -> None:
    case = await stage.case(person)
    whose = (stage.merchant.merchant_id, case.case_id)
    order = Order(merchant_id=whose[0], case_id=whose[1], key="k", actor="test")
    await case_commands.release(stage.world, order, reason=None)


@pytest.mark.parametrize("way", ["the link", "the portal"])
async def test_a_card_entered_while_the_case_was_parked_is_tried_when_it_is_taken_up(
    stage: Stage, way: str
) -> None:
    # given a case that is parked, whose customer does what the letter asks for
    person = await parked(stage)
    if way == "the link":
        url = await payment_links.go(stage.world, await stage.token())
        session = url.rstrip("/").rpartition("/")[2]
        stage.act(person, "new_card", card={"base": "visa"}, checkout_session=session)
    else:
        enters(stage, person)
    await stage.passes(days=1)
    waiting = await stage.case(person)

    # when a person has looked at it
    await is_taken_up(stage, person)
    await stage.passes(hours=1)

    case = await stage.case(person)
    assert waiting.state is CaseState.PARKED
    assert (case.state, case.cause) == (CaseState.RECOVERED, Cause.CUSTOMER_NEW_CARD)
    assert len(stage.captures(case)) == 1


async def test_a_dead_card_is_not_tried_because_a_case_is_taken_up(stage: Stage) -> None:
    person = await parked(stage)

    await is_taken_up(stage, person)
    await stage.passes(days=5)

    assert len(charged(stage, person)) == 2
