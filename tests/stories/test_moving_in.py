"""Moving in: what other products and the provider remember, and nobody who hears of it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.actions import Action, ActionKind
from app.domain.churn import ChurnRecord
from app.domain.events import OutgoingEvent
from app.domain.imports import ImportedSession
from app.domain.messages import Message
from app.domain.mrr import MrrMovement
from app.domain.operations import AuditEntry
from app.services import event_endpoints, moving_in
from app.services.moving_in import AT_A_TIME, Moved
from tests.stories.cards import APPROVES
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio
SESSION = {"reference": "s1", "outcome": "cancelled", "reason": "too_expensive"}


async def imports(stage: Stage, *rows: dict[str, Any], dry_run: bool = False) -> Moved:
    at = (stage.now - timedelta(days=40)).isoformat()
    lines = [(line, {"at": at} | row) for line, row in enumerate(rows, 2)]
    return await moving_in.import_sessions(
        stage.world,
        stage.account,
        lines,
        product="elsewhere",
        reasons={},
        dry_run=dry_run,
        actor="test",
    )


async def test_a_file_is_kept_once_however_often_it_comes(stage: Stage) -> None:
    rows = [SESSION | {"reference": f"s{n}", "subscription": f"sub_{n}"} for n in range(3)]

    first = await imports(stage, *rows)
    again = await imports(stage, *rows, SESSION | {"reference": "s9"})

    assert (first.new, first.known, first.churn) == (3, 0, 3)
    assert (again.new, again.known, again.churn) == (1, 3, 0)
    assert len(await stage.find(ImportedSession)) == 4
    assert len(await stage.find(ChurnRecord)) == 3


@pytest.mark.parametrize("dry_run", [True, False])
async def test_the_last_session_of_a_subscription_ends_it_however_long_the_file_is(
    stage: Stage, dry_run: bool
) -> None:
    # given somebody who left twice, with more than a part's worth of others between
    first = stage.now - timedelta(days=40)
    told = SESSION | {"subscription": "sub_1"}
    rows = [
        told | {"reference": "a", "at": first.isoformat()},
        *(SESSION | {"reference": f"b{n}", "outcome": "saved"} for n in range(AT_A_TIME)),
        told | {"reference": "c", "at": (first + timedelta(days=9)).isoformat()},
    ]

    moved = await imports(stage, *rows, dry_run=dry_run)

    assert (moved.new, moved.churn) == (AT_A_TIME + 2, 1)
    ends = [end.occurred_at for end in await stage.find(ChurnRecord)]
    assert ends == ([] if dry_run else [first + timedelta(days=9)])


async def test_a_line_that_cannot_be_meant_keeps_the_whole_file_out(stage: Stage) -> None:
    moved = await imports(stage, SESSION, SESSION | {"reference": "s2", "outcome": "gone"})

    (wrong,) = moved.wrong
    assert (wrong.line, wrong.column) == (3, "outcome")
    assert await stage.find(ImportedSession) == []


async def test_a_dry_run_finds_the_same_and_keeps_nothing(stage: Stage) -> None:
    told = SESSION | {"subscription": "sub_1"}
    dry = await imports(stage, told, told | {"outcome": "saved"}, dry_run=True)

    assert (dry.lines, dry.new, dry.known, dry.churn) == (2, 1, 1, 1)
    assert await stage.find(ImportedSession) == []
    assert await stage.find(ChurnRecord) == []


async def test_nobody_hears_of_history(stage: Stage) -> None:
    # given a merchant who wants to be told of everything, and somebody who left before us
    await event_endpoints.create(
        stage.world,
        stage.merchant.merchant_id,
        url="https://hooks.kelp.example/",
        description="all",
        types=(),
        actor="test",
    )
    left = await stage.subscriber(APPROVES)

    # when history is moved in
    stage.hears = False
    stage.act(left, "cancel_subscription", feedback="too_complex")
    async with stage.world.store.transaction(stage.merchant.merchant_id) as tx:
        before = len(await tx.find(OutgoingEvent, where={}))
    stage.turns_to(stage.now + timedelta(days=2))
    await imports(stage, SESSION | {"subscription": "sub_of_before", "customer": "cus_of_before"})
    await moving_in.import_history(stage.world, stage.account)
    await stage.works()

    # then no letter is planned and nothing is told of it
    assert await stage.find(Message) == []
    told = await stage.find(OutgoingEvent)
    assert [one for one in told if "sub_of_before" in repr(one.data)] == []
    assert before <= len(told)


async def test_the_provider_remembers_who_left_and_why(stage: Stage) -> None:
    # given somebody who subscribed and left before we were there
    method = stage.sandbox.control("cards", {"base": "visa"})["id"]
    facts: dict[str, Any] = {"invoice_settings[default_payment_method]": method}
    customer = stage.call("customers", email="a@example.com", payment_method=method, **facts)
    made = stage.call(
        "subscriptions",
        customer=customer["id"],
        **{"items[0][price]": stage.price("month", "usd", 3000)},
    )
    path = f"customers/{customer['id']}/acts"
    stage.sandbox.control(path, {"act": "cancel_subscription", "feedback": "too_complex"})

    # when its history is read, twice
    for _ in range(2):
        taken, ends = await moving_in.import_history(stage.world, stage.account)

    # then there is one end with what was said, and no revenue that moved
    (record,) = await stage.find(ChurnRecord)
    assert (taken, ends) == (1, 1)
    assert (record.subscription_id, record.origin) == (made["id"], "history")
    assert (record.feedback, record.reason, record.mrr_minor) == (
        "too_complex",
        "too_complex",
        3000,
    )
    assert await stage.find(MrrMovement) == []
    assert await stage.find(Message) == []


async def test_an_imported_reason_explains_the_end_that_the_provider_told_of(stage: Stage) -> None:
    method = stage.sandbox.control("cards", {"base": "visa"})["id"]
    facts: dict[str, Any] = {"invoice_settings[default_payment_method]": method}
    customer = stage.call("customers", email="a@example.com", payment_method=method, **facts)
    price = {"items[0][price]": stage.price("month", "usd", 3000)}
    made = stage.call("subscriptions", customer=customer["id"], **price)
    stage.sandbox.control(f"customers/{customer['id']}/acts", {"act": "cancel_subscription"})
    await moving_in.import_history(stage.world, stage.account)

    moved = await imports(stage, SESSION | {"subscription": made["id"]})

    assert moved.churn == 2
    lines = sorted(await stage.find(ChurnRecord), key=lambda one: (one.recorded_at, one.entry))
    assert sum(one.count for one in lines) == 1
    assert {one.reason for one in lines if one.count == 1} == {None, "too_expensive"}


async def test_what_customers_wrote_there_is_forgotten_after_a_year_too(stage: Stage) -> None:
    await imports(stage, SESSION | {"comment": "No calendar", "competitor": "Another one"})
    planned = await stage.find(Action)
    (action,) = [one for one in planned if one.kind is ActionKind.FORGET_IMPORTED]
    (line,) = await stage.find(AuditEntry, action="sessions.imported")
    assert "No calendar" not in repr(line)

    async with stage.world.store.transaction(stage.merchant.merchant_id) as tx:
        await tx.save([replace(stage.account, paused_reason="we have moved out")])
    stage.turns_to(action.due_at)
    await stage.works()

    (session,) = await stage.find(ImportedSession)
    assert (session.words, session.competitor) == (None, None)
    assert (session.reason, session.forgotten_at) == ("too_expensive", stage.now)
