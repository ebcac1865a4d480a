"""Nothing is charged that should be left alone, whatever our webhooks know of it."""

from collections.abc import Callable

import pytest

from app.domain.dunning import AttemptState, CaseState
from app.domain.recovery import Cause
from app.services import intake
from tests.stories.cards import EXPIRED, REFUSED, REFUSED_ONCE, REFUSED_TWICE
from tests.stories.erased import erased
from tests.stories.looks import Person
from tests.stories.stage import PRICE, Stage

pytestmark = pytest.mark.anyio


def void(stage: Stage, person: Person, invoice: str) -> None:
    stage.call(f"invoices/{invoice}/void")


def write_off(stage: Stage, person: Person, invoice: str) -> None:
    stage.call(f"invoices/{invoice}/mark_uncollectible")


def cancel(stage: Stage, person: Person, invoice: str) -> None:
    stage.act(person, "cancel_subscription")


def delete(stage: Stage, person: Person, invoice: str) -> None:
    stage.sandbox.raw("DELETE", f"/v1/customers/{person.customer}")


def settle(stage: Stage, person: Person, invoice: str) -> None:
    stage.call(f"invoices/{invoice}/pay", paid_out_of_band="true")


STOPS = [
    pytest.param(void, CaseState.STOPPED, id="the invoice is void"),
    pytest.param(write_off, CaseState.STOPPED, id="the invoice is written off"),
    pytest.param(cancel, CaseState.STOPPED, id="the customer has cancelled"),
    pytest.param(delete, CaseState.STOPPED, id="the customer is deleted"),
    pytest.param(settle, CaseState.RECOVERED, id="it was settled elsewhere"),
]


@pytest.mark.parametrize("heard", [True, False], ids=["heard", "seen by the last look only"])
@pytest.mark.parametrize(("stops", "state"), STOPS)
async def test_a_stop_in_the_last_minute_is_heeded(
    stage: Stage, stops: Callable[[Stage, Person, str], None], state: CaseState, heard: bool
) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    await stage.reaches(case.next_attempt_at, hours=-1 / 60)

    stage.hears = heard
    stops(stage, person, case.invoice_id)
    await stage.passes(days=30)

    assert (await stage.case(person)).state is state
    assert stage.fuse.keys() == []
    assert stage.captures(case) == []


@pytest.mark.parametrize("point", [5, 6, 7, 8, 9], ids=lambda n: f"point {n}")
async def test_a_customer_who_pays_beside_our_retry_pays_once(stage: Stage, point: int) -> None:
    # given a customer on the provider's page while our retry is under way
    person = await stage.subscriber(REFUSED_TWICE)
    case = await stage.fails(person)
    await stage.reaches(case.next_attempt_at, hours=-0.1)
    stage.hears = False

    async def pays() -> None:
        stage.act(person, "pay_hosted_invoice", invoice=case.invoice_id)

    # when they pay in between two of its steps
    stage.fuse.arm(point, pays)
    await stage.passes(hours=1)
    stage.hears = True
    await stage.passes(days=2)

    case = await stage.case(person)
    assert stage.fuse.armed is None
    assert case.state is CaseState.RECOVERED
    assert len(stage.captures(case)) == 1
    assert case.cause not in {None, Cause.HOLDFAST_RETRY}
    assert AttemptState.APPROVED not in await stage.states(case)


async def test_a_customer_who_leaves_is_not_asked_again(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    await stage.passes(days=4)
    before = await stage.letters(case)

    stage.act(person, "cancel_subscription")
    await stage.passes(days=40)

    assert before == ["failed"]
    assert await stage.letters(case) == before
    assert (await stage.movements(person))[-1][0] == "churn_voluntary"
    assert len(stage.charges(case)) == 2


async def test_who_left_unheard_is_not_charged_on_the_card_they_brought_before(
    watching: Stage,
) -> None:
    # given a new card that is still to be tried where the provider retries
    person = await watching.subscriber(EXPIRED)
    case = await watching.fails(person)
    watching.act(person, "new_card", card={"base": "visa"})
    await watching.listens()
    await intake.drain(watching.world)

    watching.hears = False
    watching.act(person, "cancel_subscription")
    await watching.passes(days=2)

    assert watching.captures(case) == []
    assert (await watching.case(person)).state is CaseState.STOPPED


async def test_a_charge_without_an_answer_is_not_repeated_once_its_customer_left(
    watching: Stage,
) -> None:
    # given a new card whose charge never arrived
    person = await watching.subscriber(EXPIRED)
    case = await watching.fails(person)
    watching.fault("timeout_before")
    watching.act(person, "new_card", card={"base": "visa"})
    await watching.plays()

    watching.hears = False
    watching.act(person, "cancel_subscription")
    await watching.passes(days=2)

    assert watching.captures(case) == []
    assert (await watching.case(person)).state is CaseState.STOPPED


async def test_who_left_unheard_is_not_urged_to_pay(watching: Stage) -> None:
    person = await watching.subscriber(EXPIRED)
    case = await watching.fails(person)

    watching.hears = False
    watching.act(person, "cancel_subscription")
    await watching.passes(days=30)

    assert await watching.letters(case) == []
    assert (await watching.case(person)).state is CaseState.STOPPED


async def test_a_written_off_invoice_that_is_paid_after_all_counts(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    stage.call(f"invoices/{case.invoice_id}/mark_uncollectible")
    await stage.passes(days=1)

    stage.act(person, "pay_hosted_invoice", invoice=case.invoice_id)
    await stage.passes(days=1)

    assert (await stage.case(person)).state is CaseState.RECOVERED
    assert [kind for kind, _, _ in await stage.ledger(case)] == ["recovered"]


async def test_an_invoice_the_provider_takes_back_is_left_to_it(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)

    stage.call(f"invoices/{case.invoice_id}", auto_advance="true")
    await stage.plays()
    given_back = await stage.case(person)
    await stage.passes(days=10)

    assert not given_back.driven
    assert await stage.alerts() == ["provider_retries"]
    assert stage.fuse.keys() == []
    assert await stage.ledger(case) == [("recovered", PRICE, Cause.PROVIDER_RETRY)]


async def test_an_invoice_taken_back_unheard_is_noticed_by_the_last_look(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    stage.hears = False

    stage.sandbox.control("settings", {"retry_days": [20]})
    stage.call(f"invoices/{case.invoice_id}", auto_advance="true")
    await stage.reaches(case.next_attempt_at)

    assert not (await stage.case(person)).driven
    assert await stage.alerts() == ["provider_retries"]
    assert stage.fuse.keys() == []


async def test_who_is_erased_is_not_collected_from_by_the_provider_either(watching: Stage) -> None:
    # given a case that the provider works, whose next try would go through (seed 534906)
    stage = watching
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)

    await erased(stage, person)
    await stage.passes(days=30)

    assert (await stage.case(person)).state is CaseState.STOPPED
    assert stage.captures(case) == []
