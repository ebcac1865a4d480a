"""The mirror: which of two reports of one thing is the newer."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from app.domain.absorb import absorb
from app.domain.dunning import Case
from app.domain.merchants import CollectionMode
from app.domain.mirror import Invoice, Payment
from app.domain.mirroring import forward
from app.domain.notices import Notice, NoticeKind
from tests.domain.builders import MONDAY, a_book, a_payment, an_invoice, notice, terms

K = NoticeKind
TRIES_AGAIN = MONDAY + timedelta(days=3)


def told_within_a_second() -> list[Notice]:
    """As the provider tells of a renewal that it finalizes and is refused in one second."""
    fresh = an_invoice(seen_at=MONDAY, attempt_count=0)
    refused = replace(fresh, attempt_count=1, next_attempt_at=TRIES_AGAIN)
    return [
        notice(K.INVOICE_UPDATED, MONDAY, snapshot=refused),
        notice(K.INVOICE_FINALIZED, MONDAY, snapshot=fresh),
        notice(K.INVOICE_FAILED, MONDAY, snapshot=refused),
    ]


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_reports_of_one_second_say_in_any_order_when_the_provider_tries_again(order) -> None:
    # given a case that the provider collects
    book, events = a_book(), told_within_a_second()
    for place in (*order, *order):
        absorb(book, events[place], terms(MONDAY))
        for case in list(book.all(Case)):
            book.put(replace(case, driven=False, mode=CollectionMode.OBSERVE))

    # then what was told before the refusal is not taken for newer
    (invoice,), (case,) = book.all(Invoice), book.all(Case)
    assert (invoice.attempt_count, invoice.next_attempt_at) == (1, TRIES_AGAIN)
    assert case.next_attempt_at == TRIES_AGAIN


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_a_charge_does_not_raise_what_is_known_to_have_gone_to_the_invoice(order) -> None:
    # given a charge of 2,900 of which 1,900 went to an invoice, and 1,400 of it given back
    charge = a_payment(MONDAY, amount_minor=2900, charged_minor=2900, invoice_id=None)
    joined = a_payment(MONDAY, amount_minor=1900, charge_id=None)
    refunded = replace(charge, refunded_minor=1400)
    book, told = a_book(), (charge, joined, refunded)

    for place in (*order, *order):
        forward(book, told[place], terms(MONDAY))

    (payment,) = book.all(Payment)
    assert (payment.amount_minor, payment.charged_minor) == (1900, 2900)
    assert (payment.refunded_minor, payment.given_back_minor) == (1400, 400)
