"""Single families of events: disputes, refunds, methods, customers, thin and unheard-of ones."""

from datetime import UTC, datetime

import pytest

from app.domain.mirror import Customer, Payment, PaymentMethod
from app.domain.notices import NoticeKind
from app.providers.stripe.known_types import is_known
from tests.providers.stripe.stripe_shapes import AT, charge, event, invoice, read, thin_event

NOW = datetime.fromtimestamp(AT, UTC)


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("charge.dispute.created", "needs_response", NoticeKind.DISPUTE_OPENED),
        ("charge.dispute.updated", "under_review", NoticeKind.DISPUTE_UPDATED),
        ("charge.dispute.closed", "won", NoticeKind.DISPUTE_WON),
        ("charge.dispute.closed", "lost", NoticeKind.DISPUTE_LOST),
        ("charge.dispute.closed", "warning_closed", NoticeKind.DISPUTE_UPDATED),
        ("charge.dispute.closed", "something_new", NoticeKind.DISPUTE_UPDATED),
        ("charge.dispute.funds_withdrawn", "needs_response", NoticeKind.DISPUTE_FUNDS_WITHDRAWN),
        ("charge.dispute.funds_reinstated", "won", NoticeKind.DISPUTE_FUNDS_REINSTATED),
    ],
)
def test_disputes(name, status, kind):
    obj = {"id": "dp_1", "charge": "ch_1", "amount": 900, "currency": "usd", "status": status}

    notice = read(event(name, obj))

    assert notice.kind is kind
    assert (notice.object, notice.charge, notice.payment) == ("dp_1", "ch_1", "ch_1")
    assert notice.amount_minor == 900


def test_a_refund_is_told_cumulatively_by_its_charge():
    obj = charge(status="succeeded", amount_refunded=4000)

    notice = read(event("charge.refunded", obj))

    assert notice.kind is NoticeKind.PAYMENT_REFUNDED
    assert notice.amount_minor == 4000


def test_a_refund_that_failed_is_read_live():
    obj = {"id": "re_1", "status": "failed", "charge": "ch_1", "payment_intent": "pi_1"}

    notice = read(event("refund.failed", obj))

    assert notice.kind is NoticeKind.READ
    assert (notice.object, notice.charge, notice.payment) == ("re_1", "ch_1", "pi_1")


def test_an_invoice_payment_joins_payment_and_invoice():
    obj = {
        "id": "inpay_1",
        "invoice": "in_1",
        "amount_paid": 9500,
        "currency": "usd",
        "status": "paid",
        "payment": {"type": "payment_intent", "payment_intent": "pi_1"},
    }

    notice = read(event("invoice_payment.paid", obj))

    assert (notice.payment, notice.invoice, notice.amount_minor) == ("pi_1", "in_1", 9500)
    assert isinstance(notice.snapshot, Payment)
    assert notice.snapshot.status == "succeeded"


CARD = {
    "id": "pm_1",
    "object": "payment_method",
    "type": "card",
    "customer": "cus_1",
    "created": AT,
    "card": {"brand": "visa", "last4": "4242", "exp_month": 4, "exp_year": 2031, "country": "DE"},
}


def test_a_card_updated_by_the_network():
    snapshot = read(event("payment_method.automatically_updated", CARD)).snapshot

    assert isinstance(snapshot, PaymentMethod)
    assert (snapshot.brand, snapshot.last4) == ("visa", "4242")
    assert (snapshot.exp_month, snapshot.exp_year) == (4, 2031)
    assert snapshot.network_updated_at == NOW


def test_a_removed_card_still_names_whose_it_was():
    obj = CARD | {"customer": None}

    notice = read(event("payment_method.detached", obj, previous={"customer": "cus_1"}))

    assert notice.kind is NoticeKind.METHOD_REMOVED
    assert notice.customer == "cus_1"
    assert isinstance(notice.snapshot, PaymentMethod)
    assert notice.snapshot.detached


def test_a_legacy_card_that_expires():
    obj = {"id": "card_1", "object": "card", "brand": "Visa", "customer": "cus_1", "exp_month": 11}

    notice = read(event("customer.source.expiring", obj, era="2020-08-27"))

    assert notice.kind is NoticeKind.CARD_EXPIRING
    assert isinstance(notice.snapshot, PaymentMethod)
    assert (notice.snapshot.type, notice.snapshot.brand) == ("card", "visa")


