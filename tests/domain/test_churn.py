"""Who left, why and what it cost: churn records and MRR movements of one subscription."""

from dataclasses import replace
from typing import Any

import pytest

from app.domain.churn import ChurnCause, ChurnOrigin, ChurnRecord
from app.domain.declines import DeclineKind
from app.domain.movements import intended_end
from app.domain.notices import FROM_HISTORY
from tests.domain.builders import on_day
from tests.domain.churn_cast import (
    PRICE,
    after,
    begins,
    moves,
    stands,
    stays_at,
    the_end,
    told,
)
from tests.domain.test_absorb import failed, hear, only_case

REQUESTED: dict[str, Any] = {"cancellation_reason": "cancellation_requested"}
UNPAID: dict[str, Any] = {"cancellation_reason": "payment_failed"}


def test_who_leaves_is_a_voluntary_line_with_all_that_finance_groups_by() -> None:
    book = after(begins(0), stands(40, "canceled", cancellation_feedback="unused", **REQUESTED))

    end = the_end(book)
    assert told(book) == [("churned", "voluntary", PRICE)]
    assert (end.cause, end.occurred_at, end.tenure_days) == (ChurnCause.REQUESTED, on_day(40), 40)
    assert (end.plan, end.interval, end.segment, end.country) == ("Team", "month", "smb", "DE")
    assert (end.feedback, end.reason, end.currency) == ("unused", "not_using", "usd")
    assert moves(book) == [("new", PRICE), ("churn_voluntary", -PRICE)]


@pytest.mark.parametrize(
    ("before", "end", "kind", "cause", "owed"),
    [
        pytest.param({}, REQUESTED, "voluntary", "requested", False, id="asked for"),
        pytest.param(
            {"status": "past_due"}, REQUESTED, "voluntary", "requested", True, id="asked, owing"
        ),
        pytest.param(
            {"status": "past_due"}, UNPAID, "involuntary", "payment_failed", True, id="not paid"
        ),
        pytest.param(
            {},
            {"cancellation_reason": "payment_disputed"},
            "merchant",
            "disputed",
            False,
            id="a dispute",
        ),
        pytest.param(
            {},
            {"cancellation_reason": "canceled_by_retention_policy"},
            "merchant",
            "terms",
            False,
            id="the merchant's terms",
        ),
        pytest.param(
            {},
            {"metadata": {"end_reason": "fraud"}, **REQUESTED},
            "merchant",
            "fraud",
            False,
            id="fraud, in the merchant's word",
        ),
        pytest.param({}, {}, "voluntary", "untold", False, id="nobody said"),
        pytest.param(
            {"status": "past_due"}, {}, "involuntary", "untold", True, id="nobody said, owing"
        ),
        pytest.param(
            {},
            {"cancellation_reason": "a_word_of_next_year"},
            "voluntary",
            "untold",
            False,
            id="a word we have not met",
        ),
    ],
)
def test_an_end_is_judged(
    before: dict[str, Any], end: dict[str, Any], kind: str, cause: str, owed: bool
) -> None:
    book = after(begins(0), stands(30, **before), stands(40, "canceled", **end))

    found = the_end(book)
    assert (found.kind, found.cause, found.while_past_due) == (kind, cause, owed)
    assert moves(book)[-1] == (f"churn_{kind}", -PRICE)


def test_the_end_of_our_dunning_is_involuntary_with_its_case_and_decline_class() -> None:
    book = after(begins(0), stands(1, "past_due"))
    hear(book, failed(on_day(1)))
    ending = replace(only_case(book), reason=intended_end("cancel", "void"))
    book.put(replace(ending, decline_kind=DeclineKind.INSUFFICIENT_FUNDS))

    hear(book, stands(29, "canceled", **REQUESTED))

    end = the_end(book)
    assert (end.kind, end.cause) == ("involuntary", "dunning_ended")
    assert (end.case_id, end.decline_class) == (ending.case_id, "insufficient_funds")


@pytest.mark.parametrize(
    ("given_up", "cause"),
    [
        pytest.param({"status": "unpaid"}, "unpaid", id="kept unpaid"),
        pytest.param(
            {"status": "paused", "pause_reason": "final_payment_failure"},
            "paused_unpaid",
            id="paused unpaid",
        ),
    ],
)
def test_what_is_given_up_for_want_of_money_is_churn_at_that_change_and_back_when_it_runs(
    given_up: dict[str, Any], cause: str
) -> None:
    book = after(begins(0), stands(30, "past_due"), stands(50, **given_up))
    assert (the_end(book).cause, the_end(book).occurred_at) == (cause, on_day(50))

    hear(book, stands(60, "active"))

    assert told(book) == [("churned", "involuntary", PRICE), ("reversed", "involuntary", -PRICE)]
    assert moves(book) == [
        ("new", PRICE),
        ("churn_involuntary", -PRICE),
        ("reactivation", PRICE),
    ]


