"""Churn, MRR and reasons over one month, from the ledgers and from rollups alike."""

from dataclasses import replace
from typing import Any

import pytest

from app.domain.churn import ChurnEntry, ChurnKind
from app.domain.dunning import CaseState
from app.domain.mrr import MovementKind as M
from app.reports.asking import WrongParameter
from app.storage.rollups import PostgresRollups
from tests.reports.builders import (
    JAN_1,
    MERCHANT,
    case,
    churned,
    day,
    merchant,
    moved,
    movement,
    record_id,
    the_account,
)
from tests.reports.conftest import Ledger
from tests.reports.month import month

pytestmark = pytest.mark.anyio
JANUARY: dict[str, Any] = {"from_": "2026-01-01", "to": "2026-01-31"}
EARLIER = JAN_1.replace(year=2025)


@pytest.fixture
async def january(ledger: Ledger) -> Ledger:
    await ledger.holds(*month())
    return ledger


@pytest.mark.parametrize(
    ("words", "lost", "rate"),
    [
        pytest.param({"preset": "seed"}, 8, "0.080000", id="seed"),
        pytest.param({"preset": "chartmogul"}, 3, "0.030000", id="chartmogul"),
        pytest.param(
            {"preset": "chartmogul", "recognition": "request"}, 7, "0.070000", id="scheduled"
        ),
        pytest.param({"preset": "stripe"}, 6, "0.050000", id="stripe"),
        pytest.param({"preset": "stripe", "recognition": "request"}, 10, "0.083333", id="click"),
        pytest.param({"preset": "baremetrics"}, 4, "0.040000", id="baremetrics"),
        pytest.param({"preset": "profitwell"}, 4, "0.040000", id="profitwell"),
        pytest.param({}, 4, "0.040000", id="holdfast"),
    ],
)
async def test_one_month_by_whose_definition(
    january: Ledger, words: dict[str, str], lost: int, rate: str
) -> None:
    told = await january.tells("churn", **JANUARY, **words)

    (row,) = told["rows"]
    assert (row["n_start"], row["n_new"]) == (100, 20)
    assert (row["n_lost"], row["logo_churn"]) == (lost, rate)
    assert told["preset"] == words.get("preset", "holdfast")
    assert told["identity"]["holds"]


async def test_what_the_month_did_to_mrr(january: Ledger) -> None:
    told = await january.tells("churn", **JANUARY)

    (row,) = told["rows"]
    assert row["logo_churn_after_returns"] == "0.030000"
    assert {name: row[name] for name in ("gross_mrr_churn", "net_mrr_churn", "grr", "nrr")} == {
        "gross_mrr_churn": "0.044000",
        "net_mrr_churn": "0.019000",
        "grr": "0.956000",
        "nrr": "0.981000",
    }
    assert row["quick_ratio"] == "4.886364"
    assert row["quick_ratio_with_reactivation"] == "5.113636"
    assert row["clv_minor"] == 250_000


async def test_a_customers_worth_does_not_hang_on_the_length_of_the_periods(
    january: Ledger,
) -> None:
    # given four of a hundred lost in January, three of 120 in its second week, nobody afterwards
    span: dict[str, Any] = {"from_": "2026-01-01", "to": "2026-03-31"}

    quarter = await january.tells("churn", **span, interval="quarter")
    weeks = await january.tells("churn", **span, interval="week")
    so_far = await january.tells("churn", **span, as_of="2026-01-16T12:00:00Z")

    (second,) = [row for row in weeks["rows"] if row["period"] == "2026-01-05"]
    assert quarter["rows"][0]["clv_minor"] == 3 * 250_000
    assert second["clv_minor"] == 10_000 * 120 // 3 * 7 // 31
    assert so_far["rows"][0]["clv_minor"] == 125_000


