"""What the answer to our own charge says of money: when it moved, and the tax in it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.absorb import absorb
from app.domain.actions import Action, ActionKind
from app.domain.attributing import payment_ref
from app.domain.dunning import AttemptState, Trigger
from app.domain.mirror import Payment
from app.domain.notices import NoticeKind
from app.domain.outcomes import Outcome, PayAnswer, take_answer
from app.domain.recovery import RecoveryEntry
from app.domain.settlement import take_reading
from tests.domain.builders import MONDAY, a_book, a_payment, an_invoice, notice, paid, terms
from tests.domain.test_causes import a_case, an_attempt

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("paid_at", "dated"),
    [(MONDAY + 5 * SECOND, 5 * SECOND), (None, 9 * SECOND), (MONDAY - SECOND, 9 * SECOND)],
    ids=["told", "not told", "told of another"],
)
def test_money_of_our_own_charge_is_dated_by_the_provider(paid_at, dated) -> None:
    # given an answer that comes when our clock is on by some seconds
    book, case = a_book(), replace(a_case(), opened_at=MONDAY)
    attempt = replace(an_attempt(Trigger.HOLDFAST), state=AttemptState.SENT)
    book.know([case, attempt])
    shown = replace(paid(MONDAY), paid_at=paid_at)
    answer = PayAnswer(outcome=Outcome.APPROVED, invoice=shown, payment_id="pi_1", charge_id="ch_1")

    take_answer(book, case, attempt, answer, terms(MONDAY + 9 * SECOND))

    (entry,) = book.all(RecoveryEntry)
    (payment,) = book.all(Payment)
    assert entry.occurred_at == payment.occurred_at == MONDAY + dated
    assert payment.seen_at == MONDAY + 9 * SECOND


@pytest.mark.parametrize("parts", [(1, 2, 2997), (999, 1001, 1000), (3000,), (3000, 5)], ids=str)
def test_the_tax_of_parts_adds_up_to_the_invoices_tax(parts: tuple[int, ...]) -> None:
    book, case = a_book(), replace(a_case(), opened_at=MONDAY, amount_minor=3000, due_minor=3000)
    book.know([case])
    invoice = an_invoice(tax_minor=479)

    for number, part in enumerate(parts):
        at = MONDAY + timedelta(hours=number + 1)
        told = a_payment(at, payment_id=f"pi_{number}", amount_minor=part)
        take_reading(book, case, invoice, [told], terms(at), whole=False)
        assert payment_ref(told) in {entry.provider_ref for entry in book.all(RecoveryEntry)}

    assert sum(entry.tax_minor for entry in book.all(RecoveryEntry)) == 479


def test_a_charge_of_more_than_is_left_is_read_before_its_refund_is_entered() -> None:
    # given 10.00 of 30.00 paid, and then a report of a refund of a charge over the whole
    book, case = a_book(), replace(a_case(), opened_at=MONDAY, amount_minor=3000, due_minor=2000)
    invoice, at = an_invoice(merchant_id="mer_1", account_id="acc_1"), MONDAY + 5 * SECOND
    book.know([case, invoice])
    part = a_payment(at, payment_id="pi_1", amount_minor=1000)
    take_reading(book, case, invoice, [part], terms(at), whole=False)
    charge = a_payment(at, payment_id="pi_2", charge_id="ch_2", charged_minor=3000)
    told = replace(charge, refunded_minor=1000)

    absorb(book, notice(NoticeKind.PAYMENT_REFUNDED, at, snapshot=told), terms(at))

    assert [entry.amount_minor for entry in book.all(RecoveryEntry)] == [1000]
    assert ActionKind.WATCH in [action.kind for action in book.added(Action)]
