"""Six definitions of churn over one month, and what must hold of all of them."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.churn_rates import (
    PRESETS,
    Definition,
    Preset,
    Recognition,
    Tally,
    base,
    counted,
    customer_value,
    gross_loss,
    lost,
    net_loss,
)
from app.domain.projections import compounding, reduced

# 100 customers at $100 at the start. 3 cancelled and ended on day 10, one of them came back on
# day 25; 1 whose dunning ended on day 12; 4 who cancelled on day 20 but are paid through to day
# 45; 2 past due since day 5; 20 joined, 2 of them left; one pays 40 less, three pay 50 more.
PEOPLE = Tally(
    start=100,
    new=20,
    ended=4,
    asked=3 + 4 + 1,
    returned=1,
    asked_returned=1,
    new_ended=2,
    new_asked=2,
)
MRR = Tally(
    start=1_000_000,
    new=200_000,
    ended=40_000,
    asked=80_000,
    returned=10_000,
    new_ended=20_000,
    new_asked=20_000,
    expansion=15_000,
    contraction=4_000,
    reactivation=10_000,
)
COUNTS = st.integers(0, 500)
TALLIES = st.builds(
    Tally,
    start=st.integers(1_500, 9_000),
    new=st.integers(500, 900),
    **dict.fromkeys(
        ("ended", "asked", "new_ended", "new_asked", "expansion", "contraction"), COUNTS
    ),
)
RULES = st.sampled_from(list(PRESETS.values()))


def percent(preset: Preset, recognition: Recognition | None) -> float:
    rule = PRESETS[preset]
    rule = replace(rule, recognition=recognition or rule.recognition)
    return round(100 * counted(PEOPLE, rule) / base(PEOPLE, rule), 2)


@pytest.mark.parametrize(
    ("preset", "recognition", "expected"),
    [
        pytest.param(Preset.SEED, None, 8.0, id="seed"),
        pytest.param(Preset.CHARTMOGUL, None, 3.0, id="chartmogul"),
        pytest.param(
            Preset.CHARTMOGUL,
            Recognition.REQUEST,
            7.0,
            id="chartmogul when it is scheduled",
        ),
        pytest.param(Preset.STRIPE, None, 5.0, id="stripe"),
        pytest.param(Preset.STRIPE, Recognition.REQUEST, 8.33, id="stripe at the click"),
        pytest.param(Preset.BAREMETRICS, None, 4.0, id="baremetrics"),
        pytest.param(Preset.PROFITWELL, None, 4.0, id="profitwell"),
        pytest.param(Preset.HOLDFAST, None, 4.0, id="holdfast"),
    ],
)
def test_one_month_is_3_or_8_percent_by_whose_formula_is_used(
    preset: Preset, recognition: Recognition | None, expected: float
) -> None:
    assert percent(preset, recognition) == expected


def test_a_return_stands_beside_the_loss() -> None:
    rule = PRESETS[Preset.HOLDFAST]

    assert counted(PEOPLE, rule) - PEOPLE.returned == 3


def test_200_customers_of_whom_20_left_are_10_percent() -> None:
    people = Tally(start=200, ended=20, asked=20)

    assert {Fraction(counted(people, rule), base(people, rule)) for rule in PRESETS.values()} == {
        Fraction(1, 10)
    }


def test_what_mrr_was_lost_and_kept() -> None:
    rule = PRESETS[Preset.HOLDFAST]
    gross, net = gross_loss(MRR, rule), net_loss(MRR, rule)

    assert Fraction(gross, MRR.start) == Fraction("0.044")
    assert Fraction(net, MRR.start) == Fraction("0.019")
    assert Fraction(MRR.start - gross, MRR.start) == Fraction("0.956")
    assert Fraction(MRR.start - net, MRR.start) == Fraction("0.981")
    assert round((MRR.new + MRR.expansion) / gross, 2) == 4.89
    assert round((MRR.new + MRR.expansion + MRR.reactivation) / gross, 2) == 5.11


def test_a_customer_is_worth_what_they_pay_until_they_leave() -> None:
    rule = PRESETS[Preset.HOLDFAST]

    month = Fraction(1)

    assert customer_value(PEOPLE, MRR, rule, margin_percent=100, months=month) == 250_000
    assert customer_value(PEOPLE, MRR, rule, margin_percent=80, months=month) == 200_000
    assert customer_value(Tally(start=5), MRR, rule, margin_percent=100, months=month) is None


@pytest.mark.parametrize(
    ("months", "worth"), [(Fraction(3), 750_000), (Fraction(7, 31), 56_451), (Fraction(0), None)]
)
def test_losses_of_a_longer_time_count_less_of_a_shorter_more(
    months: Fraction, worth: int | None
) -> None:
    rule = PRESETS[Preset.HOLDFAST]

    assert customer_value(PEOPLE, MRR, rule, margin_percent=100, months=months) == worth


@given(TALLIES, RULES)
def test_losses_are_a_share_of_their_base(tally: Tally, rule: Definition) -> None:
    assert 0 <= counted(tally, rule) <= base(tally, rule)
    assert net_loss(tally, rule) <= gross_loss(tally, rule)


@given(TALLIES, RULES, st.integers(1, 50))
def test_one_more_who_leaves_is_never_less_churn(tally: Tally, rule: Definition, more: int) -> None:
    worse = replace(tally, ended=tally.ended + more, asked=tally.asked + more)

    assert lost(worse, rule) == lost(tally, rule) + more


@given(TALLIES, RULES, st.integers(1, 50))
def test_who_comes_back_is_never_counted_twice(tally: Tally, rule: Definition, back: int) -> None:
    left = replace(tally, ended=tally.ended + back, asked=tally.asked + back)
    returned = replace(left, returned=back)

    assert counted(tally, rule) <= counted(returned, rule) <= counted(left, rule)


def test_100_000_at_5_percent_a_month_compounds() -> None:
    ends = list(compounding(10_000_000, Fraction(5, 100), 12))

    assert ends == [
        *(9_500_000, 9_025_000, 8_573_750, 8_145_063, 7_737_809, 7_350_919),
        *(6_983_373, 6_634_204, 6_302_494, 5_987_369, 5_688_001, 5_403_601),
    ]


def test_less_churn_leaves_more() -> None:
    usual = list(compounding(1_000_000, Fraction(5, 100), 12))
    better = list(compounding(1_000_000, reduced(Fraction(5, 100), Fraction(1, 5)), 12))

    assert all(b > u for b, u in zip(better, usual, strict=True))
    assert better[0] == 960_000


def test_a_share_below_nothing_or_above_all_is_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        list(compounding(1, Fraction(3, 2), 1))
