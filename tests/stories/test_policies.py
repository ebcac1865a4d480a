"""Policies of a merchant's own, from the document to the last attempt."""

from typing import Any

import pytest

from app.domain.dunning import CaseState, Trigger
from app.domain.messages import Message, MessageState
from app.domain.policies import PolicyVersion
from app.services import policies
from tests.stories.cards import APPROVES, EXPIRED, REFUSED
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio
GOLD = {
    "applies_to": {"segment": {"tier": ["gold"]}},
    "retry": {"strategy": "fixed", "days": [2, 9], "window_days": 20},
    "end": {"subscription": "leave", "invoice": "leave"},
}


TALKATIVE = {
    "applies_to": {"segment": {"tier": ["gold"]}},
    "reminders": {"terms": [{"from_months": 1, "days": [5]}, {"from_months": 6, "days": [28, 7]}]},
}


async def published(stage: Stage, name: str, document: dict[str, object]) -> None:
    merchant = stage.merchant.merchant_id
    draft = await policies.put_policy(
        stage.world, merchant, name, document, read_version=None, actor="key_1"
    )
    await policies.publish(stage.world, merchant, name, draft.version, actor="key_1")


async def test_a_segment_is_worked_by_its_own_policy(stage: Stage) -> None:
    # given a policy for one segment, a customer in it, and one who is not
    await published(stage, "gold", GOLD)
    tier: dict[str, Any] = {"metadata[tier]": "gold"}
    gold = await stage.subscriber(REFUSED, **tier)
    other = await stage.subscriber(EXPIRED)

    # when both renewals are refused and all windows are over
    await stage.fails(gold)
    await stage.passes(days=30)

    # then each case went by its own policy
    case, plain = await stage.case(gold), (await stage.cases(other))[0]
    ours = [a for a in await stage.attempts(case) if a.trigger is Trigger.HOLDFAST]
    assert (case.policy, plain.policy) == ("gold@1", "default@1")
    assert [(a.intent_at - case.opened_at).days for a in ours] == [2, 9]
    assert case.state is CaseState.EXHAUSTED
    assert stage.there(f"subscriptions/{gold.subscription}")["status"] != "canceled"
    kept = sorted(row.label for row in await stage.find(PolicyVersion))
    assert kept == ["default@1", "gold@1"]


async def test_a_segment_is_reminded_by_its_own_policy(stage: Stage) -> None:
    # given a policy that tells of monthly renewals, for one segment only
    await published(stage, "gold", TALKATIVE)
    tier: dict[str, Any] = {"metadata[tier]": "gold"}
    gold = await stage.subscriber(APPROVES, **tier)
    await stage.subscriber(APPROVES)

    await stage.passes(days=31)

    (sent,) = await stage.find(Message, state=MessageState.SENT)
    assert sent.subscription_id == gold.subscription
    assert sent.step.startswith("renewal-5:")
