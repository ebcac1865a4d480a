"""Leaving with a payment open: a cancel beats a retry, whoever is faster, and is told truly."""

from datetime import timedelta

import pytest

from app.domain.actions import Action, ActionKind
from app.domain.cancellations import CancelRequest
from app.domain.dunning import CaseState
from app.domain.evidence import Evidence, EvidenceKind
from app.domain.messages import Message
from app.domain.operations import Alert
from app.ports.payments import ProviderRefused
from app.services import actions, endings
from tests.stories.breaking import Crash
from tests.stories.cards import APPROVES, EXPIRED, REFUSED, REFUSED_ONCE, REFUSED_TWICE
from tests.stories.leaving import Door
from tests.stories.stage import PRICE

pytestmark = pytest.mark.anyio
LAST = frozenset({"cancellation_confirmed", "subscription_ended"})


async def test_who_leaves_unpaid_is_told_of_two_ends_and_forgiven_by_default(door: Door) -> None:
    # given a renewal that was refused, and that we work
    stage = door.stage
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    leaver = await door.opens(person)

    # when they look, and take the default
    now, later = await leaver.outlook()
    receipt = await leaver.leaves()
    await stage.passes(days=25)

    # then it ends at once, the invoice is written off, and nobody tries to collect it
    assert (now["choice"], now["forgiven_minor"], now["owed_minor"]) == ("now", PRICE, 0)
    assert (later["choice"], later["forgiven_minor"], later["owed_minor"]) == (
        "period_end",
        0,
        PRICE,
    )
    assert receipt["while_past_due"] is True
    assert (await stage.case(person)).state is CaseState.STOPPED
    invoice = stage.there(f"invoices/{case.invoice_id}")
    assert (invoice["status"], invoice["auto_advance"]) == ("uncollectible", False)
    assert stage.there(f"subscriptions/{person.subscription}")["status"] == "canceled"
    assert stage.captures(case) == []
    assert (await leaver.looks())["state"] == "cancelled"


async def test_at_the_periods_end_the_case_goes_on_as_it_was_told(door: Door) -> None:
    stage = door.stage
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    leaver = await door.opens(person)

    await leaver.leaves("period_end")
    await stage.passes(days=10)

    assert (await stage.case(person)).state is CaseState.RECOVERED
    assert len(stage.captures(case)) == 1
    assert stage.there(f"subscriptions/{person.subscription}")["cancel_at_period_end"] is True


@pytest.mark.parametrize("word_first", [True, False], ids=["the word first", "the retry first"])
async def test_a_cancel_at_the_instant_of_a_retry_is_kept_in_both_orders(
    door: Door, word_first: bool
) -> None:
    # given a retry that is due at this very instant, and would bring the money
    stage = door.stage
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    assert case.next_attempt_at is not None
    await stage.reaches(case.next_attempt_at, hours=-0.01)
    leaver = await door.opens(person)
    stage.turns_to(case.next_attempt_at)

    # when the word and the retry meet
    if word_first:
        receipt = await leaver.leaves()
        await stage.plays()
    else:
        await stage.plays()
        receipt = await leaver.leaves()
        await stage.plays()
    await stage.passes(days=5)

    # then the first of them counts: nothing is taken after the word, and what was paid before
    # stays paid, with access to the end of what it paid for
    taken = sum(charge["amount"] - charge["amount_refunded"] for charge in stage.captures(case))
    assert taken == (0 if word_first else PRICE)
    assert receipt["choice"] == ("now" if word_first else "period_end")


async def test_a_charge_in_flight_when_the_word_comes_is_given_back(door: Door) -> None:
    # given a retry whose charge went out, and whose answer was lost
    stage = door.stage
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    await stage.reaches(case.next_attempt_at, hours=-0.01)
    leaver = await door.opens(person)
    stage.hears = False

    # when they leave between the intent of that charge and its call
    async def leaves() -> None:
        receipt = await leaver.leaves("now")
        assert receipt["choice"] == "now"

    stage.fuse.arm(6, leaves)
    await stage.passes(hours=1)
    stage.hears = True
    await stage.passes(days=2)

    # then whatever was captured is refunded, a person is told, and the session is over
    taken = sum(charge["amount"] - charge["amount_refunded"] for charge in stage.captures(case))
    assert taken == 0
    assert (await leaver.looks())["state"] == "cancelled"
    if stage.captures(case):
        assert "collected_after_cancel" in await stage.alerts()


