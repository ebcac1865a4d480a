"""Credit notes and odd amounts, as reports tell of them before anybody has looked."""

import pytest

from app.domain.absorb import absorb
from app.domain.actions import Action, ActionKind
from app.domain.dunning import Case, CaseState
from app.domain.mirror import CreditNote, Invoice, InvoiceStatus
from app.domain.notices import Notice, NoticeKind
from app.domain.records import Book
from app.domain.recovery import RecoveryEntry
from tests.domain.builders import MONDAY, a_book, an_invoice, notice, on_day, terms

K = NoticeKind
DAY_1, DAY_2 = on_day(1), on_day(2)


def hear(book: Book, *notices: Notice) -> Book:
    for one in notices:
        absorb(book, one, terms(one.occurred_at))
    return book


def failed() -> Notice:
    return notice(K.INVOICE_FAILED, MONDAY)


def credited(paid: int = 0, *, at=DAY_2) -> Notice:
    """The invoice was credited, after so much of it was paid."""
    snapshot = an_invoice(
        status=InvoiceStatus.PAID,
        due_minor=paid,
        paid_minor=paid,
        remaining_minor=0,
        credited_minor=3000 - paid,
        paid_at=at,
        seen_at=at,
    )
    return notice(K.INVOICE_PAID, at, snapshot=snapshot)


def seen(at=DAY_1, **invoice) -> Notice:
    return notice(K.INVOICE_UPDATED, at, snapshot=an_invoice(seen_at=at, **invoice))


def noted(*, at=DAY_1, voided_at=None, currency: str = "usd") -> Notice:
    note = CreditNote(
        id="cn_1",
        invoice_id="in_1",
        amount_minor=1000,
        currency=currency,
        voided=voided_at is not None,
        created_at=at,
        voided_at=voided_at,
    )
    about = {"object": "cn_1", "invoice": "in_1", "customer": "cus_1"}
    return notice(K.CREDIT_NOTED, voided_at or at, snapshot=note, **about)


def lines(book: Book) -> list[tuple[str, int]]:
    return [(line.kind, line.amount_minor) for line in book.all(RecoveryEntry)]


def looks(book: Book) -> list[str]:
    watches = (a for a in book.all(Action) if a.kind is ActionKind.WATCH)
    return [action.key.split(":", 2)[2] for action in watches]


def only_case(book: Book) -> Case:
    (case,) = book.all(Case)
    return case


@pytest.mark.parametrize("order", [1, -1], ids=["told in order", "the failure told last"])
def test_an_invoice_that_was_credited_away_is_stopped_at_once(order: int) -> None:
    book = hear(a_book(), *[failed(), credited()][::order])

    case = only_case(book)
    assert (case.state, case.reason, case.due_minor) == (CaseState.STOPPED, "credited", 0)


def test_of_one_that_was_paid_and_credited_a_look_decides() -> None:
    book = hear(a_book(), failed(), credited(paid=1000))

    assert only_case(book).state is CaseState.ACTIVE
    assert "paid" in looks(book)


@pytest.mark.parametrize(
    ("report", "look"),
    [
        pytest.param(seen(paid_minor=500, remaining_minor=2500), "part:500", id="a part is paid"),
        pytest.param(seen(remaining_minor=0), "zero", id="nothing is owed"),
        pytest.param(seen(currency="eur"), "currency:eur", id="another currency"),
    ],
)
def test_what_a_report_hints_at_is_looked_at(report: Notice, look: str) -> None:
    book = hear(a_book(), failed(), report, report)

    assert looks(book) == [look]
    assert only_case(book).state is CaseState.ACTIVE
    assert lines(book) == []


def test_another_currency_changes_nothing_that_is_owed() -> None:
    snapshot = an_invoice(currency="eur", status=InvoiceStatus.PAID, remaining_minor=0)
    book = hear(a_book(), failed(), notice(K.INVOICE_PAID, on_day(1), snapshot=snapshot))

    case = only_case(book)
    assert (case.state, case.due_minor, case.currency) == (CaseState.ACTIVE, 3000, "usd")


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        pytest.param(noted(), [("credited", 1000)], id="issued since"),
        pytest.param(noted(at=on_day(-3)), [], id="issued before the first failure"),
        pytest.param(noted(currency="eur"), [], id="in another currency"),
        pytest.param(
            noted(voided_at=on_day(2)),
            [("credited", 1000), ("credit_voided", -1000)],
            id="issued and voided since",
        ),
        pytest.param(
            noted(at=on_day(-3), voided_at=on_day(2)),
            [],
            id="issued before and voided since",
        ),
    ],
)
def test_what_was_credited_since_the_first_failure_is_entered_once(
    report: Notice, expected: list[tuple[str, int]]
) -> None:
    book = hear(a_book(), failed(), report, report)

    assert lines(book) == expected


def test_a_credit_note_of_an_invoice_without_a_case_is_nobodys_concern() -> None:
    book = a_book()
    book.know([an_invoice(merchant_id="mer_1", account_id="acc_1")])

    hear(book, noted())

    assert lines(book) == []
    assert list(book.all(Action)) == []
    assert book.get(Invoice, "acc_1", "in_1") is not None