def test_what_was_given_up_is_not_lost_a_second_time_when_it_is_cancelled() -> None:
    book = after(begins(0), stands(50, "unpaid"), stands(80, "canceled", **REQUESTED))

    assert told(book) == [("churned", "involuntary", PRICE)]
    assert moves(book) == [("new", PRICE), ("churn_involuntary", -PRICE)]


def test_a_pause_by_request_is_a_movement_and_no_churn() -> None:
    paused: dict[str, Any] = {"status": "paused", "pause_reason": "pause_requested"}
    book = after(begins(0), stands(30, **paused), stands(60, "active"))

    assert told(book) == []
    assert moves(book) == [("new", PRICE), ("pause", -PRICE), ("resume", PRICE)]


def test_a_pause_of_the_collection_is_a_pause_too() -> None:
    book = after(begins(0), stands(30, collection_paused=True), stands(60))

    assert told(book) == []
    assert moves(book) == [("new", PRICE), ("pause", -PRICE), ("resume", PRICE)]


def test_who_leaves_while_paused_is_lost_at_the_end_not_at_the_pause() -> None:
    paused: dict[str, Any] = {"status": "paused", "pause_reason": "pause_requested"}
    book = after(begins(0), stands(30, **paused), stands(60, "canceled", **REQUESTED))

    assert told(book) == [("churned", "voluntary", PRICE)]
    assert moves(book)[2:] == [("resume", PRICE), ("churn_voluntary", -PRICE)]


def test_who_pays_for_what_was_free_is_new_then() -> None:
    book = after(begins(0, mrr_minor=0), stands(20), stands(40, mrr_minor=PRICE + 500))

    assert moves(book) == [("new", PRICE), ("expansion", 500)]


@pytest.mark.parametrize("end", ["incomplete_expired", "canceled"])
def test_what_never_began_is_neither_revenue_nor_churn(end: str) -> None:
    book = after(begins(0, status="incomplete"), stands(1, end), stands(1, end))

    assert (told(book), moves(book)) == ([], [])


def test_a_trial_that_ends_is_marked_and_costs_nothing() -> None:
    trial: dict[str, Any] = {"trial_end": on_day(14), "period_end": on_day(14)}
    book = after(
        begins(0, status="trialing", **trial), stands(14, "canceled", **trial, **REQUESTED)
    )

    assert told(book) == [("churned", "voluntary", 0)]
    assert the_end(book).trial is True
    assert moves(book) == []


def test_a_planned_end_is_pending_and_the_end_names_the_plan() -> None:
    planned: dict[str, Any] = {
        "cancel_at_period_end": True,
        "period_end": on_day(60),
        "canceled_at": on_day(40),
    }
    book = after(
        begins(0),
        stands(40, **planned, **REQUESTED),
        stands(60, "canceled", **planned, **REQUESTED),
    )

    assert told(book) == [("pending", "voluntary", PRICE), ("churned", "voluntary", PRICE)]
    plan = next(iter(book.all(ChurnRecord)))
    assert (plan.occurred_at, plan.ends_at) == (on_day(40), on_day(60))
    assert the_end(book).about == plan.record_id


def test_a_plan_that_is_taken_back_and_made_again_leaves_each_line() -> None:
    planned: dict[str, Any] = {"cancel_at": on_day(60)}
    book = after(begins(0), stands(40, **planned), stands(41), stands(42, **planned))

    assert [line[0] for line in told(book)] == ["pending", "withdrawn", "pending"]


def test_a_plan_that_moves_to_another_day_is_dated_as_it_was_asked_for() -> None:
    book = after(begins(0), stands(40, cancel_at=on_day(60)), stands(45, cancel_at=on_day(90)))

    lines = list(book.all(ChurnRecord))
    assert [line.entry for line in lines] == ["pending", "withdrawn", "pending"]
    assert [line.ends_at for line in lines] == [on_day(60), on_day(60), on_day(90)]
    assert lines[2].occurred_at == on_day(40)


def test_of_what_had_ended_before_us_there_is_a_line_of_history_and_no_movement() -> None:
    book = after(stands(40, "canceled", **REQUESTED))

    assert told(book) == [("churned", "voluntary", PRICE)]
    assert the_end(book).origin is ChurnOrigin.HISTORY
    assert moves(book) == []


def test_who_comes_back_later_takes_the_loss_back() -> None:
    book = after(
        begins(0),
        stands(10, "canceled", **REQUESTED),
        begins(25, name="sub_2", mrr_minor=5000),
    )

    assert told(book) == [("churned", "voluntary", PRICE), ("reversed", "voluntary", -PRICE)]
    assert moves(book, "sub_2") == [("reactivation", 5000)]


def test_one_return_takes_back_one_loss_the_latest() -> None:
    book = after(
        begins(0),
        begins(0, name="sub_2"),
        stands(10, "canceled", **REQUESTED),
        stands(20, "canceled", name="sub_2", **REQUESTED),
        begins(40, name="sub_3"),
        begins(41, name="sub_4"),
        begins(42, name="sub_5"),
    )

    assert [line[0] for line in told(book)] == ["churned", "reversed"]
    assert [line[0] for line in told(book, "sub_2")] == ["churned", "reversed"]
    kinds = [moves(book, name)[0][0] for name in ("sub_3", "sub_4", "sub_5")]
    assert kinds == ["reactivation", "reactivation", "new"]


