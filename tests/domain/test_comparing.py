"""What makes a line between ledger and provider, what makes none, and how lines are added up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.comparing import (
    ComparedLine,
    Comparison,
    LineKind,
    LineState,
    Movement,
    Ours,
    added,
    compared,
    looked_again,
    next_night,
    span_of_night,
    unmet,
)
from app.domain.dunning import Case, CaseState
from app.domain.recovery import Cause, EntryKind, Failure, RecoveryEntry

FAILED = datetime(2026, 3, 1, tzinfo=UTC)
NOW = FAILED + timedelta(days=10)
ABOUT: dict[str, Any] = {"merchant_id": "mer_1", "account_id": "acc_1"}
COMPARISON = Comparison(
    comparison_id="cmp_1", asked_by="test", since=FAILED, until=NOW, began_at=NOW, **ABOUT
)


def failure(**fields: Any) -> Failure:
    made = Failure(
        invoice_id="in_1",
        version=1,
        customer_id="cus_1",
        subscription_id=None,
        case_id="case_1",
        currency="usd",
        amount_minor=1_000,
        plan=None,
        interval=None,
        trial_conversion=False,
        exclusion=None,
        failed_at=FAILED,
        recorded_at=FAILED,
        **ABOUT,
    )
    return replace(made, **fields)


def entry(kind: EntryKind, minor: int, ref: str, invoice: str = "in_1") -> RecoveryEntry:
    return RecoveryEntry(
        entry_id=f"rec_{kind}_{ref}",
        invoice_id=invoice,
        case_id="case_1",
        kind=kind,
        cause=Cause.UNKNOWN,
        assisted_by=None,
        currency="usd",
        amount_minor=minor,
        tax_minor=0,
        plan=None,
        interval=None,
        provider_ref=ref,
        failed_at=FAILED,
        occurred_at=NOW,
        recorded_at=NOW,
        **ABOUT,
    )


def case(**fields: Any) -> Case:
    made = Case(
        case_id="case_1",
        invoice_id="in_1",
        due_minor=1_000,
        opened_at=FAILED,
        window_ends_at=NOW,
        **ABOUT,
    )
    return replace(made, **fields)


def movement(kind: LineKind, minor: int, ref: str = "ch_1", **fields: Any) -> Movement:
    at = FAILED + timedelta(days=1)
    made = Movement(kind=kind, ref=ref, currency="usd", minor=minor, at=at, payment_id="pi_1")
    return replace(made, **fields)


def told(
    *found: Movement, entries: tuple[RecoveryEntry, ...] = (), **fields: Any
) -> list[ComparedLine]:
    ours = Ours.of([failure(**fields)], entries, [])
    return compared(COMPARISON, [(one, "in_1") for one in found], ours, now=NOW)


@pytest.mark.parametrize("ref", ["ch_1", "pi_1"])
def test_a_payment_is_one_line_under_either_of_its_names(ref: str) -> None:
    (line,) = told(
        movement(LineKind.PAID, 1_000), entries=(entry(EntryKind.RECOVERED, 1_000, ref),)
    )

    assert (line.ours_minor, line.theirs_minor, line.state) == (1_000, 1_000, LineState.AGREES)


def test_refunds_are_compared_by_charge_and_those_that_failed_are_taken_off() -> None:
    (line,) = told(
        movement(LineKind.GIVEN_BACK, 300),
        entries=(
            entry(EntryKind.REFUNDED, -300, "ch_1:300"),
            entry(EntryKind.REFUNDED, -200, "ch_1:500"),
            entry(EntryKind.REFUND_FAILED, 200, "ch_1:re_2"),
        ),
    )

    assert (line.ours_minor, line.state) == (300, LineState.AGREES)


def test_a_cent_is_a_difference() -> None:
    (line,) = told(
        movement(LineKind.PAID, 1_000), entries=(entry(EntryKind.RECOVERED, 999, "ch_1"),)
    )

    assert line.state is LineState.DIFFERS


@pytest.mark.parametrize(
    ("moved", "fields"),
    [
        pytest.param(movement(LineKind.PAID, 900, at=FAILED - timedelta(1)), {}, id="before it"),
        pytest.param(movement(LineKind.PAID, 900), {"exclusion": "first_invoice"}, id="no case"),
        pytest.param(movement(LineKind.GIVEN_BACK, 0), {}, id="nothing on both sides"),
        pytest.param(movement(LineKind.OWED, 900, "in_1"), {}, id="no case is open"),
    ],
)
def test_what_the_ledger_need_not_know_makes_no_line(
    moved: Movement, fields: dict[str, Any]
) -> None:
    assert told(moved, **fields) == []


def test_what_we_have_alone_is_a_line_of_its_own_for_each_thing() -> None:
    ours = Ours.of(
        [],
        [
            entry(EntryKind.RECOVERED, 1_000, "ch_1"),
            entry(EntryKind.SETTLED_OTHER, 50, "in_1:settled"),
            entry(EntryKind.DISPUTE_LOST, -1_000, "dp_1"),
        ],
        [case(), case(invoice_id="in_2", state=CaseState.STOPPED)],
    )

    lines = unmet(COMPARISON, ours, now=NOW)

    assert [(line.kind, line.ref, line.ours_minor) for line in lines] == [
        (LineKind.LOST, "dp_1", 1_000),
        (LineKind.OWED, "in_1", 1_000),
        (LineKind.PAID, "ch_1", 1_000),
    ]
    assert {line.state for line in lines} == {LineState.UNMET}


def test_what_agrees_when_looked_at_again_was_mended_only_if_it_differed() -> None:
    ours = Ours.of([], [entry(EntryKind.RECOVERED, 1_000, "ch_1")], [])
    (alone,) = unmet(COMPARISON, ours, now=NOW)
    there = [movement(LineKind.PAID, 1_000)]

    met = looked_again(alone, there, ours, now=NOW)
    gone = looked_again(alone, [], ours, now=NOW)
    mended = looked_again(gone, there, ours, now=NOW)

    assert [one.state for one in (met, gone, mended)] == [
        LineState.AGREES,
        LineState.DIFFERS,
        LineState.MENDED,
    ]
    assert gone.theirs_minor is None


def test_a_case_that_ended_meanwhile_has_nothing_to_compare() -> None:
    (line,) = unmet(COMPARISON, Ours.of([], [], [case()]), now=NOW)

    closed = Ours.of([], [], [case(state=CaseState.EXHAUSTED)])
    looked = looked_again(line, [movement(LineKind.OWED, 1_000, "in_1")], closed, now=NOW)

    assert (looked.ours_minor, looked.theirs_minor, looked.state) == (0, 0, LineState.AGREES)


LINES = st.builds(
    lambda kind, currency, mine, theirs: replace(
        unmet(COMPARISON, Ours.of([], [], [case()]), now=NOW)[0],
        kind=kind,
        currency=currency,
        ours_minor=mine,
        theirs_minor=theirs,
    ),
    st.sampled_from(LineKind),
    st.sampled_from(["usd", "eur"]),
    st.integers(0, 10_000),
    st.none() | st.integers(0, 10_000),
)


@given(st.lists(LINES, max_size=20), st.integers(0, 20))
def test_totals_are_the_same_however_the_lines_come_in_pages(
    lines: list[ComparedLine], place: int
) -> None:
    whole = added({}, lines)

    assert added(added({}, lines[:place]), lines[place:]) == whole
    assert sum(ours for kinds in whole.values() for _, ours, _ in kinds.values()) == sum(
        line.ours_minor for line in lines
    )


def test_a_night_goes_on_from_the_last_one_and_never_further_back_than_the_first() -> None:
    first = span_of_night(NOW, None)
    usual = span_of_night(NOW, NOW - timedelta(days=1))
    after_a_year = span_of_night(NOW, NOW - timedelta(days=365))

    assert first[1] - first[0] == timedelta(days=35)
    assert usual[0] == NOW - timedelta(days=2)
    assert after_a_year == first


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu"])
def test_a_night_is_three_oclock_of_the_merchant_and_lies_ahead(zone: str) -> None:
    tz = ZoneInfo(zone)
    at = next_night(NOW, tz)

    assert at.astimezone(tz).hour == 3
    assert timedelta(0) < at - NOW <= timedelta(days=1)
    assert next_night(at, tz) > at
