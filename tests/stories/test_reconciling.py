"""A webhook that never comes is found by reading, within a day and once."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.dunning import Case, CaseState, Waits
from app.domain.merchants import ProviderAccount
from app.domain.messages import Message
from app.domain.mirror import Invoice, Subscription
from app.domain.operations import Alert, InboxEvent
from app.domain.recovery import Failure
from app.services.merchants import add_webhook_secret, replace_key
from app.services.old_debts import count_held, release_old_debts
from app.services.reconciling import begin_reconciling, last_round
from tests.stories.cards import APPROVES, EXPIRED, REFUSED, REFUSED_ONCE
from tests.stories.looks import Person
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio
LISTS = "/v1/events"


async def reconciled(stage: Stage) -> None:
    await begin_reconciling(stage.world, stage.account)
    await stage.plays()


async def found_last(stage: Stage) -> dict[str, int]:
    """The figures of the last round."""
    action = await last_round(stage.world, stage.account)
    assert action is not None
    figures: dict[str, int] = (action.data or {})["of_last"]
    return figures


async def watched(stage: Stage) -> int:
    return sum(action.kind is ActionKind.WATCH for action in await stage.find(Action))


async def loses(stage: Stage, *types: str) -> None:
    """From now on the webhooks of these types never come."""
    stage.order = lambda events: [event for event in events if event["type"] not in types]


async def test_a_lost_failure_is_found_within_a_day_and_written_about_once(stage: Stage) -> None:
    # given a renewal that was refused, of which no webhook told
    person = await stage.subscriber(EXPIRED)
    await stage.passes(days=29.9)
    await reconciled(stage)
    await loses(stage, "invoice.payment_failed", "invoice.updated")
    await stage.passes(hours=3.4)

    # when a day goes by, and then the webhooks come after all
    before = await stage.cases(person)
    await stage.passes(days=1)
    case, letters = await stage.case(person), len(await stage.mails())
    await stage.delivers(*[e for e in stage.sandbox.events() if e["type"].startswith("invoice.")])
    await stage.passes(hours=12)

    assert before == []
    assert case.state is CaseState.ACTIVE
    assert letters == 1
    assert len(await stage.mails()) == 1
    assert len(await stage.find(Failure)) == 1
    assert await stage.alerts() == ["missed_webhooks"]


async def test_a_lost_payment_is_found_within_a_day_and_stops_the_letters(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    await stage.fails(person)
    await reconciled(stage)
    await stage.passes(days=1)
    written = await stage.letters(await stage.case(person))

    stage.hears = False
    stage.act(person, "pay_hosted_invoice")
    await stage.passes(days=1)

    case = await stage.case(person)
    assert case.state is CaseState.RECOVERED
    assert written == ["failed"]
    assert await stage.letters(case) == ["failed", "recovered"]
    assert [kind for kind, _, _ in await stage.ledger(case)] == ["recovered"]


async def test_a_lost_end_of_a_subscription_is_found_within_a_day(stage: Stage) -> None:
    person = await stage.subscriber(APPROVES)
    await reconciled(stage)
    stage.hears = False

    stage.sandbox.raw("DELETE", f"/v1/subscriptions/{person.subscription}")
    await stage.passes(days=1)

    (subscription,) = await stage.find(Subscription)
    moved = await stage.movements(person)
    stage.hears = True
    await stage.passes(days=1)
    assert subscription.status == "canceled"
    assert await stage.movements(person) == moved
    assert "churn_voluntary" in {kind for kind, _ in moved}


async def test_where_every_webhook_comes_nothing_is_found_and_nobody_told(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    await stage.passes(days=29.5)
    await reconciled(stage)
    await stage.passes(hours=13)
    case = await stage.case(person)
    await stage.reaches(case.next_attempt_at, hours=24)

    assert (await stage.case(person)).state is CaseState.RECOVERED
    assert await stage.states(case) == ["approved"]
    assert (await found_last(stage))["missed"] == 0
    assert await stage.alerts() == []


async def test_the_alert_about_missed_webhooks_settles_itself(stage: Stage) -> None:
    await stage.subscriber(APPROVES)
    await reconciled(stage)
    stage.hears = False
    stage.call("customers", email="new@example.com")
    await stage.passes(hours=13)
    (told,) = await stage.find(Alert)
    stage.hears = True

    await stage.passes(days=1)

    (settled,) = await stage.find(Alert)
    assert told.resolved_at is None
    assert settled.resolved_at is not None


async def test_a_case_nobody_tells_of_is_looked_at_once_a_day(stage: Stage) -> None:
    # given a case whose invoice is void, with every event of it gone
    person = await stage.subscriber(REFUSED, address=None)
    case = await stage.fails(person)
    await reconciled(stage)
    stage.hears = False
    stage.sandbox.control("faults", {"fault": "429", "path": LISTS, "times": 10_000})
    stage.call(f"invoices/{case.invoice_id}/void")
    await stage.passes(hours=2)
    stage.mended()

    # when the provider shows its events no more
    events = [row["id"] for row in stage.missed()]
    await stage.delivers()
    await stage.passes(days=1)

    assert events
    assert (await stage.case(person)).state is CaseState.STOPPED


async def test_a_case_that_stands_as_known_costs_no_look_of_its_own(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED, address=None)
    case = await stage.fails(person)
    await reconciled(stage)
    looks = await watched(stage)
    await stage.passes(days=2)

    assert (await stage.case(person)).state is CaseState.ACTIVE
    assert (await found_last(stage))["quiet"] == 0
    assert await watched(stage) == looks
    (invoice,) = [i for i in await stage.find(Invoice) if i.invoice_id == case.invoice_id]
    assert invoice.seen_at is not None
    assert stage.now - invoice.seen_at <= timedelta(days=1)


async def test_a_slow_provider_is_asked_as_late_as_it_says(stage: Stage) -> None:
    await stage.subscriber(APPROVES)
    stage.fault("429", LISTS, retry_after=3000)

    await reconciled(stage)
    refused = await last_round(stage.world, stage.account)
    await stage.passes(hours=0.8)
    early = await last_round(stage.world, stage.account)
    await stage.passes(hours=0.3)

    assert refused is not None
    assert (refused.data or {})["of_last"] is None
    assert early == refused
    assert (await found_last(stage))["quiet"] == 0


async def test_a_round_that_is_broken_off_goes_on_behind_its_last_page(stage: Stage) -> None:
    # given more events than one page shows, none of them heard
    await stage.subscriber(APPROVES)
    await reconciled(stage)
    stage.hears = False
    for number in range(230):
        stage.call("customers", email=f"{number}@example.com")
    await stage.passes(hours=11.9)

    # when the provider is away behind the first page
    asked = stage.fuse.passed
    stage.fuse.arm(8, _away(stage))
    await stage.passes(hours=0.2)
    part = await last_round(stage.world, stage.account)
    stage.fuse.away = False
    await stage.passes(hours=2)

    known = await stage.find(InboxEvent, type="customer.created")
    assert asked
    assert part is not None
    assert (part.data or {})["missed"] > 0
    assert len({event.event_id for event in known}) >= 230
    assert (await found_last(stage))["missed"] >= 230


def _away(stage: Stage) -> Callable[[], Awaitable[None]]:
    async def goes() -> None:
        stage.fuse.away = True

    return goes


# what was past due before we came


async def connects_later(stage: Stage, behaviour: dict[str, Any] = EXPIRED) -> Person:
    """Somebody whose renewal was refused a week before the merchant came to us."""
    person = await stage.subscriber(behaviour)
    stage.hears = False
    await stage.passes(days=37)
    stage.account = replace(stage.account, created_at=stage.now)
    async with stage.world.store.transaction(stage.merchant.merchant_id) as tx:
        await tx.save([stage.account])
    stage.heard = stage.sandbox.events()[-1]["id"]
    stage.hears = True
    return person


async def test_an_old_debt_is_taken_in_and_nobody_is_written_to(stage: Stage) -> None:
    person = await connects_later(stage)

    await reconciled(stage)
    await stage.passes(days=8)
    case, held = await stage.case(person), await count_held(stage.world, stage.account)
    await stage.passes(days=12)

    assert (case.state, case.waits, case.driven) == (CaseState.ACTIVE, Waits.ON_HOLD, False)
    assert held == 1
    assert (await stage.case(person)).reason == "the provider ended the subscription"
    assert await stage.find(Message) == []
    assert stage.fuse.keys() == []
    assert await stage.alerts() == []


async def test_what_was_refused_between_adding_and_connecting_an_account_is_an_old_debt_too(
    stage: Stage,
) -> None:
    # given an account that was added, and connected weeks later, once its provider retries no more
    person = await stage.subscriber(REFUSED)
    stage.hears = False
    await stage.passes(days=37)
    stage.account = await add_webhook_secret(
        stage.world, stage.account, secret="whsec_first", actor="test", endpoint_ref="we_1"
    )
    stage.heard = stage.sandbox.events()[-1]["id"]
    stage.hears = True

    # when what is past due is taken in
    await reconciled(stage)
    await stage.passes(days=2)

    # then nobody is charged or written to before a person says so
    case = await stage.case(person)
    assert (case.waits, stage.fuse.keys(), await stage.mails()) == (Waits.ON_HOLD, [], [])


async def test_an_old_debt_that_is_released_is_collected_like_any_other(stage: Stage) -> None:
    person = await connects_later(stage)
    await reconciled(stage)
    await stage.passes(days=3)

    counts = [await release_old_debts(stage.world, stage.account, actor="test") for _ in range(2)]
    released = stage.now
    await stage.passes(days=1)

    case = await stage.case(person)
    assert counts == [1, 0]
    assert case.driven
    assert case.window_ends_at - released >= timedelta(days=27)
    assert await stage.letters(case) == ["failed"]
    assert await count_held(stage.world, stage.account) == 0


async def test_an_old_debt_paid_while_it_is_held_counts_and_nobody_is_thanked(
    stage: Stage,
) -> None:
    person = await connects_later(stage)
    await reconciled(stage)

    stage.act(person, "pay_hosted_invoice")
    await stage.passes(days=1)

    case = await stage.case(person)
    assert case.state is CaseState.RECOVERED
    assert [kind for kind, _, _ in await stage.ledger(case)] == ["recovered"]
    assert await stage.mails() == []
    assert await release_old_debts(stage.world, stage.account, actor="test") == 0


async def test_a_retry_of_the_provider_on_an_old_debt_is_no_new_debt(stage: Stage) -> None:
    person = await connects_later(stage)
    failed = [e for e in stage.sandbox.events() if e["type"] == "invoice.payment_failed"][-1]

    await stage.delivers({**failed, "id": "evt_again", "created": int(stage.now.timestamp())})
    await stage.passes(days=2)

    assert (await stage.case(person)).waits is Waits.ON_HOLD
    assert await stage.mails() == []


# keys


async def test_a_new_key_resumes_what_a_refused_one_paused(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    await stage.fails(person)
    await reconciled(stage)
    good = stage.sandbox.key
    await stage.key_is(stage.world.sealer.seal("sk_live_revoked"))
    await stage.passes(days=2)
    paused, alerts = await stage.paused(), await stage.find(Alert)

    await replace_key(stage.world, stage.account, api_key=good, actor="test")
    await stage.passes(hours=2)

    assert (paused or "").startswith("the provider refuses the key")
    assert [alert.kind for alert in alerts] == ["account_paused"]
    assert await stage.paused() is None
    assert all(alert.resolved_at for alert in await stage.find(Alert))


async def test_a_new_key_does_not_end_a_pause_that_a_person_made(stage: Stage) -> None:
    async with stage.world.store.transaction(stage.merchant.merchant_id) as tx:
        (account,) = await tx.load(ProviderAccount, [(stage.account.account_id,)])
        await tx.save([replace(account, paused_at=stage.now, paused_reason="an audit")])

    await replace_key(stage.world, stage.account, api_key=stage.sandbox.key, actor="test")

    assert await stage.paused() == "an audit"


async def test_an_account_is_reconciled_by_one_action_however_often_it_is_begun(
    stage: Stage,
) -> None:
    for _ in range(3):
        await reconciled(stage)
    await stage.passes(days=3)

    (action,) = [a for a in await stage.find(Action) if a.kind is ActionKind.RECONCILE]
    assert action.state is ActionState.PENDING
    assert action.due_at > stage.now
    assert await stage.find(Case) == []
