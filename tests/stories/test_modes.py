"""Who collects: we, the provider, and the way from one to the other while cases are open."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.dunning import Attempt, AttemptState, Case, CaseState, Trigger
from app.domain.merchants import CollectionMode
from app.domain.operations import AuditEntry
from app.domain.policies import Strategy
from app.domain.recovery import Cause
from app.services import actions, merchants
from tests.stories.cards import REFUSED, REFUSED_ONCE, REFUSED_TWICE
from tests.stories.looks import Person
from tests.stories.stage import PRICE, Stage

pytestmark = pytest.mark.anyio
DRIVE, OBSERVE = CollectionMode.DRIVE, CollectionMode.OBSERVE


async def becomes(stage: Stage, mode: CollectionMode) -> None:
    """The operator changes who retries."""
    await merchants.set_mode(stage.world, stage.account, mode, actor="test")


def invoice(stage: Stage, case: Case) -> dict[str, object]:
    return stage.there(f"invoices/{case.invoice_id}")


async def handed(stage: Stage, kind: ActionKind) -> list[Action]:
    found = [a for a in await stage.find(Action) if a.kind is kind]
    return [a for a in found if ":mode:" in a.key]


async def test_leaving_drive_lets_the_provider_collect_again(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)

    await becomes(stage, OBSERVE)
    await stage.plays()
    given_back = await stage.case(person)
    shown = invoice(stage, case)
    await stage.passes(days=10)

    assert shown["auto_advance"] is True
    assert (given_back.driven, given_back.mode) == (False, OBSERVE)
    assert given_back.next_attempt_at is not None
    assert given_back.next_attempt_at.timestamp() == shown["next_payment_attempt"]
    assert stage.fuse.keys() == []
    assert await stage.ledger(case) == [("recovered", PRICE, Cause.PROVIDER_RETRY)]


async def test_leaving_twice_hands_over_once(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED)
    await stage.fails(person)

    await becomes(stage, OBSERVE)
    await becomes(stage, OBSERVE)

    changes = [line for line in await stage.find(AuditEntry) if line.action == "account.observe"]
    assert len(await handed(stage, ActionKind.GIVE_BACK)) == len(changes) == 1


async def test_a_retry_that_is_due_before_the_hand_over_charges_nothing(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    await stage.reaches(case.next_attempt_at, hours=-1 / 60)

    # given a retry and a hand-over that are due in the wrong order
    await becomes(stage, OBSERVE)
    stage.turns_to(stage.now + timedelta(minutes=2))
    due = sorted(await stage.claims(), key=lambda action: action.kind is ActionKind.GIVE_BACK)
    for action in due:
        await actions.carry_out(stage.world, action)

    assert stage.fuse.keys() == []
    assert ActionKind.RETRY in {a.kind for a in await stage.find(Action)}


async def test_what_is_driven_again_before_its_turn_stays_ours(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)

    await becomes(stage, OBSERVE)
    await becomes(stage, DRIVE)
    await stage.passes(days=10)

    (given,) = await handed(stage, ActionKind.GIVE_BACK)
    assert (given.state, given.note) == (ActionState.DROPPED, "the account drives again")
    assert await stage.ledger(case) == [("recovered", PRICE, Cause.HOLDFAST_RETRY)]


async def test_an_attempt_in_doubt_is_found_out_about_before_it_is_given_back(
    stage: Stage,
) -> None:
    # given a charge of ours of which nobody knows how it ended
    person = await stage.subscriber(REFUSED_ONCE, address=None)
    case = await stage.fails(person)
    stage.fault("timeout_after")
    stage.hears = False
    await stage.reaches(case.next_attempt_at)
    (doubt,) = await stage.states(case)

    # when the account is driven no more
    await becomes(stage, OBSERVE)
    await stage.plays()
    early = invoice(stage, case)["auto_advance"]
    await stage.passes(hours=2)

    assert doubt is AttemptState.UNKNOWN
    assert early is False
    assert await stage.states(case) == [AttemptState.APPROVED]
    assert len(stage.captures(case)) == 1


async def test_entering_drive_is_refused_while_the_provider_retries(watching: Stage) -> None:
    with pytest.raises(merchants.ProviderRetries) as refused:
        await merchants.set_mode(
            watching.world, watching.account, DRIVE, actor="test", retried=["in_1"]
        )

    assert refused.value.invoices == ("in_1",)
    assert await watching.find(AuditEntry, action="account.drive") == []


async def test_entering_drive_takes_the_open_cases_over(watching: Stage) -> None:
    # given a provider that does not retry, and nobody who does
    watching.sandbox.control("settings", {"retry_days": [], "end_action": "past_due"})
    person = await watching.subscriber(REFUSED_ONCE)
    case = await watching.fails(person)

    # when we begin to drive
    await becomes(watching, DRIVE)
    await watching.plays()
    taken = await watching.case(person)
    await watching.passes(days=10)

    assert not case.driven
    assert (taken.driven, taken.mode) == (True, DRIVE)
    assert await watching.ledger(case) == [("recovered", PRICE, Cause.HOLDFAST_RETRY)]


async def charged_by_the_provider(stage: Stage, person: Person, case: Case) -> None:
    """The provider tries again behind our back, and shows nothing of it afterwards."""
    stage.hears = False
    stage.call(f"invoices/{case.invoice_id}", auto_advance="true")
    following = invoice(stage, case)["next_payment_attempt"]
    assert isinstance(following, int)
    stage.turns_to(stage.now + timedelta(seconds=following - stage.now.timestamp()))
    stage.call(f"invoices/{case.invoice_id}", auto_advance="false")
    stage.hears = True


async def test_a_try_of_the_provider_on_what_we_drive_ends_our_driving(stage: Stage) -> None:
    stage.sandbox.control("settings", {"retry_days": [1, 20]})
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)

    await charged_by_the_provider(stage, person, case)
    await stage.plays()

    case = await stage.case(person)
    assert await stage.alerts() == ["provider_charged"]
    assert (case.state, case.driven, case.mode) == (CaseState.ACTIVE, False, OBSERVE)
    assert stage.fuse.keys() == []
    assert (invoice(stage, case)["auto_advance"], case.stilled) == (True, False)


async def test_a_case_left_to_the_provider_is_not_taken_over_again(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)
    stage.call(f"invoices/{case.invoice_id}", auto_advance="true")
    await stage.plays()

    disputed = stage.there("charges", customer=person.customer)["data"][-1]["id"]
    dispute = stage.act(person, "dispute", charge=disputed)
    await stage.plays()
    stage.act(person, "close_dispute", won=True, **dispute)
    await stage.plays()

    assert not (await stage.case(person)).driven
    assert invoice(stage, case)["auto_advance"] is True


async def test_collection_turned_on_without_a_date_is_noticed_too(stage: Stage) -> None:
    stage.sandbox.control("settings", {"retry_days": [], "end_action": "past_due"})
    person = await stage.subscriber(REFUSED)
    case = await stage.fails(person)

    stage.call(f"invoices/{case.invoice_id}", auto_advance="true")
    await stage.plays()

    assert case.driven
    assert not (await stage.case(person)).driven
    assert await stage.alerts() == ["provider_retries"]


async def test_where_the_provider_retries_its_next_try_is_shown_and_moves(
    watching: Stage,
) -> None:
    person = await watching.subscriber(REFUSED)
    case = await watching.fails(person)
    first = invoice(watching, case)["next_payment_attempt"]

    # when the provider forgets it and sets another date later, told by `invoice.updated` alone
    watching.call(f"invoices/{case.invoice_id}", auto_advance="false")
    await watching.plays()
    nothing = await watching.case(person)
    await watching.passes(days=2)
    watching.call(f"invoices/{case.invoice_id}", auto_advance="true")
    await watching.plays()

    moved = await watching.case(person)
    second = invoice(watching, case)["next_payment_attempt"]
    assert case.next_attempt_at is not None
    assert case.next_attempt_at.timestamp() == first
    assert (nothing.next_attempt_at, nothing.state) == (None, CaseState.ACTIVE)
    assert moved.next_attempt_at is not None
    assert moved.next_attempt_at.timestamp() == second != first
    assert await watching.alerts() == []


@pytest.mark.parametrize("end_action", ["unpaid", "pause"])
@pytest.mark.parametrize("heard", [True, False], ids=["heard", "seen by a look only"])
async def test_the_provider_may_give_up_without_cancelling(
    watching: Stage, end_action: str, heard: bool
) -> None:
    watching.sandbox.control("settings", {"end_action": end_action, "retry_days": [1]})
    person = await watching.subscriber(REFUSED)
    case = await watching.fails(person)
    watching.hears = heard

    await watching.passes(days=4)

    ended = await watching.case(person)
    assert case.state is CaseState.ACTIVE
    assert ended.state is CaseState.EXHAUSTED
    assert (ended.reason or "").startswith("the provider gave up")
    assert watching.fuse.keys("end_subscription") == []


async def test_a_pause_at_the_first_failure_does_not_end_what_the_provider_goes_on_trying(
    watching: Stage,
) -> None:
    watching.sandbox.control("settings", {"retry_days": [4, 5]})
    person = await watching.subscriber(REFUSED_TWICE)
    case = await watching.fails(person)
    watching.pauses_for_the_debt(person)
    await watching.passes(days=5)
    worked, letters = await watching.case(person), await watching.letters(case)
    await watching.passes(days=6)

    assert (worked.state, letters) == (CaseState.ACTIVE, ["failed"])
    assert await watching.ledger(case) == [("recovered", PRICE, Cause.PROVIDER_RETRY)]


async def test_where_we_drive_a_subscription_marked_unpaid_ends_no_case(stage: Stage) -> None:
    stage.sandbox.control("settings", {"end_action": "unpaid", "retry_days": []})
    person = await stage.subscriber(REFUSED_ONCE)
    stage.hears = False
    await stage.passes(days=30, hours=1)
    stage.hears = True

    await stage.passes(days=10)

    tries = [a for a in await stage.find(Attempt) if a.trigger is Trigger.HOLDFAST]
    assert len(tries) <= 1
    assert (await stage.case(person)).state in {CaseState.RECOVERED, CaseState.EXHAUSTED}


async def test_a_look_follows_a_look_until_a_case_is_parked(watching: Stage) -> None:
    watching.sandbox.control("settings", {"end_action": "past_due"})
    person = await watching.subscriber(REFUSED)
    case = await watching.fails(person)
    await watching.reaches(case.window_ends_at, hours=72)

    pending = await watching.pending(case)
    ends_at = (await watching.cases(person))[0].window_ends_at
    await watching.reaches(ends_at, hours=7 * 24 + 1)

    parked = (await watching.cases(person))[0]
    assert ActionKind.WATCH in {action.kind for action in pending}
    assert parked.state is CaseState.PARKED
    assert watching.fuse.keys() == watching.fuse.keys("close_invoice") == []


async def test_a_policy_that_only_advises_decides_and_shows_and_does_nothing(
    stage: Stage,
) -> None:
    retry = replace(stage.world.policy.retry, strategy=Strategy.ADVICE_ONLY)
    policy = replace(stage.world.policy, retry=retry)
    stage.world = replace(stage.world, policy=policy)
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)

    await stage.passes(days=10)

    asked = {name for name, _ in stage.fuse.asked}
    assert not case.driven
    assert any("we would at" in line for line in await stage.timeline(case))
    assert not asked & {"pay", "stop_provider_retries", "end_subscription", "close_invoice"}
    assert await stage.ledger(case) == [("recovered", PRICE, Cause.PROVIDER_RETRY)]
