"""What the lines of the ledgers keep of a subscription: its attributes, and whether it pays."""

from typing import Any

from app.domain.mrr import MrrMovement
from tests.domain.churn_cast import PRICE, after, begins, moves, pays, stands, the_end, told

REQUESTED: dict[str, Any] = {"cancellation_reason": "cancellation_requested"}


def test_lines_keep_the_attributes_that_were_named_the_subscriptions_before_the_customers() -> None:
    # given a customer of segment smb, and a subscription that is told to be of another later
    named = ("channel", "segment")
    book = after(
        begins(0, metadata={"channel": "web", "seats": "9"}),
        stands(5, metadata={"channel": "web", "segment": "large"}),
        stands(40, "canceled", metadata={"segment": "large"}, **REQUESTED),
        attributes=named,
    )

    lines = [(str(one.kind), one.attributes) for one in book.all(MrrMovement)]
    assert lines == [
        ("new", '{"channel":"web","segment":"smb"}'),
        ("switch", '{"channel":"web","segment":"smb"}'),
        ("switch", '{"channel":"web","segment":"large"}'),
        ("churn_voluntary", '{"channel":"web","segment":"large"}'),
    ]
    assert the_end(book).attributes == '{"segment":"large"}'


def test_lines_of_a_merchant_who_named_none_have_no_attributes() -> None:
    book = after(begins(0, metadata={"channel": "web"}), stands(5, metadata={"channel": "shop"}))

    assert [one.attributes for one in book.all(MrrMovement)] == [None]


def test_who_pays_nothing_any_more_is_not_counted_among_those_who_pay() -> None:
    # given one whose discount takes everything off, and who leaves so
    book = after(begins(0), stands(5, mrr_minor=0), stands(9, "canceled", **REQUESTED))

    assert moves(book) == [("new", PRICE), ("contraction", -PRICE)]
    assert pays(book, "sub_1") == 0
    assert told(book) == [("churned", "voluntary", 0)]
