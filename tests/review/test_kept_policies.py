"""A case keeps the policy it began with, until somebody moves it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.dunning import Case, CaseEvent, CaseState, Trigger
from app.domain.merchants import CollectionMode
from app.domain.messages import Message
from app.domain.policies import (
    DEPLOYMENT,
    AppliesTo,
    Collection,
    EndPolicy,
    Policy,
    PolicyState,
    PolicyVersion,
    RetryPolicy,
    Strategy,
)
from app.domain.policy_documents import document_of
from app.services import policies, policy_moves
from tests.domain.builders import MONDAY, an_invoice
from tests.review.stage import POLICY, Stage, a_failure, open_stage

pytestmark = pytest.mark.anyio
FREE = EndPolicy(subscription="leave", invoice="leave")
SHORT = replace(POLICY, retry=RetryPolicy(window_days=10, max_attempts=1))
DAYS = RetryPolicy(strategy=Strategy.FIXED, days=(2, 4), window_days=20)


async def published(stage: Stage, policy: Policy) -> str:
    """A version of the merchant's own, in force."""
    row = PolicyVersion(
        merchant_id="mer_1",
        name=policy.name,
        version=policy.version,
        document=document_of(policy),
        state=PolicyState.PUBLISHED,
        made_at=MONDAY,
        made_by="key_1",
        published_at=MONDAY,
        published_by="key_1",
    )
    async with stage.store.transaction("mer_1") as tx:
        await tx.insert([row])
    return row.label


async def moves(stage: Stage, label: str) -> None:
    case = await stage.case()
    await policy_moves.move(stage.world, "mer_1", case.case_id, label, actor="key_1")
    await stage.works()


async def test_a_changed_policy_file_changes_no_case_in_flight() -> None:
    stage = await open_stage()
    window = (await stage.case()).window_ends_at

    stage.world = replace(stage.world, policy=replace(SHORT, end=FREE))
    await stage.passes(days=40)

    case = await stage.case()
    ours = [a for a in await stage.attempts() if a.trigger is Trigger.HOLDFAST]
    assert (case.policy, case.window_ends_at) == ("default@1", window)
    assert len(ours) > 1
    assert [call[1] for call in stage.bank.calls if call[0] == "end"] == ["cancel_now"]


async def test_the_file_is_kept_once_for_each_thing_it_said() -> None:
    stage = await open_stage()
    first = stage.world.policy

    for policy in (first, SHORT, first, SHORT):
        stage.world = replace(stage.world, policy=policy)
        shown = await policies.show_policy(stage.world, "mer_1", "default")
        await stage.hears(a_failure())
        in_force = shown.in_force

    rows = await stage.find(PolicyVersion)
    assert [(row.version, row.made_by) for row in rows] == [(1, DEPLOYMENT)]
    assert in_force == 2


async def test_a_new_case_after_a_change_has_the_next_version_and_an_old_file_its_own() -> None:
    stage = await open_stage()
    labels = []
    for number, policy in enumerate((SHORT, POLICY, SHORT)):
        stage.world = replace(stage.world, policy=policy)
        invoice = an_invoice(invoice_id=f"in_new_{number}", customer_id=f"cus_{number}")
        await stage.hears(replace(a_failure(), invoice=invoice.invoice_id, snapshot=invoice))
        (case,) = await stage.find(Case, invoice_id=invoice.invoice_id)
        labels.append(case.policy)

    rows = await stage.find(PolicyVersion)
    assert labels == ["default@2", "default@1", "default@2"]
    assert {row.version: row.state for row in rows} == {
        1: PolicyState.RETIRED,
        2: PolicyState.PUBLISHED,
    }


async def test_the_policy_that_names_the_case_is_the_one_it_gets() -> None:
    stage = await open_stage()
    mine = replace(SHORT, name="team", applies_to=AppliesTo(plans=("Team",)))
    await published(stage, mine)

    assert (await stage.case()).policy == "default@1"
    seen = await policy_moves.touched(stage.world, "mer_1", mine)
    assert [case.case_id for case in seen.cases] == [(await stage.case()).case_id]


async def test_a_moved_case_goes_on_by_its_new_policy() -> None:
    stage = await open_stage()
    label = await published(stage, replace(POLICY, name="days", retry=DAYS))

    await moves(stage, label)
    moved = await stage.case()
    await stage.passes(days=40)

    ours = [a.intent_at for a in await stage.attempts() if a.trigger is Trigger.HOLDFAST]
    assert (moved.policy, moved.window_ends_at) == (label, MONDAY + timedelta(days=20))
    assert ours == [MONDAY + timedelta(days=2), MONDAY + timedelta(days=4)]
    assert (await stage.case()).state is CaseState.EXHAUSTED


async def test_a_shorter_window_still_announces_its_end() -> None:
    # given a case of fifteen days that is moved to a policy of ten
    stage = await open_stage()
    label = await published(stage, replace(SHORT, name="short"))
    await stage.passes(days=15)

    await moves(stage, label)
    await stage.passes(days=10)

    case = await stage.case()
    (final,) = [m for m in await stage.find(Message) if m.step == "final"]
    assert case.state is CaseState.EXHAUSTED
    assert final.sent_at is not None
    assert case.closed_at is not None
    assert case.closed_at - final.sent_at >= timedelta(hours=72)


async def test_letters_that_the_new_policy_does_not_have_are_not_sent() -> None:
    stage = await open_stage()
    label = await published(stage, replace(POLICY, name="quiet", messages=(), end=FREE))

    await moves(stage, label)
    await stage.passes(days=40)

    assert stage.post.mails[1:] == []
    assert (await stage.letters())["final"] == "dropped"


async def test_a_retry_planned_under_the_old_policy_is_not_made() -> None:
    stage = await open_stage()
    none = replace(POLICY, name="none", retry=RetryPolicy(max_attempts=0))
    label = await published(stage, none)

    await moves(stage, label)
    await stage.passes(days=40)

    assert [call for call in stage.bank.calls if call[0] == "pay"] == []


async def test_a_policy_that_only_watches_takes_nothing_over() -> None:
    stage = await open_stage(replace(POLICY, collection=Collection.OBSERVE))

    await stage.passes(days=20)

    case = await stage.case()
    assert (case.mode, case.driven) == (CollectionMode.OBSERVE, False)
    assert stage.bank.calls == []


async def test_advice_is_shown_and_nothing_is_done() -> None:
    retry = replace(POLICY.retry, strategy=Strategy.ADVICE_ONLY)
    stage = await open_stage(replace(POLICY, retry=retry))

    await stage.passes(days=20)

    assert stage.bank.calls == []
    assert any("we would" in event.text for event in await stage.find(CaseEvent))
