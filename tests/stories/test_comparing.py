"""The ledger beside the provider's own lists: line by line, every night and on demand."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.actions import Action, ActionKind
from app.domain.comparing import ComparedLine, Comparison, LineKind, LineState
from app.domain.operations import Alert
from app.domain.recovery import Cause, EntryKind, RecoveryEntry
from app.services import comparing
from tests.stories.cards import APPROVES, EXPIRED, REFUSED, REFUSED_ONCE
from tests.stories.looks import Person
from tests.stories.stage import PRICE, Stage

pytestmark = pytest.mark.anyio


async def recovers(stage: Stage, **words: Any) -> Person:
    """Somebody whose renewal was refused once and then paid."""
    person = await stage.subscriber(REFUSED_ONCE, **words)
    case = await stage.fails(person)
    await stage.reaches(case.next_attempt_at, hours=2)
    return person


async def compares(stage: Stage) -> Comparison:
    """A comparison on demand, carried out to its end."""
    begun = await comparing.begin_comparison(stage.world, stage.account, asked_by="test")
    await stage.passes(hours=1)
    (ended,) = await stage.find(Comparison, comparison_id=begun.comparison_id)
    assert ended.ended_at is not None
    return ended


async def lines_of(stage: Stage, of: Comparison) -> list[tuple[str, int, int | None, str]]:
    found = await stage.find(ComparedLine, comparison_id=of.comparison_id)
    return [
        (line.kind, line.ours_minor, line.theirs_minor, line.state)
        for line in sorted(found, key=lambda line: (line.kind, line.ref))
    ]


async def invents(stage: Stage, person: Person, minor: int) -> None:
    """A line of the ledger that no dispute of the provider's is behind."""
    case = await stage.case(person)
    line = RecoveryEntry(
        entry_id="rec_invented",
        merchant_id=case.merchant_id,
        account_id=case.account_id,
        invoice_id=case.invoice_id,
        case_id=case.case_id,
        kind=EntryKind.DISPUTE_LOST,
        cause=Cause.UNKNOWN,
        assisted_by=None,
        currency="usd",
        amount_minor=-minor,
        tax_minor=0,
        plan=None,
        interval=None,
        provider_ref="dp_invented",
        failed_at=case.opened_at,
        occurred_at=stage.now,
        recorded_at=stage.now,
    )
    async with stage.world.store.transaction(stage.merchant.merchant_id) as tx:
        await tx.insert([line])


async def test_what_was_recovered_given_back_and_is_owed_agrees_to_the_cent(stage: Stage) -> None:
    # given one who paid and had a part given back, one who still owes, one who never failed
    paid = await stage.subscriber(REFUSED_ONCE)
    await stage.subscriber(REFUSED, address=None)
    await stage.subscriber(APPROVES)
    case = await stage.fails(paid)
    await stage.reaches(case.next_attempt_at, hours=1)
    stage.act(paid, "refund", amount=1000)
    await stage.passes(hours=2)

    told = await compares(stage)

    assert await lines_of(stage, told) == [
        (LineKind.GIVEN_BACK, 1000, 1000, LineState.AGREES),
        (LineKind.OWED, PRICE, PRICE, LineState.AGREES),
        (LineKind.PAID, PRICE, PRICE, LineState.AGREES),
    ]
    assert (told.lines, told.mended, told.differing) == (3, 0, 0)
    assert told.totals == {
        "usd": {"given_back": [1, 1000, 1000], "owed": [1, PRICE, PRICE], "paid": [1, PRICE, PRICE]}
    }
    assert await stage.alerts() == []


@pytest.mark.parametrize("won", [False, True])
async def test_a_dispute_counts_once_it_is_lost(stage: Stage, won: bool) -> None:
    person = await recovers(stage)
    (charge,) = stage.captures(await stage.case(person))
    dispute = stage.act(person, "dispute", charge=charge["id"])["dispute"]
    await stage.passes(days=1)
    stage.act(person, "close_dispute", dispute=dispute, won=won)
    await stage.passes(hours=2)

    told = await compares(stage)

    lost = [line for line in await lines_of(stage, told) if line[0] == LineKind.LOST]
    assert lost == ([] if won else [(LineKind.LOST, PRICE, PRICE, LineState.AGREES)])
    assert told.differing == 0


async def test_a_payment_no_webhook_told_of_is_found_taken_in_and_called_mended(
    stage: Stage,
) -> None:
    person = await stage.subscriber(EXPIRED, address=None)
    await stage.fails(person)
    stage.hears = False
    stage.act(person, "pay_hosted_invoice")
    await stage.passes(hours=2)

    told = await compares(stage)

    assert (LineKind.PAID, PRICE, PRICE, LineState.MENDED) in await lines_of(stage, told)
    assert [kind for kind, _, _ in await stage.ledger(await stage.case(person))] == ["recovered"]
    assert told.differing == 0
    assert await stage.alerts() == []


