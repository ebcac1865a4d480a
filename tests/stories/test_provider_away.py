"""A provider that is away or refuses our key: nothing is spent, nothing untrue is written."""

from dataclasses import replace

import pytest

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.dunning import AttemptState, CaseState
from app.services.merchants import replace_key, resume_account
from tests.stories.cards import EXPIRED, REFUSED_ONCE
from tests.stories.stage import Stage

pytestmark = pytest.mark.anyio


async def test_a_day_and_a_half_without_a_provider_costs_no_attempt(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    await stage.reaches(case.next_attempt_at, hours=-1)

    stage.fuse.away = True
    await stage.passes(hours=36)
    meanwhile, mails = await stage.case(person), await stage.mails()
    stage.fuse.away = False
    await stage.passes(hours=2)

    assert (meanwhile.state, meanwhile.attempts_used) == (CaseState.ACTIVE, 0)
    assert mails == []
    assert await stage.states(case) == [AttemptState.APPROVED]
    assert await stage.mails() == []


async def test_a_provider_away_is_asked_less_and_less_often(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE, address=None)
    case = await stage.fails(person)
    await stage.reaches(case.next_attempt_at, hours=-1)

    stage.fuse.away = True
    await stage.passes(hours=25)
    asked = len(stage.fuse.keys("read_invoice"))
    stage.fuse.away = False

    assert 20 <= asked <= 35


async def test_what_was_put_off_for_other_reasons_is_asked_again_soon(stage: Stage) -> None:
    # given a retry that was claimed many times, its account being paused
    person = await stage.subscriber(REFUSED_ONCE, address=None)
    case = await stage.fails(person)
    assert case.next_attempt_at is not None
    await stage.reaches(case.next_attempt_at, hours=-0.1)
    (retry,) = [a for a in await stage.find(Action) if a.kind is ActionKind.RETRY]
    async with stage.world.store.transaction(case.merchant_id) as tx:
        await tx.save([replace(retry, claims=40)])

    # when the provider is away at its instant, and back five minutes later
    stage.fuse.away = True
    await stage.reaches(case.next_attempt_at, hours=0.08)
    stage.fuse.away = False
    await stage.passes(hours=0.2)

    assert await stage.states(case) == [AttemptState.APPROVED]


async def test_a_letter_kept_back_by_an_outage_goes_out_after_it(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)

    stage.fuse.away = True
    await stage.passes(hours=12)
    before = await stage.letters(case)
    stage.fuse.away = False
    await stage.passes(hours=24)

    assert before == []
    assert await stage.letters(case) == ["failed"]


async def test_after_a_long_outage_one_letter_goes_out_the_newest(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    case = await stage.fails(person)

    stage.fuse.away = True
    await stage.passes(days=4)
    stage.fuse.away = False
    await stage.passes(days=1)

    assert await stage.letters(case) == ["reminder-1"]
    assert len(await stage.mails()) == 1


async def test_a_case_opened_while_the_provider_is_away_is_taken_over_later(stage: Stage) -> None:
    person = await stage.subscriber(REFUSED_ONCE)
    stage.fuse.away = True
    await stage.passes(days=31)
    opened = await stage.case(person)

    stage.fuse.away = False
    await stage.passes(days=5)

    assert (opened.state, opened.driven) == (CaseState.ACTIVE, False)
    assert (await stage.case(person)).state is CaseState.RECOVERED


async def test_a_revoked_key_pauses_the_account_and_spends_nothing(stage: Stage) -> None:
    # given a key that the provider does not take any more
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    good = stage.account.api_key_sealed
    await stage.key_is(stage.world.sealer.seal("sk_live_revoked"))

    # when a retry comes due, and a day later the key is renewed
    await stage.reaches(case.next_attempt_at, hours=24)
    paused, alerts = await stage.paused(), await stage.alerts()
    spent, mails = (await stage.case(person)).attempts_used, await stage.mails()
    await stage.key_is(good)
    await resume_account(stage.world, stage.account, actor="test")
    await stage.plays()

    # then it is made at once, and nothing was spent before
    assert paused is not None
    assert alerts == ["account_paused"]
    assert (spent, mails) == (0, [])
    assert await stage.states(case) == [AttemptState.APPROVED]


async def test_what_met_the_refused_key_is_done_at_once_with_the_new_one(stage: Stage) -> None:
    # given a retry that found the key revoked
    person = await stage.subscriber(REFUSED_ONCE)
    case = await stage.fails(person)
    good = stage.sandbox.key
    await stage.key_is(stage.world.sealer.seal("sk_live_revoked"))
    await stage.reaches(case.next_attempt_at, hours=0.1)
    paused = await stage.paused()

    # when a person gives the account another within the hour
    await replace_key(stage.world, stage.account, api_key=good, actor="test")
    await stage.plays()

    assert paused is not None
    assert await stage.states(case) == [AttemptState.APPROVED]


async def test_no_action_is_lost_while_an_account_is_paused(stage: Stage) -> None:
    person = await stage.subscriber(EXPIRED)
    await stage.fails(person)
    await stage.key_is(stage.world.sealer.seal("sk_live_revoked"))

    await stage.passes(days=1)

    states = {action.state for action in await stage.find(Action)}
    assert ActionState.PARKED not in states
    assert (await stage.case(person)).state is CaseState.ACTIVE