def test_a_card_collected_by_our_link_brings_the_link_back():
    obj = {
        "id": "seti_1",
        "customer": "cus_1",
        "payment_method": "pm_2",
        "metadata": {"holdfast_link": "lnk_1"},
    }

    notice = read(event("setup_intent.succeeded", obj))

    assert notice.kind is NoticeKind.CARD_COLLECTED
    assert (notice.customer, notice.method, notice.link) == ("cus_1", "pm_2", "lnk_1")


def test_a_checkout_collects_a_card_only_where_it_shows_one():
    bare = {"id": "cs_1", "mode": "setup", "customer": "cus_1", "setup_intent": "seti_1"}
    shown = bare | {"setup_intent": {"id": "seti_1", "payment_method": "pm_2"}}

    assert read(event("checkout.session.completed", bare)).kind is NoticeKind.OTHER
    assert read(event("checkout.session.completed", shown)).kind is NoticeKind.CARD_COLLECTED


def test_a_customer_reads_without_control_characters():
    obj = {
        "id": "cus_1",
        "name": "Ann\r\nBcc: x\0",
        "email": "a@example.com",
        "preferred_locales": ["de-AT"],
        "address": {"country": "AT"},
        "invoice_settings": {"default_payment_method": "pm_1"},
        "default_source": "card_1",
    }

    snapshot = read(event("customer.updated", obj)).snapshot

    assert isinstance(snapshot, Customer)
    assert snapshot.name == "Ann Bcc: x"
    assert (snapshot.language, snapshot.country) == ("de-AT", "AT")
    assert snapshot.default_method_id == "pm_1"


def test_a_deleted_customer_is_marked():
    snapshot = read(event("customer.deleted", {"id": "cus_1"})).snapshot

    assert isinstance(snapshot, Customer)
    assert snapshot.deleted


def test_a_released_schedule_names_the_subscription_it_let_go():
    obj = {"id": "sub_sched_1", "subscription": None, "released_subscription": "sub_1"}

    assert read(event("subscription_schedule.released", obj)).subscription == "sub_1"


@pytest.mark.parametrize(
    ("related", "field"),
    [
        ("invoice", "invoice"),
        ("subscription", "subscription"),
        ("customer", "customer"),
        ("charge", "charge"),
        ("payment_intent", "payment"),
        ("payment_method", "method"),
    ],
)
def test_a_thin_event_asks_for_a_live_read(related, field):
    body = thin_event("v1.some.event", {"id": "x_1", "type": related, "url": "/v1/x"})

    notice = read(body)

    assert notice.kind is NoticeKind.READ
    assert notice.object == "x_1"
    assert getattr(notice, field) == "x_1"
    assert notice.occurred_at.isoformat() == "2026-10-01T12:00:00.500000+00:00"


def test_a_thin_event_about_something_else_is_of_no_concern():
    body = thin_event("v1.payout.paid", {"id": "po_1", "type": "payout"})

    assert read(body).kind is NoticeKind.OTHER


def test_a_thin_upcoming_invoice_names_nobody_unless_its_data_came_along():
    bare = read(thin_event("v1.invoice.upcoming", None))
    data = {"customer": "cus_1", "subscription": "sub_1"}
    full = read(thin_event("v1.invoice.upcoming", None, data=data))

    assert (bare.kind, bare.object) == (NoticeKind.READ, None)
    assert (full.kind, full.subscription) == (NoticeKind.INVOICE_UPCOMING, "sub_1")


def test_an_unheard_of_event_is_read_as_far_as_it_goes():
    notice = read(event("invoice.levitated", invoice(), era="2031-03-31.yew"))

    assert notice.kind is NoticeKind.OTHER
    assert (notice.object, notice.invoice, notice.subscription) == ("in_1", "in_1", "sub_1")


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("invoice.paid", True),
        ("coupon.created", True),
        ("customer.bank_account.deleted", True),
        ("v1.invoice.paid", True),
        ("v1.customer.subscription.past_due", True),
        ("v2.core.account.created", True),
        ("v1.invoice.levitated", False),
        ("invoice.levitated", False),
        ("invoice.", False),
        ("", False),
    ],
)
def test_types_are_known_or_unheard_of(name, known):
    assert is_known(name) is known
