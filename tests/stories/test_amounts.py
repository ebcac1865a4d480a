"""What is owed changes while a case is worked: credit notes, part payments, other currencies."""

import pytest

from app.domain.comparing import ComparedLine, LineKind, LineState
from app.domain.dunning import Case, CaseState, Trigger
from app.domain.recovery import Cause
from app.domain.takings import Taking
from app.services import comparing, payment_links
from tests.stories.cards import EXPIRED, REFUSED, REFUSED_ONCE
from tests.stories.looks import Person
from tests.stories.stage import PRICE, Stage

pytestmark = pytest.mark.anyio
heard = pytest.mark.parametrize("heard", [True, False], ids=["heard", "seen by the last look only"])


def gives_credit(stage: Stage, case: Case, amount: int) -> str:
    """The merchant issues a credit note."""
    return str(stage.call("credit_notes", invoice=case.invoice_id, amount=amount)["id"])


async def lines(stage: Stage, case: Case) -> list[tuple[str, int]]:
    return [(kind, amount) for kind, amount, _ in await stage.ledger(case)]


@heard
async def test_a_credit_note_over_all_ends_the_case_and_is_no_money(
    stage: Stage, heard: bool
) -> None:
    # given a case whose next attempt is near
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    await stage.reaches(case.next_attempt_at, hours=-1 / 60)
    stage.hears = heard

    # when the merchant credits all that is owed
    gives_credit(stage, case, PRICE)
    await stage.passes(days=30)

    # then it ends as credited: nobody is charged, thanked or written to, nothing came back
    case = await stage.case(person)
    assert (case.state, case.reason, case.due_minor) == (CaseState.STOPPED, "credited", 0)
    assert await lines(stage, case) == [("credited", PRICE)]
    assert stage.fuse.keys() == []
    assert await stage.letters(case) == []
    assert (case.recovered_minor, case.cause) == (0, None)


@heard
async def test_a_credit_note_over_a_part_lowers_what_is_asked_for(
    stage: Stage, heard: bool
) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    stage.hears = heard

    gives_credit(stage, case, 1000)
    await stage.reaches(case.next_attempt_at, hours=1)

    case = await stage.case(person)
    (ours,) = [a for a in await stage.attempts(case) if a.trigger is Trigger.HOLDFAST]
    assert case.state is CaseState.RECOVERED
    assert ours.amount_minor == PRICE - 1000
    assert sorted(await lines(stage, case)) == [("credited", 1000), ("recovered", PRICE - 1000)]


async def test_letters_and_links_name_what_is_owed_now(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)

    gives_credit(stage, case, 1000)
    await stage.passes(hours=8)

    view = await payment_links.look(stage.world, await stage.token())
    (mail,) = await stage.mails()
    assert view is not None
    assert view.amount_minor == (await stage.case(person)).due_minor == PRICE - 1000
    assert "$20.00" in mail.text
    assert "$30.00" not in mail.text


async def test_a_voided_credit_note_raises_what_is_owed_again(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    note = gives_credit(stage, case, 1000)
    await stage.plays()
    lowered = (await stage.case(person)).due_minor

    stage.call(f"credit_notes/{note}/void")
    await stage.plays()
    raised = (await stage.case(person)).due_minor
    await stage.passes(days=10)

    assert (lowered, raised) == (PRICE - 1000, PRICE)
    assert sum(amount for _, amount in await lines(stage, case)) == PRICE
    assert ("recovered", PRICE) in await lines(stage, case)


async def test_a_part_payment_is_entered_when_it_comes_and_the_rest_is_worked(
    stage: Stage,
) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)

    # when the customer transfers a part, long before our attempt
    stage.act(person, "pay_part", amount=1200)
    await stage.plays()
    meanwhile, entered = await stage.case(person), await lines(stage, case)
    await stage.passes(days=10)

    # then it is in the ledger at once, and our attempt asks for the rest
    attempts = await stage.attempts(case)
    assert (meanwhile.state, meanwhile.due_minor) == (CaseState.ACTIVE, PRICE - 1200)
    assert entered == [("recovered", 1200)]
    assert await lines(stage, case) == [("recovered", 1200), ("recovered", PRICE - 1200)]
    assert (await stage.case(person)).state is CaseState.RECOVERED
    assert [(a.trigger, a.amount_minor) for a in attempts][1:] == [
        (Trigger.CUSTOMER, 1200),
        (Trigger.HOLDFAST, PRICE - 1200),
    ]


