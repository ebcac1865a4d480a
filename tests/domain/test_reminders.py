"""Renewals and cards: what is told when, and what the law leaves no policy to miss."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.actions import Action
from app.domain.mirror import PaymentMethod
from app.domain.notice_windows import (
    REMINDERS,
    WINDOWS,
    ReminderPolicy,
    TermRow,
    is_courtesy,
    missed_windows,
)
from app.domain.policy_documents import InvalidPolicy, policy_from
from app.domain.reminders import (
    Renewal,
    charged_after,
    expires_at,
    expiry_of,
    former_price,
    plan_card_looks,
    plan_renewals,
    will_renew,
)
from tests.domain.builders import MONDAY, a_book, a_subscription, terms


def a_renewing(**more: Any) -> Any:
    given = {"status": "active", "interval": "year", "period_end": MONDAY + timedelta(days=60)}
    return a_subscription(**(given | more))


def an_item(price: int, **more: Any) -> dict[str, Any]:
    item = {"product": "prod_1", "interval": "month", "interval_count": 1, "quantity": 1}
    return item | {"unit_amount_minor": price} | more


def planned(**more: Any) -> list[int]:
    book = a_book()
    plan_renewals(book, None, a_renewing(**more), terms())
    return sorted(Renewal.of(action).days for action in book.all(Action))


@pytest.mark.parametrize(
    ("more", "days"),
    [
        ({}, [2, 3, 7, 28]),
        ({"interval": "month", "interval_count": 6}, [2, 3, 7, 28]),
        ({"interval": "month", "interval_count": 3}, [7]),
        ({"interval": "month"}, []),
        ({"interval": "week", "interval_count": 30}, []),
        ({"period_end": MONDAY + timedelta(days=10)}, [2, 3, 7]),
        ({"period_end": MONDAY - timedelta(days=1)}, []),
        ({"period_end": None}, []),
        ({"cancel_at_period_end": True}, []),
        ({"cancel_at": MONDAY + timedelta(days=60)}, []),
        ({"cancel_at": MONDAY + timedelta(days=500)}, [2, 3, 7, 28]),
        ({"collection_paused": True}, []),
        ({"status": "canceled"}, []),
        ({"status": "past_due"}, []),
    ],
)
def test_which_renewals_are_told_of(more: dict[str, Any], days: list[int]) -> None:
    assert planned(**more) == days


def test_a_renewal_planned_twice_is_planned_once() -> None:
    book = a_book()
    for _ in range(3):
        plan_renewals(book, None, a_renewing(), terms())

    assert len(list(book.all(Action))) == 4


@pytest.mark.parametrize(
    ("before", "after", "former"),
    [
        pytest.param([an_item(3000)], [an_item(4000)], 3000, id="dearer"),
        pytest.param([an_item(3000, quantity=2)], [an_item(2500, quantity=2)], 6000, id="cheaper"),
        pytest.param([an_item(3000)], [an_item(3000)], None, id="the same"),
        pytest.param([an_item(3000)], [an_item(3000, quantity=5)], None, id="more seats"),
        pytest.param([an_item(3000)], [an_item(9000, product="prod_2")], None, id="another plan"),
        pytest.param([an_item(3000)], [an_item(30000, interval="year")], None, id="yearly instead"),
        pytest.param([], [an_item(3000)], None, id="nothing before"),
    ],
)
def test_a_new_price_of_the_same_product_is_a_change_of_price(
    before: list[Any], after: list[Any], former: int | None
) -> None:
    was, now = a_renewing(items=tuple(before)), a_renewing(items=tuple(after))

    assert former_price(was, now) == former


@pytest.mark.parametrize(
    ("month", "year", "expiry", "refused_from"),
    [
        (11, 2026, "2026-11", datetime(2026, 12, 1, tzinfo=UTC)),
        (12, 2026, "2026-12", datetime(2027, 1, 1, tzinfo=UTC)),
        (0, 2026, None, None),
        (13, 2026, None, None),
        (None, 2026, None, None),
        (5, 26, None, None),
    ],
)
def test_a_card_is_good_to_the_end_of_its_month(
    month: int | None, year: int, expiry: str | None, refused_from: datetime | None
) -> None:
    method = PaymentMethod(
        merchant_id="m", account_id="a", method_id="pm", exp_month=month, exp_year=year
    )

    assert expiry_of(method) == expiry
    assert (expires_at(expiry) if expiry else None) == refused_from


def test_the_first_charge_after_an_expiry_is_found_and_month_ends_are_kept() -> None:
    monthly = a_renewing(interval="month", period_end=datetime(2027, 1, 31, 9, tzinfo=UTC))

    assert charged_after(monthly, datetime(2027, 2, 1, tzinfo=UTC)) == datetime(
        2027, 2, 28, 9, tzinfo=UTC
    )
    assert charged_after(a_renewing(cancel_at_period_end=True), MONDAY) is None
    assert not will_renew(a_renewing(status="paused"), MONDAY)


def test_a_card_is_looked_at_before_and_when_it_expires() -> None:
    book = a_book()
    method = PaymentMethod(
        merchant_id="mer_1",
        account_id="acc_1",
        method_id="pm_1",
        customer_id="cus_1",
        exp_month=12,
        exp_year=2026,
    )
    for _ in range(2):
        plan_card_looks(book, method, terms())

    assert sorted((a.data or {})["days"] for a in book.all(Action)) == [0, 7, 30]


def test_the_shipped_reminders_miss_no_window() -> None:
    assert list(missed_windows(REMINDERS)) == []
    assert all(window.source and window.since for window in WINDOWS)
    assert [is_courtesy(days) for days in (28, 7, 3, 2)] == [False, False, True, True]


@pytest.mark.parametrize(
    "reminders",
    [
        {"terms": []},
        {"terms": [{"from_months": 6, "days": [28, 7]}]},
        {"terms": [{"from_months": 2, "days": [7]}]},
        {"terms": [{"from_months": 2, "days": [3]}, {"from_months": 6, "days": [28]}]},
        {"changed_days": []},
        {"changed_days": [3, 2]},
        {"changed_days": [60]},
    ],
)
def test_a_policy_that_misses_a_legal_window_is_refused(reminders: dict[str, Any]) -> None:
    with pytest.raises(InvalidPolicy, match="reminders"):
        policy_from({"reminders": reminders})


@pytest.mark.parametrize(
    "reminders",
    [
        {"terms": "often"},
        {"terms": [7]},
        {"terms": [{"from_months": 0, "days": [7]}]},
        {"terms": [{"from_months": 2, "days": ["7"]}]},
        {"card_days": [0]},
        {"card_days": [True]},
    ],
)
def test_a_reminder_section_that_is_none_is_refused(reminders: dict[str, Any]) -> None:
    with pytest.raises(InvalidPolicy, match="reminders"):
        policy_from({"reminders": reminders})


def test_the_longest_row_that_fits_a_term_decides() -> None:
    policy = ReminderPolicy(
        terms=(TermRow(from_months=12, days=(20,)), TermRow(from_months=2, days=(7,)))
    )

    assert [policy.days_for(months) for months in (1, 2, 11, 12, 24)] == [
        (),
        (7,),
        (7,),
        (20,),
        (20,),
    ]
