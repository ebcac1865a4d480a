"""The same fact, told in the shapes of ten years, is the same notice."""

from datetime import UTC, datetime

import pytest

from app.domain.mirror import Customer, Invoice, InvoiceStatus, Payment, PaymentMethod, Subscription
from app.domain.notices import NoticeKind
from app.providers.stripe.known_types import is_known
from tests.providers.stripe.stripe_shapes import (
    AT,
    ERAS,
    charge,
    event,
    intent,
    invoice,
    is_new,
    read,
    subscription,
    thin_event,
)

NOW = datetime.fromtimestamp(AT, UTC)


@pytest.mark.parametrize("era", ERAS)
def test_a_refused_renewal_reads_the_same_in_every_era(era):
    notice = read(event("invoice.payment_failed", invoice(era), era=era))

    assert notice.kind is NoticeKind.INVOICE_FAILED
    assert notice.occurred_at == NOW
    assert (notice.object, notice.invoice) == ("in_1", "in_1")
    assert (notice.customer, notice.subscription) == ("cus_1", "sub_1")
    assert (notice.amount_minor, notice.currency) == (9500, "usd")
    assert isinstance(notice.snapshot, Invoice)
    assert notice.snapshot.status is InvoiceStatus.OPEN
    assert notice.snapshot.remaining_minor == 9500
    assert notice.snapshot.created_at == NOW
    assert notice.snapshot.seen_at == NOW


@pytest.mark.parametrize("era", ERAS)
def test_a_subscription_reads_the_same_in_every_era(era):
    notice = read(event("customer.subscription.updated", subscription(era), era=era))

    snapshot = notice.snapshot
    assert isinstance(snapshot, Subscription)
    assert (snapshot.subscription_id, snapshot.customer_id) == ("sub_1", "cus_1")
    assert (snapshot.mrr_minor, snapshot.currency) == (3000, "usd")
    assert (snapshot.plan, snapshot.interval) == ("Team", "month")
    assert snapshot.period_end == datetime.fromtimestamp(AT + 100, UTC)
    assert snapshot.started_at == NOW


@pytest.mark.parametrize("era", ERAS)
def test_a_refused_charge_tells_why_in_every_era(era):
    notice = read(event("charge.failed", charge(era), era=era))

    assert notice.kind is NoticeKind.PAYMENT_FAILED
    assert notice.charge == "ch_1"
    assert notice.decline is not None
    assert notice.decline.kind == "insufficient_funds"
    assert notice.decline.brand == "visa"
    assert notice.invoice == (None if is_new(era) else "in_1")
    assert isinstance(notice.snapshot, Payment)
    assert notice.snapshot.status == "failed"
    assert notice.snapshot.fingerprint == "fp_1"
    assert notice.snapshot.decline is not None


@pytest.mark.parametrize("era", ERAS[1:])
def test_a_refused_intent_tells_why_in_every_era(era):
    notice = read(event("payment_intent.payment_failed", intent(era), era=era))

    assert notice.kind is NoticeKind.PAYMENT_FAILED
    assert (notice.payment, notice.charge, notice.invoice) == ("pi_1", "ch_1", "in_1")
    assert notice.method == "pm_1"
    assert notice.decline is not None
    assert notice.decline.kind == "insufficient_funds"
    assert isinstance(notice.snapshot, Payment)
    assert notice.snapshot.status == "failed"


def test_charge_and_intent_of_one_refusal_name_the_same_payment_and_charge():
    one = read(event("charge.failed", charge()))
    other = read(event("payment_intent.payment_failed", intent()))

    assert (one.payment, one.charge) == (other.payment, other.charge)


def test_every_id_may_come_as_an_expanded_object():
    obj = invoice(
        "2020-08-27",
        customer={"id": "cus_1", "email": "a@example.com"},
        subscription={"id": "sub_1"},
        charge=charge("2020-08-27"),
    )

    notice = read(event("invoice.payment_failed", obj, era="2020-08-27"))

    assert (notice.customer, notice.subscription) == ("cus_1", "sub_1")
    assert notice.charge == "ch_1"
    assert notice.decline is not None
    assert notice.decline.code == "insufficient_funds"


def test_a_customer_of_accounts_v2_is_nobody_we_know():
    obj = invoice(customer=None, customer_account="acct_1")

    notice = read(event("invoice.payment_failed", obj))

    assert notice.customer is None
    assert notice.invoice == "in_1"


@pytest.mark.parametrize(
    ("flags", "status"),
    [
        pytest.param({"paid": True}, InvoiceStatus.PAID, id="paid"),
        pytest.param({"closed": True, "forgiven": True}, "uncollectible", id="forgiven"),
        pytest.param({"closed": True}, InvoiceStatus.VOID, id="closed unpaid"),
        pytest.param({"attempted": False}, InvoiceStatus.DRAFT, id="not yet attempted"),
    ],
)
def test_the_flags_of_old_invoices_read_as_a_status(flags, status):
    notice = read(event("invoice.updated", invoice("2017-08-15", **flags), era="2017-08-15"))

    assert isinstance(notice.snapshot, Invoice)
    assert notice.snapshot.status == status


