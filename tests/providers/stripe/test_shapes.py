"""The same fact, told in the shapes of ten years, is the same notice."""

from datetime import UTC, datetime

import pytest

from app.domain.mirror import Invoice, InvoiceStatus, Payment, Subscription
from app.domain.notices import NoticeKind
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
            invoice(status="paid", amount_paid=9500, amount_paid_off_stripe=2000),
            2000,
            7500,
            id="new, beside a payment",
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
    ("more", "tax"),
    [
        pytest.param({"total_taxes": [{"amount": 1500}]}, 1500, id="all of it is asked for"),
        pytest.param({"tax": 1500}, 1500, id="as old versions say it"),
        pytest.param(
            {"total_taxes": [{"amount": 1500}], "total": 19000}, 750, id="half is paid by credit"
        ),
        pytest.param(
            {"total_taxes": [{"amount": 1500}], "total": 5000}, 1500, id="a former debt on top"
        ),
    ],
)
def test_of_the_tax_as_much_counts_as_is_asked_for(more, tax):
    notice = read(event("invoice.payment_failed", invoice(total=more.pop("total", 9500), **more)))

    assert isinstance(notice.snapshot, Invoice)
    assert notice.snapshot.tax_minor == tax


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