async def test_a_provider_that_is_away_hears_of_it_later(door: Door) -> None:
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    leaver = await door.opens(person)

    async def goes() -> None:
        stage.fuse.away = True

    # when the provider goes away between the word and its own part of it
    stage.fuse.arm(8, goes)
    receipt = await leaver.leaves()
    session = await leaver.looks()
    (told,) = await stage.find(Alert)
    stage.fuse.away = False
    await stage.passes(hours=1)

    # then the word stands from the first, the provider has it a little later, and nobody is to end
    # by hand what ends with its period
    (over,) = await stage.find(Alert)
    assert (receipt["state"], session["state"]) == ("asked", "cancelling")
    assert (told.kind, told.resolved_at) == ("cancel_delayed", None)
    assert over.resolved_at is not None
    assert (await leaver.looks())["state"] == "cancelled"
    assert stage.there(f"subscriptions/{person.subscription}")["cancel_at_period_end"] is True


@pytest.mark.parametrize("point", [5, 8, 12, 14, 17, 21], ids=lambda n: f"point {n}")
async def test_a_process_that_dies_while_somebody_leaves_loses_nothing(
    door: Door, point: int
) -> None:
    stage = door.stage
    person = await stage.subscriber(REFUSED_TWICE)
    case = await stage.fails(person)
    leaver = await door.opens(person)

    stage.fuse.arm(point)
    with pytest.raises(Crash):
        await leaver.says("now")
    receipt = await leaver.leaves("now", key="again")
    await stage.passes(days=10)

    assert receipt["choice"] == "now"
    assert len(await stage.find(CancelRequest)) == 1
    assert stage.captures(case) == []
    assert stage.there(f"invoices/{case.invoice_id}")["status"] == "uncollectible"
    assert (await leaver.looks())["state"] == "cancelled"


async def test_a_renewal_that_was_ruled_out_is_given_back_and_a_person_told(door: Door) -> None:
    # given a word that the provider could not be told of before the period was over
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    await stage.passes(days=29)
    leaver = await door.opens(person)

    async def goes() -> None:
        stage.fuse.away = True

    stage.fuse.arm(8, goes)
    receipt = await leaver.leaves()

    # when the provider renews meanwhile, and is back later
    await stage.passes(days=3)
    stage.fuse.away = False
    await stage.passes(days=2)

    # then the renewal goes back to the customer, and somebody hears of it
    charges = stage.there("charges", customer=person.customer)["data"]
    assert receipt["state"] == "asked"
    assert sorted(charge["amount_refunded"] for charge in charges) == [0, PRICE]
    assert "collected_after_cancel" in await stage.alerts()
    there = stage.there(f"subscriptions/{person.subscription}")
    assert there["status"] == "canceled"


@pytest.mark.parametrize("away", [False, True], ids=["at once", "the provider is away"])
async def test_a_renewal_that_is_still_a_draft_is_told_of_and_charged_to_nobody_who_left(
    door: Door, away: bool
) -> None:
    # given a period that has just begun, its invoice not charged yet
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    await stage.passes(days=30)
    leaver = await door.opens(person)

    async def goes() -> None:
        stage.fuse.away = away

    # when somebody leaves, and the provider hears of it at once or when it has charged them
    now, later = await leaver.outlook()
    stage.fuse.arm(8, goes)
    await leaver.leaves()
    await stage.passes(hours=2)
    stage.fuse.away = False
    await stage.passes(days=2)

    # then it was told, and whatever was taken went back
    assert (now["forgiven_minor"], later["owed_minor"]) == (PRICE, PRICE)
    charges = stage.there("charges", customer=person.customer)["data"]
    taken = [charge["amount"] - charge["amount_refunded"] for charge in charges]
    assert sum(taken) == PRICE
    assert len(taken) == (2 if away else 1)
    (renewal, _) = stage.there("invoices", customer=person.customer)["data"]
    assert renewal["status"] == ("paid" if away else "void")
    assert (await leaver.looks())["state"] == "cancelled"


async def test_what_went_back_is_told_of_although_the_process_died_then(door: Door) -> None:
    # given a renewal that was charged although somebody had left, because nobody heard of it
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    await stage.passes(days=30)
    leaver = await door.opens(person)

    async def goes() -> None:
        stage.fuse.away = True

    stage.fuse.arm(8, goes)
    await leaver.leaves()
    stage.turns_to(stage.now + timedelta(hours=2))
    stage.fuse.away = False

    # when the process dies between the refund and its record
    (settling,) = [row for row in await stage.find(Action) if row.kind is ActionKind.SETTLE]
    stage.fuse.arm(10)
    with pytest.raises(Crash):
        await actions.carry_out(stage.world, settling)
    await stage.passes(days=1)

    # then it went back once, and somebody hears of it once
    lines = [row for row in await stage.find(Evidence) if row.kind is EvidenceKind.REFUNDED]
    assert [(line.data or {})["amount_minor"] for line in lines] == [PRICE]
    assert (await stage.alerts()).count("collected_after_cancel") == 1
    charges = stage.there("charges", customer=person.customer)["data"]
    assert sorted(charge["amount_refunded"] for charge in charges) == [0, PRICE]