async def test_a_refund_that_no_webhook_told_had_failed_is_found_and_mended(stage: Stage) -> None:
    # given money that went back, and came back to the merchant unheard of
    person = await recovers(stage)
    refund = stage.act(person, "refund")["refund"]
    await stage.passes(hours=2)
    stage.hears = False
    stage.act(person, "fail_refund", refund=refund)
    await stage.passes(hours=2)

    told = await compares(stage)

    lines = await stage.ledger(await stage.case(person))
    assert [(kind, amount) for kind, amount, _ in lines] == [
        ("recovered", PRICE),
        ("refunded", -PRICE),
        ("refund_failed", PRICE),
    ]
    assert told.differing == 0
    assert await stage.alerts() == []


async def test_what_the_provider_does_not_know_is_listed_and_a_person_told(stage: Stage) -> None:
    person = await recovers(stage)
    await invents(stage, person, 700)
    await stage.passes(hours=2)

    told = await compares(stage)
    again = await compares(stage)

    differing = [line for line in await lines_of(stage, told) if line[3] == LineState.DIFFERS]
    assert differing == [(LineKind.LOST, 700, None, LineState.DIFFERS)]
    assert (told.lines, told.differing, again.differing) == (2, 1, 1)
    assert (told.totals or {})["usd"] == {"lost": [1, 700, 0], "paid": [1, PRICE, PRICE]}
    assert await stage.alerts() == [comparing.DIFFERS]


async def test_a_difference_is_asked_about_every_night_until_it_is_gone(stage: Stage) -> None:
    # given a line that the first night finds wrong
    person = await recovers(stage)
    await comparing.begin_nightly(stage.world, stage.account)
    await invents(stage, person, 700)
    await stage.passes(days=1)

    # when some nights go by, and then it is put right
    await stage.passes(days=2)
    before = await stage.find(Alert)
    (invented,) = await stage.find(RecoveryEntry, provider_ref="dp_invented")
    right = replace(invented, entry_id="rec_right", kind=EntryKind.DISPUTE_WON, amount_minor=700)
    async with stage.world.store.transaction(stage.merchant.merchant_id) as tx:
        await tx.insert([right])
    await stage.passes(days=1)

    nights = sorted(await stage.find(Comparison), key=lambda night: night.began_at)
    (settled,) = await stage.find(Alert)
    assert [night.differing for night in nights] == [1, 1, 1, 0]
    assert [alert.resolved_at for alert in before] == [None]
    assert settled.resolved_at is not None


async def test_nights_go_on_where_the_night_before_ended(stage: Stage) -> None:
    await recovers(stage)
    for _ in range(3):
        await comparing.begin_nightly(stage.world, stage.account)
    await stage.passes(days=3)

    nights = sorted(await stage.find(Comparison), key=lambda night: night.began_at)
    assert [night.began_at.hour for night in nights] == [3, 3, 3]
    assert nights[0].until - nights[0].since == timedelta(days=35)
    assert [n.until - n.since for n in nights[1:]] == [timedelta(days=2)] * 2
    assert len([a for a in await stage.find(Action) if a.kind is ActionKind.COMPARE]) == 1


async def test_a_comparison_that_is_broken_off_goes_on_behind_its_last_page(stage: Stage) -> None:
    person = await recovers(stage)
    begun = await comparing.begin_comparison(stage.world, stage.account, asked_by="test")
    stage.fuse.arm(9, _away(stage))
    await stage.plays()
    (part,) = await stage.find(Comparison, comparison_id=begun.comparison_id)
    stage.fuse.away = False
    await stage.passes(hours=2)

    (whole,) = await stage.find(Comparison, comparison_id=begun.comparison_id)
    assert part.ended_at is None
    assert part.part != "charges"
    assert (whole.lines, whole.differing) == (1, 0)
    assert whole.ended_at is not None
    assert len(await stage.ledger(await stage.case(person))) == 1


def _away(stage: Stage) -> Callable[[], Awaitable[None]]:
    async def goes() -> None:
        stage.fuse.away = True

    return goes


@pytest.mark.parametrize("days", [0, 400])
async def test_a_span_that_is_none_is_refused(stage: Stage, days: int) -> None:
    until = stage.now - timedelta(days=1)
    with pytest.raises(comparing.SpanTooLong):
        await comparing.begin_comparison(
            stage.world,
            stage.account,
            asked_by="test",
            since=until - timedelta(days=days),
            until=until,
        )