def test_who_changes_to_another_subscription_within_a_week_has_not_left() -> None:
    book = after(
        begins(0), stands(10, "canceled", **REQUESTED), begins(16, name="sub_2", mrr_minor=5000)
    )

    assert told(book) == [
        ("churned", "voluntary", PRICE),
        ("restated", "voluntary", -PRICE),
        ("churned", "migration", PRICE),
    ]
    assert (the_end(book).replaced_by, the_end(book).occurred_at) == ("sub_2", on_day(10))
    assert moves(book)[1:] == [
        ("churn_voluntary", -PRICE),
        ("churn_voluntary", PRICE),
        ("migration", -PRICE),
    ]
    assert moves(book, "sub_2") == [("migration", 5000)]


def test_a_change_whose_new_subscription_came_first_is_one_at_once() -> None:
    book = after(
        begins(0), begins(10, name="sub_2", mrr_minor=5000), stands(12, "canceled", **REQUESTED)
    )

    assert told(book) == [("churned", "migration", PRICE)]
    assert moves(book)[-1] == ("migration", -PRICE)
    assert moves(book, "sub_2") == [("new", 5000), ("new", -5000), ("migration", 5000)]


def test_a_change_to_a_trial_is_one_when_it_is_paid_for_too() -> None:
    book = after(
        begins(0),
        stands(10, "canceled", **REQUESTED),
        begins(11, name="sub_2", status="trialing", trial_end=on_day(25)),
        stands(25, name="sub_2", started_at=on_day(11)),
    )

    assert the_end(book).kind == "migration"
    assert moves(book, "sub_2") == [("migration", PRICE)]


def test_who_was_lost_for_want_of_money_and_signs_up_again_is_back() -> None:
    book = after(
        begins(0),
        stands(5, "past_due"),
        stands(10, "canceled", **UNPAID),
        begins(12, name="sub_2"),
    )

    assert told(book) == [("churned", "involuntary", PRICE), ("reversed", "involuntary", -PRICE)]
    assert moves(book, "sub_2") == [("reactivation", PRICE)]


def test_a_second_subscription_beside_the_first_takes_nothing_back() -> None:
    book = after(begins(0), begins(1, name="sub_2"), stands(60, "canceled", **REQUESTED))

    assert told(book) == [("churned", "voluntary", PRICE)]
    assert moves(book, "sub_2") == [("new", PRICE)]


def test_what_runs_at_installation_opens_and_what_begins_later_is_new() -> None:
    old = replace(stands(40), event=f"{FROM_HISTORY}sub_1")

    assert moves(after(old)) == [("opening", PRICE)]
    assert moves(after(stands(40))) == [("opening", PRICE)]
    assert moves(after(stands(0.1))) == [("new", PRICE)]


def test_what_is_read_again_under_one_name_is_written_each_time() -> None:
    name = f"{FROM_HISTORY}sub_1"
    seen = [replace(stands(40 + n, mrr_minor=(n + 1) * PRICE), event=name) for n in range(3)]

    book = after(*seen)

    assert moves(book) == [("opening", PRICE), ("expansion", PRICE), ("expansion", PRICE)]


def test_another_currency_moves_the_balance_and_is_no_growth() -> None:
    book = after(begins(0), stands(30, currency="eur", mrr_minor=2800))

    assert moves(book) == [("new", PRICE), ("fx", -PRICE), ("fx", 2800)]


def test_a_paused_trial_that_is_paid_for_at_last_is_new() -> None:
    trial: dict[str, Any] = {"trial_end": on_day(14), "period_end": on_day(14)}
    book = after(
        begins(0, status="trialing", **trial),
        stands(14, "paused", **trial),
        stands(20, "active", trial_end=on_day(14), period_end=on_day(50)),
    )

    assert moves(book) == [("new", PRICE)]


def test_a_change_of_plan_takes_mrr_from_where_it_was_before_it_grows() -> None:
    book = after(
        begins(1, plan="basic"),
        stands(5, plan="pro", mrr_minor=2 * PRICE),
        stands(9, plan="pro", interval="year", mrr_minor=2 * PRICE),
        stands(12, "canceled", plan="pro", interval="year"),
    )

    assert moves(book) == [
        ("new", PRICE),
        ("switch", -PRICE),
        ("switch", PRICE),
        ("expansion", PRICE),
        ("switch", -2 * PRICE),
        ("switch", 2 * PRICE),
        ("churn_voluntary", -2 * PRICE),
    ]
    assert stays_at(book) == {}


def test_a_return_to_another_plan_is_no_switch() -> None:
    book = after(begins(1, plan="basic"), stands(5, "unpaid", plan="basic"), stands(9, plan="pro"))

    assert [kind for kind, _ in moves(book)] == ["new", "churn_involuntary", "reactivation"]
    assert stays_at(book) == {("pro", "month", "DE"): PRICE}