async def test_mrr_starts_moves_and_ends(january: Ledger) -> None:
    await PostgresRollups(january.engine).fold(MERCHANT, until=day(6))

    told = await january.tells("mrr", from_="2026-01-01", to="2026-02-28")

    first, second = told["rows"]
    assert first["start_minor"] == 1_000_000
    assert (first["new_minor"], first["churn_voluntary_minor"]) == (200_000, -50_000)
    assert (first["churn_involuntary_minor"], first["reactivation_minor"]) == (-10_000, 10_000)
    assert first["end_minor"] == second["start_minor"] == second["end_minor"] == 1_161_000
    assert (first["n_end"], first["arpa_minor"]) == (115, 1_161_000 // 115)
    assert told["identity"]["holds"]


async def test_a_return_after_the_period_undoes_no_churn_of_it(ledger: Ledger) -> None:
    ended = record_id("sub_1", ChurnEntry.CHURNED, day(20))
    await ledger.holds(
        movement(100, M.OPENING, at=JAN_1.replace(year=2025)),
        churned(at=day(20)),
        churned(at=day(40), entry=ChurnEntry.REVERSED, about=ended),
    )

    told = await ledger.tells("churn", preset="chartmogul", from_="2026-01-01", to="2026-02-28")

    assert [row["n_lost"] for row in told["rows"]] == [1, 0]
    assert [row["n_returned"] for row in told["rows"]] == [0, 0]


async def test_migrations_trials_and_what_was_before_us_are_no_churn(ledger: Ledger) -> None:
    await ledger.holds(
        churned("sub_1", kind=ChurnKind.MIGRATION),
        churned("sub_2", trial=True),
    )

    told = await ledger.tells("churn-reasons", **JANUARY)

    assert told["rows"] == []


async def test_reasons_are_shares_of_all_that_ended(january: Ledger) -> None:
    told = await january.tells("churn-reasons", **JANUARY)

    assert [(row["reason"], row["n_ended"], row["share"]) for row in told["rows"]] == [
        (None, 1, "0.166667"),
        ("bugs", 2, "0.333333"),
        ("price", 3, "0.500000"),
    ]
    assert told["totals"][0]["n_ended"] == 6
    assert told["identity"]["holds"]


async def test_segments_tell_who_leaves_early(january: Ledger) -> None:
    told = await january.tells("segments", group_by="tenure", **JANUARY)

    assert {row["tenure"]: (row["n_ended"], row["n_returned"]) for row in told["rows"]} == {
        "days_0": (2, 0),
        "days_366": (4, 1),
    }


async def test_what_was_recorded_later_is_not_in_an_older_answer(january: Ledger) -> None:
    before = await january.tells("churn", as_of="2026-01-11T00:00:00Z", **JANUARY)

    assert [row["n_lost"] for row in before["rows"]] == [3]


@pytest.mark.parametrize("folded", [False, True], ids=["from the ledger", "from rollups"])
async def test_who_pays_in_another_currency_is_counted_there(ledger: Ledger, folded: bool) -> None:
    # given three who pay in dollars, of whom one goes on in euros
    moves: dict[str, Any] = {"subscription_id": "sub_1", "at": day(10)}
    await ledger.holds(
        *(movement(10_000, M.OPENING, at=EARLIER, subscription_id=f"sub_{n}") for n in range(3)),
        movement(-10_000, M.FX, source="fx:usd", **moves),
        movement(9_000, M.FX, currency="eur", source="fx", **moves),
    )
    if folded:
        await PostgresRollups(ledger.engine).fold(MERCHANT, until=day(20))

    january = (await ledger.tells("mrr", **JANUARY))["rows"]
    february = (await ledger.tells("churn", from_="2026-02-01", to="2026-02-28"))["rows"]

    told = {row["currency"]: (row["end_minor"], row["n_end"], row["arpa_minor"]) for row in january}
    assert told == {"usd": (20_000, 2, 10_000), "eur": (9_000, 1, 9_000)}
    assert {row["currency"]: row["n_start"] for row in february} == {"usd": 2, "eur": 1}


@pytest.mark.parametrize("folded", [False, True], ids=["from the ledger", "from rollups"])
async def test_who_owes_for_several_periods_is_past_due_once(ledger: Ledger, folded: bool) -> None:
    # given two past due for 30 days, one of them for two invoices, and one whose first was paid
    await ledger.holds(
        *(movement(10_000, M.OPENING, at=EARLIER, subscription_id=f"sub_{n}") for n in range(3)),
        case("in_1", subscription_id="sub_1", opened_at=day(-29)),
        case("in_2", subscription_id="sub_1", opened_at=day(-22)),
        case("in_3", subscription_id="sub_2", opened_at=day(-25)),
        case("in_4", subscription_id="sub_0", opened_at=day(-28)),
        moved(CaseState.RECOVERED, at=day(-20), invoice="in_4"),
    )
    if folded:
        await PostgresRollups(ledger.engine).fold(MERCHANT, until=day(20))

    (row,) = (await ledger.tells("churn", preset="baremetrics", **JANUARY))["rows"]

    assert (row["n_lost"], row["lost_minor"]) == (2, 20_000)


async def test_who_leaves_while_past_due_was_lost_before(ledger: Ledger) -> None:
    # given one past due for 30 days by their first invoice, who is ended for want of the second
    await ledger.holds(
        movement(10_000, M.OPENING, at=EARLIER, subscription_id="sub_1"),
        case("in_1", subscription_id="sub_1", opened_at=day(-28)),
        case("in_2", subscription_id="sub_1", opened_at=day(1)),
        movement(-10_000, M.CHURN_INVOLUNTARY, at=day(20), subscription_id="sub_1"),
        churned("sub_1", at=day(20), kind=ChurnKind.INVOLUNTARY, case_id="case_in_2"),
    )

    (row,) = (await ledger.tells("churn", preset="baremetrics", **JANUARY))["rows"]

    assert (row["n_lost"], row["lost_minor"]) == (1, 10_000)


BY_CHANNEL: dict[str, Any] = {"group_by": "attribute.channel", **JANUARY}
WEB, SHOP = '{"channel":"web","size":"s"}', '{"channel":"shop"}'


@pytest.fixture
async def attributed(empty_ledger: Ledger) -> Ledger:
    """Four who came by the web and two by the shop, of whom one each left; one of no channel."""
    named = replace(merchant(), attributes=("channel",), past_attributes=("size",))
    rows: list[Any] = [named, the_account()]
    for number, told in enumerate((WEB, WEB, WEB, WEB, SHOP, SHOP, None)):
        name = f"sub_{number}"
        keys: dict[str, Any] = {"subscription_id": name, "attributes": told}
        rows.append(movement(10_000, M.OPENING, at=EARLIER, **keys))
        if number in {0, 4}:
            rows.append(movement(-10_000, M.CHURN_VOLUNTARY, at=day(9), **keys))
            rows.append(churned(name, at=day(9), attributes=told))
    await empty_ledger.holds(*rows)
    return empty_ledger


@pytest.mark.parametrize("folded", [False, True], ids=["from the ledger", "from rollups"])
async def test_churn_and_mrr_are_told_by_what_the_merchant_named(
    attributed: Ledger, folded: bool
) -> None:
    if folded:
        await PostgresRollups(attributed.engine).fold(MERCHANT, until=day(80))

    churn = await attributed.tells("churn", **BY_CHANNEL)
    mrr = await attributed.tells("mrr", **BY_CHANNEL)
    ends = await attributed.tells("segments", **BY_CHANNEL)
    sizes = await attributed.tells("churn", **BY_CHANNEL | {"group_by": "attribute.size"})

    assert {
        row["attribute.channel"]: (row["n_start"], row["n_lost"], row["logo_churn"])
        for row in churn["rows"]
    } == {
        None: (1, 0, "0.000000"),
        "shop": (2, 1, "0.500000"),
        "web": (4, 1, "0.250000"),
    }
    assert [(row["attribute.channel"], row["end_minor"]) for row in mrr["rows"]] == [
        (None, 10_000),
        ("shop", 10_000),
        ("web", 30_000),
    ]
    assert [(row["attribute.channel"], row["share"]) for row in ends["rows"]] == [
        ("shop", "0.500000"),
        ("web", "0.500000"),
    ]
    assert [(row["attribute.size"], row["n_start"]) for row in sizes["rows"]] == [
        (None, 3),
        ("s", 4),
    ]
    assert all(told["identity"]["holds"] for told in (churn, mrr, ends, sizes))


async def test_what_nobody_named_is_no_attribute(attributed: Ledger) -> None:
    with pytest.raises(WrongParameter, match="is not one of attribute"):
        await attributed.tells("churn", group_by="attribute.chanel", **JANUARY)


async def test_who_is_found_in_the_month_of_connecting_is_a_share_of_all_who_were(
    ledger: Ledger,
) -> None:
    # given an account that is connected on the 10th, with ten of whom one leaves on the 20th
    await ledger.holds(
        *(movement(10_000, M.OPENING, at=day(10), subscription_id=f"sub_{n}") for n in range(10)),
        movement(-10_000, M.CHURN_VOLUNTARY, at=day(20), subscription_id="sub_0"),
        churned("sub_0", at=day(20)),
    )

    (row,) = (await ledger.tells("churn", **JANUARY))["rows"]

    assert (row["n_start"], row["start_minor"]) == (10, 100_000)
    assert (row["n_lost"], row["logo_churn"], row["grr"]) == (1, "0.100000", "0.900000")


async def test_who_never_paid_is_not_lost(ledger: Ledger) -> None:
    await ledger.holds(
        movement(10_000, M.OPENING, at=EARLIER, subscription_id="sub_1"),
        churned("sub_free", at=day(20), minor=0),
    )

    (row,) = (await ledger.tells("churn", **JANUARY))["rows"]
    (end,) = (await ledger.tells("segments", **JANUARY))["rows"]

    assert (row["n_lost"], row["logo_churn"]) == (0, "0.000000")
    assert end["n_ended"] == 1
