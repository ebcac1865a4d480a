"""Books and rows: found by their fields, copied quickly, never half."""

from dataclasses import FrozenInstanceError, replace

import pytest

from app.domain.mirror import Invoice, InvoiceStatus
from app.domain.records import Book, changed, key_of, maker_of, quick


def invoice(number: int, **more: object) -> Invoice:
    return Invoice(merchant_id="mer", account_id="acc", invoice_id=f"in_{number}", **more)  # type: ignore[arg-type]


def test_rows_are_found_by_fields_as_they_are_now() -> None:
    book = Book()
    book.know([invoice(1, customer_id="cus_a"), invoice(2, customer_id="cus_b")])
    assert [row.invoice_id for row in book.all(Invoice, customer_id="cus_a")] == ["in_1"]

    book.put(invoice(2, customer_id="cus_a"))
    book.add(invoice(3, customer_id="cus_a"))
    book.put(invoice(1, customer_id="cus_b"))

    assert [row.invoice_id for row in book.all(Invoice, customer_id="cus_a")] == ["in_2", "in_3"]
    assert [row.invoice_id for row in book.all(Invoice, customer_id="cus_b")] == ["in_1"]
    assert list(book.all(Invoice, customer_id="cus_c")) == []


def test_a_loop_over_found_rows_may_change_them() -> None:
    book = Book()
    book.know([invoice(n, customer_id="cus_a") for n in range(3)])

    for row in book.all(Invoice, customer_id="cus_a"):
        book.put(changed(row, customer_id="cus_b"))

    assert list(book.all(Invoice, customer_id="cus_a")) == []
    assert len(list(book.all(Invoice, customer_id="cus_b"))) == 3


def test_a_changed_row_is_what_the_constructor_would_make() -> None:
    row = invoice(1, due_minor=4900)

    paid = changed(row, status=InvoiceStatus.PAID, paid_minor=4900)

    assert paid == replace(row, status=InvoiceStatus.PAID, paid_minor=4900)
    assert hash(key_of(paid)) == hash(key_of(row))
    assert row.status is InvoiceStatus.UNKNOWN


def test_a_row_is_made_of_exactly_its_fields() -> None:
    with pytest.raises(KeyError):
        changed(invoice(1), colour="red")
    with pytest.raises(TypeError, match="missing"):
        maker_of(Invoice).make(("mer", "acc"))


def test_a_row_that_was_made_quickly_is_one_like_any_other() -> None:
    make_invoice = quick(Invoice)

    row = make_invoice(merchant_id="mer", account_id="acc", invoice_id="in_1", due_minor=4900)

    assert row == invoice(1, due_minor=4900)
    assert type(row) is Invoice
    assert replace(row, due_minor=0) == invoice(1)
    with pytest.raises(FrozenInstanceError):
        row.due_minor = 1  # type: ignore[misc]
    with pytest.raises(TypeError, match="invoice_id"):
        make_invoice(merchant_id="mer", account_id="acc")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="colour"):
        make_invoice(merchant_id="mer", account_id="acc", invoice_id="in_1", colour="red")  # type: ignore[call-arg]
