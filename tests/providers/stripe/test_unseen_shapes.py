"""Shapes that no recorded file shows: parts paid, what says too little, words of other versions."""

import pytest

from app.domain.mirror import Dispute, Invoice, Payment, PaymentMethod
from app.domain.notices import NoticeKind
from app.domain.outcomes import Outcome
from app.providers.stripe.answers import answer_of_invoice
from app.providers.stripe.live import notices_of_object
from tests.providers.stripe.stripe_shapes import (
    ERAS,
    charge,
    event,
    intent,
    invoice,
    read,
    subscription,
    thin_event,
)
from tests.providers.stripe.wire import ACCOUNT, NOW

PART = {
    "id": "inpay_1",
    "status": "paid",
    "amount_paid": 500,
    "payment": {"payment_intent": intent(id="pi_0", status="succeeded", last_payment_error=None)},
}


def partly_paid(**rest):
    """An invoice of which a part was paid, and the rest is asked of another payment."""
    row = {"id": "inpay_2", "is_default": True, "status": "open"}
    row["payment"] = {"payment_intent": intent(**rest)}
    return invoice(amount_paid=500, amount_remaining=9000, payments={"data": [PART, row]})


UNDER_WAY = {"status": "processing", "last_payment_error": None}


@pytest.mark.parametrize(
    ("shown", "outcome", "payment"),
    [
        pytest.param(partly_paid(**UNDER_WAY), Outcome.PROCESSING, "pi_1", id="under way"),
        pytest.param(partly_paid(), Outcome.DECLINED, "pi_1", id="refused"),
        pytest.param(
            invoice(amount_paid=500, payments={"data": [PART]}), Outcome.UNKNOWN, None, id="no more"
        ),
    ],
)
def test_a_part_that_was_paid_before_is_not_the_outcome_of_a_charge(shown, outcome, payment):
    answer = answer_of_invoice(shown, ACCOUNT, NOW)

    assert (answer.outcome, answer.payment_id) == (outcome, payment)


@pytest.mark.parametrize(
    ("shown", "kind"),
    [
        pytest.param(partly_paid(), NoticeKind.INVOICE_FAILED, id="refused"),
        pytest.param(partly_paid(**UNDER_WAY), NoticeKind.INVOICE_UPDATED, id="under way"),
    ],
)
def test_a_part_that_was_paid_hides_no_refusal_of_the_rest(shown, kind):
    (notice,) = notices_of_object(
        "invoice", shown, ACCOUNT, event="evt_1", at=NOW, now=NOW, invoice=None
    )

    assert (notice.kind, notice.payment) == (kind, "pi_1")


@pytest.mark.parametrize("name", ["invoice.payment_failed", "invoice.paid", "invoice.updated"])
@pytest.mark.parametrize(
    "untold",
    [
        pytest.param({"currency": None}, id="no currency"),
        pytest.param({"currency": "dollars"}, id="no such currency"),
        pytest.param({"amount_due": None, "amount_remaining": None}, id="no amount"),
        pytest.param({"amount_due": "9500", "amount_remaining": 95.0}, id="no whole amount"),
        pytest.param({"amount_due": 10**18, "amount_remaining": -1}, id="beyond all amounts"),
    ],
)
def test_an_invoice_that_does_not_say_what_is_asked_for_is_read_live(name, untold):
    notice = read(event(name, invoice(**untold)))

    assert (notice.kind, notice.snapshot) == (NoticeKind.READ, None)
    assert (notice.object, notice.invoice, notice.customer) == ("in_1", "in_1", "cus_1")


@pytest.mark.parametrize("era", ERAS)
def test_an_invoice_of_every_version_says_what_is_asked_for(era):
    notice = read(event("invoice.payment_failed", invoice(era), era=era))

    assert isinstance(notice.snapshot, Invoice)
    assert (notice.amount_minor, notice.currency) == (9500, "usd")


def test_a_deleted_invoice_need_not_say_more():
    gone = {"id": "in_1", "object": "invoice", "deleted": True}

    assert read(event("invoice.deleted", gone)).kind is NoticeKind.INVOICE_DELETED


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("charge_refunded", "charge_refunded"),
        ("warning_closed", "warning_closed"),
        ("needs_response", "closed"),
        ("settled_by_arbitration", "closed"),
        (None, "closed"),
    ],
)
def test_a_closed_dispute_is_over_in_whatever_word(status, shown):
    obj = {"id": "dp_1", "charge": "ch_1", "amount": 900, "currency": "usd", "status": status}

    notice = read(event("charge.dispute.closed", obj))

    assert notice.kind is NoticeKind.DISPUTE_UPDATED
    assert isinstance(notice.snapshot, Dispute)
    assert notice.snapshot.status == shown


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        ({"captured": False, "amount_captured": 0}, "uncaptured"),
        ({"captured": True}, "succeeded"),
        ({}, "succeeded"),
        ({"captured": False, "status": "failed"}, "failed"),
        ({"captured": True, "status": "pending"}, "processing"),
    ],
)
def test_what_is_only_set_aside_at_the_bank_is_not_taken(shown, status):
    snapshot = read(event("charge.succeeded", charge(**{"status": "succeeded"} | shown))).snapshot

    assert isinstance(snapshot, Payment)
    assert snapshot.status == status


def test_a_thin_credit_note_is_read():
    notice = read(thin_event("v1.credit_note.created", {"id": "cn_1", "type": "credit_note"}))

    assert (notice.kind, notice.object) == (NoticeKind.READ, "cn_1")


@pytest.mark.parametrize(
    ("month", "year", "kept"),
    [
        (4, 2031, (4, 2031)),
        (0, 2031, (None, 2031)),
        (13, 31, (None, None)),
        (12, 10**15, (12, None)),
        ("4", None, (None, None)),
    ],
)
def test_an_expiry_that_is_no_month_of_no_year_is_not_kept(month, year, kept):
    shown = {"exp_month": month, "exp_year": year}
    obj = {"id": "pm_1", "object": "payment_method", "type": "card", "card": shown}

    snapshot = read(event("payment_method.updated", obj)).snapshot

    assert isinstance(snapshot, PaymentMethod)
    assert (snapshot.exp_month, snapshot.exp_year) == kept


@pytest.mark.parametrize("last4", ["4242", "00004242", "DE89370400440532014242"])
def test_of_a_number_no_more_than_four_digits_are_kept(last4):
    obj = {"id": "ba_1", "object": "bank_account", "customer": "cus_1", "last4": last4}

    snapshot = read(event("customer.source.created", obj)).snapshot

    assert isinstance(snapshot, PaymentMethod)
    assert snapshot.last4 == "4242"


@pytest.mark.parametrize(
    ("name", "obj"),
    [("customer.subscription", subscription()), ("customer", {"id": "cus_1", "email": "a@b.c"})],
)
def test_what_tells_of_the_making_comes_before_all_else_of_its_second(name, obj):
    made = read(event(f"{name}.created", obj))
    changed = read(event(f"{name}.updated", obj))

    assert made.occurred_at == changed.occurred_at
    before, after = (getattr(told.snapshot, "seen_at", None) for told in (made, changed))
    assert before is not None
    assert before < made.occurred_at == after