async def test_a_provider_that_refuses_to_end_it_is_a_persons_matter(door: Door) -> None:
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    leaver = await door.opens(person)

    async def refuses() -> None:
        raise ProviderRefused("400 no")

    stage.fuse.arm(13, refuses)
    receipt = await leaver.leaves()

    assert receipt["state"] == "refused"
    assert (await leaver.looks())["state"] == "failed"
    assert await stage.alerts() == ["cancel_refused"]


@pytest.mark.parametrize("point", [6, 8], ids=lambda n: f"point {n}")
async def test_a_word_while_we_end_the_subscription_is_answered_by_one_true_letter(
    door: Door, point: int
) -> None:
    # given a case whose last hour has come, and its customer on the page
    stage = door.stage
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    await stage.reaches(case.window_ends_at, hours=-0.5)
    leaver = await door.opens(person)
    (due,) = [row for row in await stage.pending(case) if row.kind is ActionKind.END]
    stage.turns_to(due.due_at)

    # when they leave at some point of our end
    async def leaves() -> None:
        await leaver.says("now")

    stage.fuse.arm(point, leaves)
    await endings.end(stage.world, due)
    await stage.passes(days=1)

    # then they are told once how it ended, and by what they were told they owe nothing
    last = [m.template for m in await stage.find(Message) if m.template in LAST]
    (request,) = await stage.find(CancelRequest)
    assert last == ["cancellation_confirmed"]
    assert request.forgiven == (case.invoice_id,)
    assert (await stage.case(person)).state is CaseState.STOPPED
    assert (await leaver.looks())["state"] == "cancelled"


async def test_what_a_change_waits_for_is_owed_by_nobody_who_leaves(door: Door) -> None:
    # given a period that is paid, and a dearer plan that takes place only once it is paid for
    stage = door.stage
    person = await stage.subscriber(APPROVES)
    await stage.passes(days=3)
    stage.program(person.method, REFUSED)
    path = f"subscriptions/{person.subscription}"
    item = stage.there(path)["items"]["data"][0]["id"]
    wanted = {"items[0][id]": item, "items[0][price]": stage.price("month", "usd", 9000)}
    hold = {"payment_behavior": "pending_if_incomplete", "proration_behavior": "always_invoice"}
    stage.call(path, **wanted, **hold)
    await stage.plays()

    # when they leave
    leaver = await door.opens(person)
    (only,) = await leaver.outlook()
    await leaver.leaves()
    await stage.passes(days=2)

    # then they have what they paid for to its end, and owe nothing
    assert (only["choice"], only["owed_minor"], only["forgiven_minor"]) == ("period_end", 0, 0)
    assert stage.there(path)["cancel_at_period_end"] is True
    assert "still to be paid" not in (await stage.mails())[-1].text


async def test_of_a_payment_that_was_more_than_the_invoice_its_part_alone_goes_back(
    door: Door,
) -> None:
    # given a transfer of more than is owed, which comes between the word and what follows from it
    stage = door.stage
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    leaver = await door.opens(person)

    async def transfers() -> None:
        stage.act(person, "pay_part", amount=PRICE + 2000, invoice=case.invoice_id)

    stage.fuse.arm(8, transfers)
    await leaver.leaves("now")
    await stage.passes(days=2)

    # then what was told and kept of it is what went back
    (charge,) = stage.captures(case)
    told = [line.data for line in await stage.find(Evidence) if line.kind is EvidenceKind.REFUNDED]
    assert (charge["amount"], charge["amount_refunded"]) == (PRICE + 2000, PRICE)
    assert [(line or {})["amount_minor"] for line in told] == [PRICE]


async def test_who_was_written_to_hears_of_a_payment_whose_refund_is_heard_of_first(
    door: Door,
) -> None:
    # given somebody who leaves after a letter, is forgiven, and pays on the provider's page before
    # we look: that goes back (seed 529720)
    stage = door.stage
    person = await stage.subscriber(EXPIRED)
    await stage.fails(person)
    await stage.passes(days=1)
    leaver = await door.opens(person)
    stage.hears = False

    async def pays() -> None:
        stage.act(person, "pay_hosted_invoice", card={"base": "visa"})

    stage.fuse.arm(8, pays)
    await leaver.leaves("now")
    await stage.plays()

    # when that it went back is the first we hear of the payment
    refund = [event for event in stage.missed() if event["type"] == "charge.refunded"]
    await stage.delivers(*refund)
    await stage.plays()
    stage.hears = True
    await stage.passes(days=1)

    assert len(refund) == 1
    assert (await stage.case(person)).state is CaseState.RECOVERED
    assert "payment_recovered" in [letter.template for letter in await stage.find(Message)]
