"""Credit notes as Stripe told of them through the years."""

from typing import Any

import pytest

from app.domain.mirror import CreditNote
from app.domain.notices import NoticeKind
from app.providers.stripe.translate import translate
from tests.providers.stripe.stripe_shapes import AT, event

OLD = {
    "id": "cn_1",
    "object": "credit_note",
    "amount": 700,
    "created": AT,
    "currency": "usd",
    "customer": "cus_1",
    "invoice": "in_1",
    "status": "issued",
    "type": "pre_payment",
}
NEW = {**OLD, "pre_payment_amount": 500, "post_payment_amount": 200, "type": "mixed"}


@pytest.mark.parametrize(
    ("obj", "era", "taken_off"),
    [
        pytest.param(NEW, "2026-10-28.endive", 500, id="newest"),
        pytest.param(OLD, "2020-08-27", 700, id="old, before payment"),
        pytest.param({**OLD, "type": "post_payment"}, "2020-08-27", 0, id="old, after payment"),
        pytest.param({**OLD, "amount": "many"}, "2020-08-27", 0, id="no amount"),
    ],
)
@pytest.mark.parametrize("what", ["created", "updated", "voided"])
def test_a_credit_note_tells_what_it_took_off(
    obj: dict[str, Any], era: str, taken_off: int, what: str
) -> None:
    shown = obj | ({"status": "void", "voided_at": AT + 60} if what == "voided" else {})

    (notice,) = translate(event(f"credit_note.{what}", shown, era=era))

    note = notice.snapshot
    assert isinstance(note, CreditNote)
    assert (notice.kind, notice.object) == (NoticeKind.CREDIT_NOTED, "cn_1")
    assert (notice.invoice, notice.customer) == ("in_1", "cus_1")
    assert (note.amount_minor, note.voided) == (taken_off, what == "voided")


@pytest.mark.parametrize("obj", [{}, {"id": 7}, {"id": "cn_1", "invoice": ["in_1"]}])
def test_a_credit_note_out_of_shape_breaks_nothing(obj: dict[str, Any]) -> None:
    notices = translate(event("credit_note.created", obj))

    assert all(notice.invoice is None for notice in notices)
