"""A dispute of a charge that we never heard of: its payment is looked for until it is known."""

from collections.abc import Iterator
from datetime import timedelta

from app.domain.absorb import absorb
from app.domain.actions import Action, ActionKind
from app.domain.dunning import Case, Waits
from app.domain.mirror import Dispute
from app.domain.notices import Notice, NoticeKind
from app.domain.records import Book
from tests.domain.builders import MONDAY, a_book, a_payment, an_invoice, notice, terms

K = NoticeKind
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def opened() -> Notice:
    snapshot = Dispute(dispute_id="dp_1", charge_id="ch_1", status="needs_response")
    return notice(K.DISPUTE_OPENED, MONDAY, snapshot=snapshot, charge="ch_1")


def reads(book: Book) -> Iterator[Action]:
    """The readings of the dispute, each carried out when it is due: it tells the same again."""
    done: set[str] = set()
    while due := [one for one in _planned(book) if one.key not in done]:
        read = due[0]
        done.add(read.key)
        yield read
        absorb(book, opened(), terms(read.due_at))


def _planned(book: Book) -> list[Action]:
    found = [one for one in book.all(Action) if one.kind is ActionKind.READ]
    return [one for one in found if (one.data or {})["type"] == "dispute"]


def test_where_nobody_ever_tells_of_the_payment_the_looks_come_to_an_end() -> None:
    book = a_book()

    absorb(book, opened(), terms(MONDAY))
    looks = [read.due_at - MONDAY for read in reads(book)]

    assert looks == [MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, 24 * HOUR, 24 * HOUR + MINUTE]


def test_a_dispute_that_was_read_before_its_payment_holds_what_fails_later() -> None:
    # given a worker that stood still: the first looks were made before the payment was known
    book = a_book()
    absorb(book, opened(), terms(MONDAY))
    for n, read in enumerate(reads(book)):
        if n == 1:
            of_theirs = a_payment(MONDAY, charge_id="ch_1", payment_id="pi_1")
            heard = notice(K.PAYMENT_SUCCEEDED, MONDAY, snapshot=of_theirs, customer="cus_1")
            absorb(book, heard, terms(read.due_at))

    # when the next payment of the same customer fails
    later = MONDAY + timedelta(days=3)
    failed = notice(K.INVOICE_FAILED, later, snapshot=an_invoice(seen_at=later))
    absorb(book, failed, terms(later))

    # then it waits for the bank's word
    (case,) = book.all(Case)
    assert case.waits is Waits.ON_HOLD


def test_a_report_that_comes_days_late_is_looked_into_once() -> None:
    book = a_book()

    absorb(book, opened(), terms(MONDAY + timedelta(days=3)))

    assert len(list(reads(book))) == 1
