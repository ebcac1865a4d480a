"""Lines of other products' exports: what is kept, what is refused, what they say of ends."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.churn import ChurnRecord
from app.domain.imported_churn import churn_of
from app.domain.imported_rows import Whose, meant, of_embed, read_row
from app.domain.imports import ImportedOutcome, ImportedSession
from tests.domain.builders import a_subscription, on_day
from tests.domain.churn_cast import after, stands, the_end, told

WHOSE = Whose(
    merchant_id="mer_1",
    account_id="acc_1",
    product="elsewhere",
    reasons={"Zu teuer": "too_expensive"},
    now=on_day(0),
)
PLAIN = {"reference": "s1", "at": "2025-12-01T09:00:00Z", "outcome": "cancelled"}
DISCOUNT = {"offerType": "DISCOUNT"}
EMBED: dict[str, Any] = {
    "_id": "s1",
    "createdAt": "2025-12-01T09:00:00.000Z",
    "canceled": True,
    "aborted": False,
    "surveyChoiceValue": "Missing features",
    "feedback": "No calendar",
    "customer": {
        "id": "cus_1",
        "subscriptionId": "sub_1",
        "planId": "price_1",
        "billingInterval": "MONTH",
        "currency": "USD",
    },
}


def kept(row: dict[str, Any]) -> ImportedSession:
    found = read_row(row, 2, WHOSE)
    assert isinstance(found, ImportedSession), found
    return found


def refused(row: dict[str, Any]) -> list[str]:
    found = read_row(row, 7, WHOSE)
    assert isinstance(found, tuple), found
    assert {fault.line for fault in found} == {7}
    return [fault.column for fault in found]


def test_a_line_with_what_must_be_there_is_kept() -> None:
    session = kept(PLAIN)

    assert (session.reference, session.outcome) == ("s1", ImportedOutcome.CANCELLED)
    assert session.import_id == kept(PLAIN | {"reason": "other"}).import_id


def test_a_line_with_all_columns_is_kept_whole_without_the_card_number() -> None:
    more = {
        "customer": "cus_1",
        "subscription": "sub_1",
        "reason": "Zu teuer",
        "comment": "charged 4242 4242 4242 4242 twice",
        "competitor": "Another one",
        "offer": "discount",
        "plan": "Team",
        "interval": "month",
        "currency": "eur",
        "mrr_minor": "2900",
    }

    session = kept(PLAIN | more)

    assert (session.reason, session.told_reason) == ("too_expensive", "Zu teuer")
    assert "4242" not in (session.words or "")
    assert (session.currency, session.mrr_minor, session.offer_kind) == ("eur", 2900, "discount")


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        pytest.param({"reference": ""}, ["reference"], id="no reference"),
        pytest.param({"reference": "a b"}, ["reference"], id="a reference with a space"),
        pytest.param({"reference": ["s1"]}, ["reference"], id="a reference that is a list"),
        pytest.param({"at": "2025-12-01"}, ["at"], id="a day without an offset"),
        pytest.param({"at": "soon"}, ["at"], id="no instant"),
        pytest.param({"at": "2199-01-01T00:00:00Z"}, ["at"], id="in the future"),
        pytest.param({"at": "1999-12-31T00:00:00Z"}, ["at"], id="before there was any"),
        pytest.param({"at": "9" * 30}, ["at"], id="milliseconds without end"),
        pytest.param({"outcome": "lost"}, ["outcome"], id="no outcome of ours"),
        pytest.param({"mrr_minor": "29.00", "currency": "eur"}, ["mrr_minor"], id="a decimal"),
        pytest.param({"mrr_minor": "-1", "currency": "eur"}, ["mrr_minor"], id="a negative"),
        pytest.param({"mrr_minor": True, "currency": "eur"}, ["mrr_minor"], id="a truth"),
        pytest.param({"mrr_minor": "9" * 16, "currency": "eur"}, ["mrr_minor"], id="too much"),
        pytest.param({"mrr_minor": "2900"}, ["currency"], id="an amount of no currency"),
        pytest.param({"currency": "EUR"}, ["currency"], id="a currency in capitals"),
        pytest.param({"plan": "a\x00b"}, ["plan"], id="a character no database takes"),
        pytest.param({"plan": "\ud800"}, ["plan"], id="half a character"),
        pytest.param({"mrr": "1"}, ["mrr"], id="a column that is not known"),
        pytest.param(
            {"reference": "", "at": "", "outcome": ""}, ["reference", "at", "outcome"], id="all"
        ),
    ],
)
def test_what_cannot_be_meant_is_named_with_line_and_column(
    change: dict[str, Any], columns: list[str]
) -> None:
    assert refused(PLAIN | change) == columns


@given(
    st.dictionaries(
        st.sampled_from([*PLAIN, "comment", "plan", "customer"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            st.lists,
            max_leaves=3,
        ),
    )
)
def test_no_line_makes_it_stumble(row: dict[str, Any]) -> None:
    for shaped in (row, of_embed(row)):
        assert isinstance(read_row(shaped, 1, WHOSE), ImportedSession | tuple)


def test_words_older_than_a_year_are_not_taken_in() -> None:
    old = kept(PLAIN | {"at": "2024-12-31T09:00:00Z", "comment": "No calendar"})

    assert old.words is None
    assert kept(PLAIN | {"comment": "No calendar"}).words == "No calendar"


@pytest.mark.parametrize(
    ("told_reason", "ours"),
    [
        ("too_expensive", "too_expensive"),
        ("Too expensive", "too_expensive"),
        ("switched_service", "found_alternative"),
        ("Missing features", "missing_feature"),
        ("Zu teuer", "too_expensive"),
        ("Something else entirely", "other"),
        (None, None),
    ],
)
def test_a_reason_there_is_a_reason_here(told_reason: str | None, ours: str | None) -> None:
    assert meant(told_reason, WHOSE.reasons) == ours


@pytest.mark.parametrize(
    ("change", "outcome", "offer"),
    [
        pytest.param({}, "cancelled", None, id="cancelled"),
        pytest.param(
            {"acceptedOffer": {"offerType": "DISCOUNT"}}, "cancelled", None, id="after all"
        ),
        pytest.param(
            {"canceled": False, "acceptedOffer": {"offerType": "PAUSE"}},
            "saved",
            "pause",
            id="pause",
        ),
        pytest.param(
            {"canceled": False, "saveType": "PLAN_CHANGE"}, "saved", "plan_change", id="a plan"
        ),
        pytest.param({"canceled": False, "saveType": "ABANDON"}, "abandoned", None, id="abandon"),
        pytest.param({"canceled": False, "aborted": True}, "abandoned", None, id="aborted"),
        pytest.param({"canceled": False}, "abandoned", None, id="nothing came of it"),
    ],
)
def test_a_session_of_an_embedded_flow_is_read_field_by_field(
    change: dict[str, Any], outcome: str, offer: str | None
) -> None:
    session = kept(of_embed(EMBED | change))

    assert (session.outcome, session.offer_kind) == (outcome, offer)
    assert (session.customer_id, session.subscription_id) == ("cus_1", "sub_1")
    assert (session.plan, session.interval, session.currency) == ("price_1", "month", "usd")
    assert (session.reason, session.words) == ("missing_feature", "No calendar")


def test_the_same_export_as_a_table_reads_the_same() -> None:
    flat = {name: str(value) for name, value in EMBED.items() if name != "customer"}
    flat |= {f"customer.{name}": value for name, value in EMBED["customer"].items()}

    assert kept(of_embed(flat)) == kept(of_embed(EMBED))


def cancelled(**more: Any) -> ImportedSession:
    return replace(kept(PLAIN | {"subscription": "sub_1", "reason": "too_expensive"}), **more)


def test_an_end_that_nobody_else_told_of_is_entered_as_of_the_session() -> None:
    (line,) = churn_of(cancelled(currency="eur", mrr_minor=2900), [], None, on_day(0))

    assert (line.entry, line.origin, line.kind) == ("churned", "import", "voluntary")
    assert (line.reason, line.mrr_minor, line.currency) == ("too_expensive", 2900, "eur")


def test_an_end_of_history_gets_the_reason_that_was_given_there() -> None:
    book = after(stands(-40, "canceled", cancellation_reason="cancellation_requested"))
    known = list(book.all(ChurnRecord))

    for line in churn_of(cancelled(), known, None, on_day(0)):
        book.add(line)

    assert [one[0] for one in told(book)] == ["churned", "restated", "churned"]
    assert (the_end(book).reason, the_end(book).occurred_at) == ("too_expensive", on_day(-40))
    assert (
        churn_of(cancelled(import_id="imp_2"), list(book.all(ChurnRecord)), None, on_day(1)) == []
    )


@pytest.mark.parametrize(
    "session",
    [
        cancelled(outcome=ImportedOutcome.SAVED),
        cancelled(outcome=ImportedOutcome.ABANDONED),
        cancelled(subscription_id=None),
    ],
    ids=["saved", "abandoned", "of no subscription"],
)
def test_what_was_no_end_is_no_churn(session: ImportedSession) -> None:
    assert churn_of(session, [], None, on_day(0)) == []


def test_a_subscription_that_runs_has_not_ended_whatever_was_said_once() -> None:
    assert churn_of(cancelled(), [], a_subscription(status="active"), on_day(0)) == []


def test_the_end_that_we_saw_ourselves_needs_no_other_word() -> None:
    book = after(stands(-80), stands(-40, "canceled"))

    assert churn_of(cancelled(), list(book.all(ChurnRecord)), None, on_day(0)) == []
