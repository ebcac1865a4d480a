"""Monthly recurring revenue and plan names from a subscription's snapshot."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.providers.stripe.pricing import (
    discount_ids,
    hides_discounts,
    items_of,
    mrr_of,
    plan_name,
)

NOW = datetime(2026, 11, 1, tzinfo=UTC)
LATER = 1_800_000_000
Json = dict[str, Any]


def item(amount: object = 3000, *, interval: str = "month", count: int = 1, **more: Any) -> Json:
    price = {
        "id": "price_1",
        "unit_amount": amount,
        "recurring": {"interval": interval, "interval_count": count, "usage_type": "licensed"},
    }
    price |= more.pop("price", {})
    return {"id": "si_1", "quantity": 1, "price": price} | more


def sub(*items: Json, **more: Any) -> Json:
    return {"currency": "usd", "items": {"data": list(items)}} | more


def mrr(obj: Json) -> int:
    return mrr_of(obj, items_of(obj), at_instant=NOW)


def discount(**coupon: Any) -> Json:
    return {"id": "di_1", "coupon": {"duration": "forever", **coupon}}


METERED = {"recurring": {"interval": "month", "usage_type": "metered"}}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(sub(item(3000)), 3000, id="a month"),
        pytest.param(sub(item(3000, count=3)), 1000, id="a quarter"),
        pytest.param(sub(item(36_000, interval="year")), 3000, id="a year"),
        pytest.param(sub(item(1000, interval="year")), 83, id="a year, rounded"),
        pytest.param(sub(item(1200, interval="week")), 5200, id="a week counts 52 twelfths"),
        pytest.param(sub(item(120, interval="day")), 3650, id="a day counts 365 twelfths"),
        pytest.param(sub(item(300, quantity=7)), 2100, id="seats"),
        pytest.param(sub(item(3000), item(500)), 3500, id="several items"),
        pytest.param(sub(item(3000), item(9, price=METERED)), 3000, id="metered left out"),
        pytest.param(sub(item(None)), 0, id="tiers are not in the snapshot"),
        pytest.param(sub(item(3000, interval="fortnight")), 0, id="an interval unheard of"),
        pytest.param(sub(item(3000, quantity=0)), 0, id="no seats"),
        pytest.param(
            sub(item(None, quantity=1000, price={"unit_amount_decimal": "0.15"})), 150, id="decimal"
        ),
        pytest.param(
            sub(item(500, quantity=11, price={"transform_quantity": {"divide_by": 5}})),
            1000,
            id="packs rounded down",
        ),
        pytest.param(
            sub(
                item(
                    500,
                    quantity=11,
                    price={"transform_quantity": {"divide_by": 5, "round": "up"}},
                )
            ),
            1500,
            id="packs rounded up",
        ),
        pytest.param({"plan": {"amount": 900, "interval": "month"}, "quantity": 2}, 1800, id="old"),
        pytest.param({}, 0, id="nothing"),
    ],
)
def test_monthly_recurring_revenue(obj, expected):
    assert mrr(obj) == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        pytest.param({"discounts": [discount(percent_off=25)]}, 2250, id="percent"),
        pytest.param({"discount": discount(percent_off=25)}, 2250, id="the one of old versions"),
        pytest.param({"discounts": ["di_1"]}, 3000, id="only its id is shown"),
        pytest.param({"discounts": [discount(percent_off=25, duration="once")]}, 3000, id="once"),
        pytest.param(
            {"discounts": [discount(percent_off=25, duration="repeating")]}, 2250, id="repeating"
        ),
        pytest.param({"discounts": [discount(percent_off=25) | {"end": 1}]}, 3000, id="over"),
        pytest.param({"discounts": [discount(percent_off=25) | {"end": LATER}]}, 2250, id="runs"),
        pytest.param(
            {"discounts": [discount(amount_off=1000, currency="usd")]}, 2000, id="an amount"
        ),
        pytest.param(
            {"discounts": [discount(amount_off=1000, currency="eur")]}, 3000, id="other currency"
        ),
        pytest.param(
            {"discounts": [discount(amount_off=9000, currency="usd")]}, 0, id="more than the price"
        ),
        pytest.param(
            {"discounts": [discount(percent_off=50), discount(percent_off=50)]}, 750, id="two"
        ),
        pytest.param(
            {"discounts": [{"source": {"coupon": {"duration": "forever", "percent_off": 10.5}}}]},
            2685,
            id="its place since clover",
        ),
        pytest.param({"discounts": [discount(percent_off=900)]}, 3000, id="nonsense"),
    ],
)
def test_lasting_discounts_lower_it(more, expected):
    assert mrr(sub(item(3000), **more)) == expected


HALF = discount(percent_off=50)


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(sub(item(3000, discounts=[HALF]), item(500)), 2000, id="of that item alone"),
        pytest.param(sub(item(3000, discounts=[HALF]), discounts=[HALF]), 750, id="then of all"),
        pytest.param(
            sub(item(3000, discounts=[discount(percent_off=50, duration="once")])), 3000, id="once"
        ),
        pytest.param(
            sub(
                item(1000),
                item(
                    36_000,
                    interval="year",
                    discounts=[discount(amount_off=12_000, currency="usd")],
                ),
            ),
            3000,
            id="an amount by the item's own term",
        ),
        pytest.param(
            sub(
                item(1000, discounts=[discount(amount_off=9000, currency="usd")]),
                item(500),
            ),
            500,
            id="not of what others cost",
        ),
        pytest.param(
            {
                "plan": {"amount": 900, "interval": "month", "currency": "usd"},
                "discount": discount(amount_off=100, currency="usd"),
            },
            800,
            id="an amount where only the plan says the currency",
        ),
    ],
)
def test_discounts_of_single_items_lower_it(obj, expected):
    assert mrr(obj) == expected


@pytest.mark.parametrize(
    ("obj", "hidden"),
    [
        pytest.param(sub(item(discounts=["di_2"]), discounts=["di_1"]), True, id="named"),
        pytest.param(sub(item(discounts=[HALF])), False, id="shown"),
        pytest.param(sub(item(discounts=["di_2"])), True, id="an item's"),
        pytest.param(sub(item(discounts=[{"id": "di_2"}])), True, id="without its coupon"),
        pytest.param(
            sub(item(discounts=[{"id": "di_2", "source": {"coupon": "HALF"}}])),
            True,
            id="by its id",
        ),
        pytest.param(
            sub(item(), discounts=[{"id": "di_2", "source": {"coupon": None}}]), False, id="of none"
        ),
        pytest.param(sub(item(), items={"data": [item()], "has_more": True}), True, id="more"),
        pytest.param(sub(item(), discounts=None), False, id="none"),
        pytest.param(sub(item(discounts="di_2")), False, id="no list"),
    ],
)
def test_what_a_snapshot_does_not_show_is_known_to_be_hidden(obj, hidden):
    assert hides_discounts(obj) is hidden


def test_the_discounts_of_items_are_among_those_of_the_subscription():
    obj = sub(item(discounts=["di_3", {"id": "di_1"}]), discounts=["di_2"])

    assert discount_ids(obj) == ("di_1", "di_2", "di_3")


def test_an_amount_off_a_year_is_a_twelfth_a_month():
    obj = sub(
        item(36_000, interval="year"), discounts=[discount(amount_off=12_000, currency="usd")]
    )

    assert mrr(obj) == 2000


def test_halves_round_to_even_and_only_at_the_end():
    assert mrr(sub(item(30, interval="year"))) == 2  # 2.5
    assert mrr(sub(item(42, interval="year"))) == 4  # 3.5
    assert mrr(sub(item(30, interval="year"), item(30, interval="year"))) == 5


AMOUNTS = st.integers(min_value=0, max_value=10**9)


@given(amount=AMOUNTS, seats=st.integers(min_value=0, max_value=10_000))
def test_a_year_at_twelve_times_the_price_is_the_month(amount, seats):
    monthly, annual = item(amount, quantity=seats), item(amount * 12, interval="year")

    assert mrr(sub(monthly)) == mrr(sub(annual | {"quantity": seats})) == amount * seats


@pytest.mark.parametrize(
    ("price", "name"),
    [
        pytest.param({"nickname": "Team", "lookup_key": "team"}, "Team", id="nickname"),
        pytest.param({"product": {"id": "prod_1", "name": "Pro"}}, "Pro", id="product"),
        pytest.param({"lookup_key": "team_monthly"}, "team_monthly", id="lookup key"),
        pytest.param({"product": "prod_1"}, "price_1", id="id"),
    ],
)
def test_plan_names(price, name):
    assert plan_name(items_of(sub(item(price=price)))) == name


def test_a_subscription_without_items_has_no_plan():
    assert plan_name(()) is None
