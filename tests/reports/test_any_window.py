"""Any window and any span: what is not kept as it is asked is put together exactly."""

import random
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.domain.recovery import EntryKind
from app.ports.figures import CohortRule, Excerpt, Period
from app.reports.periods import Step, cut, midnight
from app.storage.reports.figures import PostgresFigures
from app.storage.reports.ledgers import STATEMENTS
from app.storage.reports.rolled import Rolled
from app.storage.reports.rolling import FOLDED
from tests.reports.builders import JAN_1, MERCHANT, case, day, entry, failure, held_out
from tests.reports.conftest import Ledger
from tests.reports.random_rows import everything, some_time
from tests.reports.test_by_hand import ZONES, filled, random_rows
from tests.reports.test_rollups import ANY_WINDOW, END, a_question, folded, same

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("seed", range(2))
async def test_the_arms_of_the_holdout_are_the_same_from_rollups_and_from_the_ledgers(
    empty_ledger: Ledger, seed: int
) -> None:
    # given customers who fail again and again, some of them under no name
    ledger, draw = empty_ledger, random.Random(f"arms {seed}")
    zone = ZoneInfo(draw.choice(ZONES))
    rows = random_rows(draw, 24)
    await filled(ledger, rows, zone.key)
    invoices = sorted({row.invoice_id for row in rows.failures})
    whose = {invoice: draw.choice((None, "cus_1", "cus_2", "cus_3")) for invoice in invoices}
    arms = {who: draw.choice(("holdout", "treated")) for who in set(whose.values())}
    await ledger.holds(*(held_out(i, whose[i], arms[whose[i]]) for i in invoices))
    rolled, plain = Rolled(ledger.engine), PostgresFigures(ledger.engine, plain=True)
    reach, told = JAN_1, 0

    for _ in range(12):
        reach += timedelta(seconds=draw.randrange(40 * 86_400))
        await folded(ledger, reach)
        excerpt, _ = a_question(draw, zone, reach)
        first = midnight(draw.choice((date(2019, 3, 7), date(2026, draw.randrange(1, 4), 1))), zone)
        last = midnight(date(2026, draw.randrange(4, 8), draw.randrange(1, 28)), zone)
        within = timedelta(days=draw.choice(ANY_WINDOW))

        arms_found = await rolled.arms(excerpt, first, last, within)

        assert arms_found is not None
        assert arms_found == await plain.arms(excerpt, first, last, within)
        told += len(arms_found)
    assert told


@pytest.mark.parametrize("seed", range(2))
async def test_spans_that_begin_and_end_within_days_are_whole_days_and_the_lines_of_their_edges(
    empty_ledger: Ledger, seed: int
) -> None:
    ledger, draw = empty_ledger, random.Random(f"edges {seed}")
    zone = ZoneInfo(draw.choice(ZONES))
    await filled(ledger, random_rows(draw, 20), zone.key)
    await ledger.holds(*everything(draw, 6))
    await folded(ledger, END)
    both, plain = PostgresFigures(ledger.engine), PostgresFigures(ledger.engine, plain=True)
    told = 0

    for _ in range(6):
        first, last = sorted(some_time(draw, 60) for _ in range(2))
        periods = list(cut(first, last, draw.choice((Step.DAY, Step.MONTH)), zone))
        excerpt = Excerpt(merchant_id=MERCHANT, as_of=some_time(draw, 120))
        rule = CohortRule(within=timedelta(days=draw.choice(ANY_WINDOW)))

        for name in STATEMENTS.keys() & set(FOLDED):
            flows = await both.flows(name, excerpt, periods, ())
            assert same(flows, await plain.flows(name, excerpt, periods, ()))
            told += len(flows)
        assert same(
            await both.cohorts(excerpt, periods, ("plan",), rule),
            await plain.cohorts(excerpt, periods, ("plan",), rule),
        )
    assert told


async def test_products_of_amounts_that_no_64_bits_hold_are_exact(ledger: Ledger) -> None:
    # given a customer who fails twice with 4 * 10**15, and pays the one
    most = 4 * 10**15
    for n, at in enumerate((day(3), day(36))):
        invoice = f"in_{n}"
        await ledger.holds(case(invoice, opened_at=at), held_out(invoice))
        await ledger.holds(failure(most, at=at, invoice=invoice, case_id=f"case_{invoice}"))
    await ledger.holds(entry(most, at=day(5), invoice_id="in_0"))
    await folded(ledger, day(50))
    excerpt = Excerpt(merchant_id=MERCHANT, as_of=day(50))

    arms = await Rolled(ledger.engine).arms(excerpt, day(1, 0), day(45, 0), timedelta(days=7))

    assert arms is not None
    arm = arms["usd"]["holdout"]
    assert (arm.customers, arm.invoices, arm.f, arm.c) == (1, 2, 2 * most, most)
    assert (arm.ff, arm.fc, arm.cc) == (4 * most**2, 2 * most**2, most**2)


async def test_a_window_ends_with_the_instant_of_its_last_day(ledger: Ledger) -> None:
    # given payments to the microsecond 20 days after the failure, and a microsecond later
    end = JAN_1 + timedelta(days=20)
    await ledger.holds(
        failure(100),
        failure(100, invoice="in_2"),
        entry(100, at=end),
        entry(100, at=end + timedelta(microseconds=1), invoice_id="in_2"),
    )
    await folded(ledger, day(60))
    excerpt = Excerpt(merchant_id=MERCHANT, as_of=day(60))
    january = [Period(day=JAN_1.date(), starts_at=day(1, 0), ends_at=day(32, 0))]

    found = {
        days: await Rolled(ledger.engine).cohorts(
            excerpt, january, (), CohortRule(within=timedelta(days=days))
        )
        for days in (19, 20, 21)
    }

    within = {
        days: [sums.recovered_within_w_minor for sums in of or ()] for days, of in found.items()
    }
    assert within == {19: [0], 20: [100], 21: [200]}


async def test_cash_takes_the_place_of_a_credit_from_its_day_on(ledger: Ledger) -> None:
    # given 100 that failed, 80 credited on day 3 and 50 paid on day 9
    await ledger.holds(
        failure(100),
        entry(80, EntryKind.CREDITED, at=day(3)),
        entry(50, at=day(9)),
    )
    await folded(ledger, day(60))
    excerpt = Excerpt(merchant_id=MERCHANT, as_of=day(60))
    january = [Period(day=JAN_1.date(), starts_at=day(1, 0), ends_at=day(32, 0))]

    within = {}
    for days in (1, 2, 8):
        rule = CohortRule(within=timedelta(days=days))
        found = await Rolled(ledger.engine).cohorts(excerpt, january, (), rule)
        assert found is not None
        (sums,) = found
        within[days] = (sums.recovered_within_w_minor, sums.credited_within_w_minor)

    assert within == {1: (0, 0), 2: (0, 80), 8: (50, 50)}
