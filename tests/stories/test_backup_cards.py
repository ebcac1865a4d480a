"""Another card of the customer, where the policy and they allow it: once, and never as default."""

from typing import Any

import pytest

from app.domain.dunning import Attempt, AttemptState, CaseState, Trigger
from app.domain.recovery import Cause
from app.services import policies
from tests.stories.cards import APPROVES, BROKE, EXPIRED, REFUSED
from tests.stories.looks import Person
from tests.stories.stage import PRICE, Stage

pytestmark = pytest.mark.anyio
AGREED: dict[str, Any] = {"metadata[other_cards]": "yes"}


async def allowed(stage: Stage, **retry: Any) -> None:
    """The merchant's policy names the key under which its customers agree."""
    document = {"backup_consent": "other_cards", "retry": retry}
    merchant = stage.merchant.merchant_id
    draft = await policies.put_policy(
        stage.world, merchant, "mine", document, read_version=None, actor="key_1"
    )
    await policies.publish(stage.world, merchant, "mine", draft.version, actor="key_1")


def has_another(stage: Stage, person: Person, behaviour: dict[str, Any], **card: Any) -> str:
    """A second card in the customer's wallet, which is nobody's default."""
    given = {"card": {"base": "mastercard", "behaviour": behaviour, **card}, "default": False}
    return str(stage.act(person, "new_card", **given)["payment_method"])


async def backups(stage: Stage, person: Person) -> list[Attempt]:
    found = await stage.attempts(await stage.case(person))
    return [a for a in found if a.trigger is Trigger.BACKUP_CARD]


async def test_a_dead_card_is_followed_by_the_other_one_that_was_agreed_to(stage: Stage) -> None:
    # given a customer who agreed, with a second card, and a renewal that finds the first expired
    await allowed(stage)
    person = await stage.subscriber(EXPIRED, **AGREED)
    other = has_another(stage, person, APPROVES)
    case = await stage.fails(person)

    await stage.passes(days=1)

    # then the other pays, by a cause of its own, and is nobody's default
    (attempt,) = await backups(stage, person)
    case = await stage.case(person)
    settings = stage.there(f"customers/{person.customer}")["invoice_settings"]
    subscription = stage.there(f"subscriptions/{person.subscription}")
    assert (attempt.method_id, attempt.state) == (other, AttemptState.APPROVED)
    assert (case.state, case.attempts_used) == (CaseState.RECOVERED, 0)
    assert await stage.ledger(case) == [("recovered", PRICE, Cause.BACKUP_CARD)]
    assert settings["default_payment_method"] == person.method
    assert subscription["default_payment_method"] in (None, person.method)


async def test_it_comes_after_our_own_attempts_are_used_up(stage: Stage) -> None:
    await allowed(stage, max_attempts=1)
    person = await stage.subscriber(REFUSED, **AGREED)
    has_another(stage, person, APPROVES)
    await stage.fails(person)

    await stage.passes(days=27)

    case = await stage.case(person)
    attempts = await stage.attempts(case)
    assert [a.trigger for a in attempts] == ["provider", "holdfast", "backup_card"]
    assert await stage.ledger(case) == [("recovered", PRICE, Cause.BACKUP_CARD)]


async def test_each_card_is_tried_once_a_day_apart_and_the_plan_is_as_before(
    stage: Stage,
) -> None:
    await allowed(stage)
    person = await stage.subscriber(EXPIRED, **AGREED)
    for last4 in ("0001", "0002"):
        has_another(stage, person, BROKE, last4=last4)
    await stage.fails(person)

    await stage.passes(days=12)

    first, second = await backups(stage, person)
    case = await stage.case(person)
    assert first.method_id != second.method_id
    assert (second.intent_at - first.intent_at).total_seconds() >= 20 * 3600
    assert (case.state, case.decline_kind) == (CaseState.ACTIVE, "new_method")
    assert {a.trigger for a in await stage.attempts(case)} == {"provider", "backup_card"}


@pytest.mark.parametrize(
    ("names_key", "customer", "card"),
    [
        pytest.param(False, AGREED, {}, id="the policy names no key"),
        pytest.param(True, {}, {}, id="the customer has not agreed"),
        pytest.param(True, {"metadata[other_cards]": "no"}, {}, id="the customer said no"),
        pytest.param(True, AGREED, {"exp_year": 2026, "exp_month": 9}, id="it has expired"),
    ],
)
async def test_without_consent_or_a_good_card_no_other_is_tried(
    stage: Stage, names_key: bool, customer: dict[str, Any], card: dict[str, Any]
) -> None:
    if names_key:
        await allowed(stage)
    person = await stage.subscriber(EXPIRED, **customer)
    has_another(stage, person, APPROVES, **card)
    await stage.fails(person)

    await stage.passes(days=5)

    assert await backups(stage, person) == []
    assert (await stage.case(person)).state is CaseState.ACTIVE


async def test_consent_given_in_the_midst_of_a_case_counts_at_once(stage: Stage) -> None:
    await allowed(stage)
    person = await stage.subscriber(EXPIRED)
    has_another(stage, person, APPROVES)
    await stage.fails(person)
    await stage.passes(days=2)

    stage.call(f"customers/{person.customer}", **AGREED)
    await stage.plays()
    await stage.passes(hours=8)

    assert len(await backups(stage, person)) == 1
    assert (await stage.case(person)).cause == Cause.BACKUP_CARD


async def test_consent_withdrawn_unheard_is_heeded_by_the_last_look(stage: Stage) -> None:
    # given a try with another card that waits for the day
    await allowed(stage)
    person = await stage.subscriber(EXPIRED, **AGREED)
    has_another(stage, person, APPROVES)
    await stage.fails(person)
    stage.hears = False

    stage.call(f"customers/{person.customer}", **{"metadata[other_cards]": ""})
    await stage.passes(days=2)

    assert await backups(stage, person) == []
    assert stage.fuse.keys() == []


async def test_a_card_that_was_taken_off_unheard_is_not_charged(stage: Stage) -> None:
    await allowed(stage)
    person = await stage.subscriber(EXPIRED, **AGREED)
    other = has_another(stage, person, APPROVES)
    await stage.fails(person)
    stage.hears = False

    stage.call(f"payment_methods/{other}/detach")
    await stage.passes(days=2)

    assert await backups(stage, person) == []
    assert stage.fuse.keys() == []