def test_a_status_nobody_has_heard_of_is_unknown():
    notice = read(event("invoice.updated", invoice(status="levitating")))

    assert isinstance(notice.snapshot, Invoice)
    assert notice.snapshot.status is InvoiceStatus.UNKNOWN


def test_a_null_subscription_is_not_guessed_from_the_lines():
    line = {"id": "sub_other", "type": "subscription", "subscription": "sub_other"}
    obj = invoice("2017-08-15", subscription=None, lines={"data": [line]})

    assert read(event("invoice.updated", obj)).subscription is None


def test_an_invoice_that_does_not_say_is_asked_by_its_lines():
    obj = {"id": "in_1", "lines": {"data": [{"subscription": "sub_7"}]}}

    assert read(event("invoice.updated", obj)).subscription == "sub_7"


@pytest.mark.parametrize(
    ("obj", "off", "paid"),
    [
        pytest.param(
            invoice(status="paid", amount_paid=0, amount_paid_off_stripe=9500), 9500, 0, id="new"
        ),
        pytest.param(
            invoice(
                "2020-08-27", status="paid", paid=True, paid_out_of_band=True, amount_paid=9500
            ),
            9500,
            0,
            id="old",
        ),
        pytest.param(invoice(status="paid", amount_paid=9500), 0, 9500, id="by the provider"),
    ],
)
def test_what_was_paid_elsewhere_is_no_money_of_the_provider(obj, off, paid):
    notice = read(event("invoice.paid", obj))

    assert notice.amount_minor == paid
    assert isinstance(notice.snapshot, Invoice)
    assert notice.snapshot.off_provider_minor == off


@pytest.mark.parametrize(
    "amount", [95.0, "9500", -1, 10**18, None, True, [9500]], ids=lambda a: repr(a)[:12]
)
def test_an_amount_that_is_none_is_not_made_one(amount):
    obj = invoice(amount_due=amount, amount_remaining=amount)

    assert read(event("invoice.payment_failed", obj)).amount_minor == 0


@pytest.mark.parametrize(("said", "read_as"), [("JPY", "jpy"), ("kwd", "kwd"), ("dollars", None)])
def test_currencies_are_codes_in_lower_case(said, read_as):
    assert read(event("invoice.updated", invoice(currency=said))).currency == read_as


def test_an_upcoming_invoice_is_none_yet():
    new = read(event("invoice.upcoming", invoice(id="upcoming_in_1")))
    old_shape = invoice("2020-08-27")
    del old_shape["id"]
    old = read(event("invoice.upcoming", old_shape))

    assert (new.object, new.snapshot, new.subscription) == ("upcoming_in_1", None, "sub_1")
    assert (old.object, old.snapshot, old.subscription) == (None, None, "sub_1")
    assert old.kind is NoticeKind.INVOICE_UPCOMING


def test_an_event_of_ours_without_an_object_is_of_no_concern():
    notice = read(event("invoice.payment_failed", {}))

    assert notice.kind is NoticeKind.OTHER
    assert notice.snapshot is None


def test_the_names_of_changed_fields_are_told():
    notice = read(event("invoice.updated", invoice(), previous={"auto_advance": True, "tax": {}}))

    assert set(notice.previous) == {"auto_advance", "tax"}


def test_a_scheduled_end_is_seen_although_the_flag_is_false():
    obj = subscription(cancel_at=AT + 500, cancel_at_period_end=False)

    snapshot = read(event("customer.subscription.updated", obj)).snapshot

    assert isinstance(snapshot, Subscription)
    assert snapshot.cancel_at == datetime.fromtimestamp(AT + 500, UTC)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        pytest.param({}, "trial_end_without_payment_method", id="the only old reason"),
        pytest.param({"status_details": None}, None, id="not told"),
        pytest.param(
            {"status_details": {"paused": {"subscription": {"type": "final_payment_failure"}}}},
            "final_payment_failure",
            id="told since endive",
        ),
    ],
)
def test_why_a_subscription_is_paused(more, reason):
    obj = subscription(status="paused", **more)

    snapshot = read(event("customer.subscription.paused", obj)).snapshot

    assert isinstance(snapshot, Subscription)
    assert snapshot.pause_reason == reason


def test_the_earliest_period_of_several_items_is_the_next_renewal():
    obj = subscription()
    late = dict(obj["items"]["data"][0], current_period_end=AT + 900)
    obj["items"]["data"].insert(0, late)

    snapshot = read(event("customer.subscription.updated", obj)).snapshot

    assert isinstance(snapshot, Subscription)
    assert snapshot.period_end == datetime.fromtimestamp(AT + 100, UTC)


@pytest.mark.parametrize(
    ("type", "status", "kind"),
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
def test_disputes(type, status, kind):  # noqa: A002
    obj = {"id": "dp_1", "charge": "ch_1", "amount": 900, "currency": "usd", "status": status}

    notice = read(event(type, obj))

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
    assert (notice.charge, notice.payment) == ("ch_1", "pi_1")


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
    ("type", "known"),
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
def test_types_are_known_or_unheard_of(type, known):  # noqa: A002
    assert is_known(type) is known
