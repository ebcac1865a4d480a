"""The preview tells what the service does: compared with it, step by step."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from app.domain.declines import Decline, DeclineKind
from app.domain.dunning import Trigger
from app.domain.merchants import CollectionMode
from app.domain.messages import Message, MessageState
from app.domain.policies import Policy
from app.domain.policy_documents import InvalidPolicy, policy_from
from app.domain.preview import Line, preview
from app.domain.preview_cast import Assumed
from tests.domain.builders import MERCHANT, MONDAY
from tests.policies.documents import meaningful
from tests.review.stage import declined, open_stage

pytestmark = pytest.mark.anyio
PATIENT = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=200)
INTERVALS = st.sampled_from(["day", "week", "month", "year", None])


def a_failure(kind: DeclineKind = DeclineKind.INSUFFICIENT_FUNDS, **more: Any) -> Assumed:
    decline = Decline(kind=kind, code=str(kind), brand=more.pop("brand", "visa"))
    return Assumed(at=MONDAY, decline=decline, **({"plan": "Team"} | more))


def previewed(
    policy: Policy, failure: Assumed, mode: CollectionMode = CollectionMode.DRIVE
) -> list[Line]:
    return list(preview(policy, failure, merchant=MERCHANT, mode=mode))


def told(lines: list[Line], kind: str) -> list[tuple[Any, str]]:
    return [(line.at, line.what) for line in lines if line.kind == kind]


async def lived(policy: Policy, failure: Assumed) -> dict[str, list[tuple[Any, str]]]:
    """The same failure under the real services, at a bank that refuses every time."""
    stage = await open_stage(policy, failure.decline)
    stage.bank.answers = [declined(f"ch_{n}", decline=failure.decline) for n in range(20)]
    await stage.passes(days=120)
    case = await stage.case()
    ours = [a for a in await stage.attempts() if a.trigger is Trigger.HOLDFAST]
    sent = await stage.find(Message, state=MessageState.SENT)
    return {
        "retry": [(a.intent_at, str(n)) for n, a in enumerate(ours, start=1)],
        "message": sorted((m.sent_at, m.step) for m in sent),
        "end": [(case.closed_at, str(case.state))],
    }


@pytest.mark.parametrize("kind", DeclineKind)
@pytest.mark.parametrize(
    "document",
    [
        pytest.param({}, id="the shipped policy"),
        pytest.param({"retry": {"strategy": "fixed", "days": [1, 3, 7, 27]}}, id="fixed days"),
        pytest.param({"retry": {"max_attempts": 0}}, id="no retry"),
        pytest.param({"retry": {"max_attempts": 1, "window_days": 5}, "messages": []}, id="none"),
    ],
)
async def test_a_preview_is_what_the_service_does(
    document: dict[str, Any], kind: DeclineKind
) -> None:
    free = {} if document.get("messages") is None else {"subscription": "leave", "invoice": "leave"}
    policy = policy_from({**document, "end": free})
    failure = a_failure(kind)

    lines = previewed(policy, failure)

    happened = await lived(policy, failure)
    assert told(lines, "retry") == happened["retry"]
    assert sorted(told(lines, "message")) == happened["message"]
    assert told(lines, "end") == happened["end"]


async def test_every_retry_of_a_preview_says_why() -> None:
    lines = previewed(policy_from({}), a_failure())

    whys = [line.why for line in lines if line.kind == "retry"]
    assert whys[0] == "waits for Friday: short of funds, payday; 0 of 8 attempts used"
    assert all(whys)


@PATIENT
@given(document=meaningful(), kind=st.sampled_from(DeclineKind), interval=INTERVALS)
def test_whatever_a_valid_policy_says_its_case_ends_rightly(
    document: Any, kind: DeclineKind, interval: str | None
) -> None:
    try:
        policy = policy_from(document)
    except InvalidPolicy:
        assume(False)

    lines = previewed(policy, a_failure(kind, interval=interval))

    retries = [line.at for line in lines if line.kind == "retry"]
    ends = [line for line in lines if line.kind == "end"]
    spacing = timedelta(hours=policy.retry.min_spacing_hours)
    assert [line.what for line in ends] == ["exhausted"]
    assert len(retries) <= policy.retry.max_attempts
    assert all(after - before >= spacing for before, after in pairwise(retries))
    assert all(at <= ends[0].at for at in retries)
    assert _announced(policy, lines)
    assert _levels_only_fall(lines)


def _announced(policy: Policy, lines: list[Line]) -> bool:
    """Whether the end came at least 72 hours after its notice, where something ends and is told."""
    leaves = (policy.end.subscription, policy.end.invoice) == ("leave", "leave")
    if leaves or not policy.is_material(3000, "usd"):
        return True
    (end,) = [line.at for line in lines if line.kind == "end"]
    notices = [line.at for line in lines if line.why == "final_notice"]
    return bool(notices) and end - notices[0] >= timedelta(hours=72)


def _levels_only_fall(lines: list[Line]) -> bool:
    order = ["grace", "restricted", "blocked", "ended"]
    seen = [order.index(line.what) for line in lines if line.kind == "access"]
    return seen == sorted(set(seen))


@pytest.mark.parametrize(
    ("document", "retries", "letters"),
    [
        pytest.param({"retry": {"max_attempts": 0}}, 0, True, id="no retry"),
        pytest.param({"retry": {"max_attempts": 1}}, 1, True, id="one attempt"),
        pytest.param(
            {"messages": [], "end": {"subscription": "leave", "invoice": "leave"}},
            7,
            False,
            id="no letter",
        ),
        pytest.param(
            {
                "retry": {"window_days": 1},
                "messages": [],
                "end": {"subscription": "leave", "invoice": "leave"},
            },
            0,
            False,
            id="a day",
        ),
        pytest.param({"materiality_minor": {"usd": 3001}}, 7, False, id="silent"),
    ],
)
def test_small_policies_end_as_well(document: Any, retries: int, letters: bool) -> None:
    lines = previewed(policy_from(document), a_failure())

    assert len(told(lines, "retry")) == retries
    assert bool(told(lines, "message")) is letters
    assert [what for _, what in told(lines, "end")] == ["exhausted"]


def test_levels_of_access_are_days_from_the_first_failure() -> None:
    access = {"grace_days": 0, "restricted_day": 5, "blocked_day": None}

    lines = previewed(policy_from({"access": access}), a_failure())

    assert [(line.at - MONDAY, line.what) for line in lines if line.kind == "access"][:2] == [
        (timedelta(0), "grace"),
        (timedelta(days=5), "restricted"),
    ]


@pytest.mark.parametrize(
    ("document", "mode"),
    [
        ({}, CollectionMode.OBSERVE),
        ({"collection": "observe"}, CollectionMode.DRIVE),
        ({"retry": {"strategy": "advice_only"}}, CollectionMode.DRIVE),
    ],
)
def test_where_the_provider_retries_nothing_of_ours_is_shown(
    document: Any, mode: CollectionMode
) -> None:
    lines = previewed(policy_from(document), a_failure(), mode)

    assert told(lines, "retry") == []
    assert [what for _, what in told(lines, "end")] == ["parked"]


def test_a_failure_without_a_case_says_why() -> None:
    lines = previewed(policy_from({}), a_failure(amount_minor=0))

    assert [(line.what, line.why) for line in lines] == [("no_case", "zero_amount")]