async def test_a_part_payment_after_the_end_is_entered_too(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    stage.call(f"invoices/{case.invoice_id}/mark_uncollectible")
    await stage.passes(days=1)

    stage.act(person, "pay_part", amount=1200, invoice=case.invoice_id)
    await stage.plays()

    assert (await stage.case(person)).state is CaseState.STOPPED
    assert await lines(stage, case) == [("recovered", 1200)]


async def test_a_rest_that_is_credited_leaves_a_recovery_of_the_part(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)

    stage.act(person, "pay_part", amount=1200)
    await stage.plays()
    gives_credit(stage, case, PRICE - 1200)
    await stage.plays()

    case = await stage.case(person)
    assert (case.state, case.recovered_minor) == (CaseState.RECOVERED, 1200)
    assert await lines(stage, case) == [("recovered", 1200), ("credited", PRICE - 1200)]


async def test_more_than_is_owed_is_recovered_up_to_what_is_owed(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)

    intent = stage.act(person, "pay_part", amount=1000)["payment_intent"]
    await stage.plays()
    stage.act(person, "pay_part", amount=PRICE)
    await stage.plays()

    case = await stage.case(person)
    paid = stage.there("invoice_payments", invoice=case.invoice_id)["data"]
    assert intent in {row["payment"]["payment_intent"] for row in paid}
    assert (case.state, case.recovered_minor) == (CaseState.RECOVERED, PRICE)
    assert sorted(await lines(stage, case)) == [
        ("recovered", 1000),
        ("recovered", PRICE - 1000),
    ]


@pytest.mark.parametrize("beyond", [1000, 1400])
async def test_what_went_beyond_an_invoice_is_given_back_first(stage: Stage, beyond: int) -> None:
    # given 1,000 and then the whole price: 1,000 too much
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    stage.act(person, "pay_part", amount=1000)
    await stage.plays()
    intent = stage.act(person, "pay_part", amount=PRICE)["payment_intent"]
    await stage.plays()

    # when that is given back, or a little more
    (charge,) = stage.there("charges", payment_intent=intent)["data"]
    stage.act(person, "refund", charge=charge["id"], amount=beyond)
    await stage.passes(hours=2)

    # then of the invoice's money only what exceeds it went back, in the ledger as by the payments
    back = [("refunded", 1000 - beyond)] if beyond > 1000 else []
    assert sorted(await lines(stage, case)) == [
        ("recovered", 1000),
        ("recovered", PRICE - 1000),
        *back,
    ]
    takings = [t for t in await stage.find(Taking) if t.payment_id == intent]
    assert sum(taking.paid_minor for taking in takings) == PRICE - 1000
    assert sum(taking.refunded_minor for taking in takings) == beyond - 1000

    # and the night finds the same at the provider
    begun = await comparing.begin_comparison(stage.world, stage.account, asked_by="test")
    await stage.passes(hours=1)
    compared = await stage.find(ComparedLine, comparison_id=begun.comparison_id)
    assert {line.state for line in compared} == {LineState.AGREES}
    assert sum(x.theirs_minor or 0 for x in compared if x.kind is LineKind.PAID) == PRICE


async def test_a_payment_in_another_currency_is_for_a_person(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    await stage.fails(person)

    stage.act(person, "pay_part", amount=1000, currency="eur")
    await stage.passes(days=30)

    case = await stage.case(person)
    assert case.state is CaseState.PARKED
    assert case.reason == "the currency differs: a payment is in eur, not usd"
    assert await stage.alerts() == ["currency"]
    assert stage.fuse.keys() == []
    assert await lines(stage, case) == []


async def settled(stage: Stage, person: Person) -> None:
    """What is still open is paid without the provider."""
    case = await stage.case(person)
    stage.call(f"invoices/{case.invoice_id}/pay", paid_out_of_band="true")
    await stage.plays()


async def test_what_a_credit_note_took_off_is_not_settled_out_of_band(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    gives_credit(stage, case, 1000)
    await stage.plays()

    await settled(stage, person)

    case = await stage.case(person)
    assert (case.state, case.cause) == (CaseState.RECOVERED, Cause.MANUAL_OR_EXTERNAL)
    assert await lines(stage, case) == [("credited", 1000), ("settled_other", PRICE - 1000)]


@pytest.mark.parametrize("credit", [0, 500])
async def test_what_was_paid_elsewhere_beside_a_part_is_entered_and_told(
    stage: Stage, credit: int
) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)
    await stage.passes(days=1)
    if credit:
        gives_credit(stage, case, credit)
    stage.act(person, "pay_part", amount=1000)
    await stage.plays()

    await settled(stage, person)
    await stage.passes(hours=9)

    rest = PRICE - 1000 - credit
    page = await payment_links.look(stage.world, await stage.token())
    assert page is not None
    assert page.amount_minor == PRICE - credit
    assert f"${(PRICE - credit) / 100:.2f} arrived" in (await stage.mails())[-1].text
    assert set(await lines(stage, case)) - {("credited", credit)} == {
        ("recovered", 1000),
        ("settled_other", rest),
    }
