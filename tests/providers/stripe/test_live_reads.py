"""Objects read live, as the notices their events would have been."""

import pytest

from app.domain.mirror import Invoice, Payment, Subscription
from app.domain.notices import NoticeKind
from tests.providers.stripe.stripe_shapes import card, charge, intent, invoice, subscription
from tests.providers.stripe.wire import ACCOUNT, API, NOW, answers, refuses

pytestmark = pytest.mark.anyio
INVOICE = f"{API}/v1/invoices/in_1"
SUBSCRIPTION = f"{API}/v1/subscriptions/sub_1"


async def read_live(payments, kind, of):
    return await payments.read_object(ACCOUNT, type=kind, id=of, event="evt_7", at=NOW)


@pytest.mark.parametrize(
    ("obj", "kind"),
    [
        pytest.param(invoice(status="paid"), NoticeKind.INVOICE_PAID, id="paid"),
        pytest.param(invoice(status="void"), NoticeKind.INVOICE_VOIDED, id="void"),
        pytest.param(invoice(status="uncollectible"), "invoice_uncollectible", id="given up"),
        pytest.param(invoice(), NoticeKind.INVOICE_FAILED, id="refused"),
        pytest.param(invoice(attempt_count=0), NoticeKind.INVOICE_UPDATED, id="not yet tried"),
        pytest.param(
            invoice(
                payments={
                    "data": [{"payment": {"payment_intent": intent(last_payment_error=None)}}]
                }
            ),
            NoticeKind.INVOICE_UPDATED,
            id="under way",
        ),
    ],
)
async def test_an_invoice_read_live_says_how_it_stands(payments, wire, obj, kind):
    wire.get(INVOICE).mock(return_value=answers(obj))
    wire.get(f"{API}/v1/invoice_payments").mock(return_value=answers(obj.get("payments")))

    (notice,) = await read_live(payments, "invoice", "in_1")

    assert notice.kind == kind
    assert (notice.event, notice.occurred_at) == ("evt_7", NOW)
    assert isinstance(notice.snapshot, Invoice)
    assert notice.snapshot.account_id == "acc_1"


async def test_a_refunded_payment_read_live_names_its_invoice(payments, wire):
    latest = charge(status="succeeded", amount_refunded=4000)
    obj = intent(status="succeeded", latest_charge=latest, last_payment_error=None)
    wire.get(f"{API}/v1/payment_intents/pi_1").mock(return_value=answers(obj))
    join = answers({"data": [{"id": "inpay_1", "invoice": "in_7"}]})
    wire.get(f"{API}/v1/invoice_payments").mock(return_value=join)
    gone = answers({"data": [{"id": "re_1", "amount": 4000, "status": "succeeded"}]})
    wire.get(f"{API}/v1/refunds").mock(return_value=gone)

    (notice,) = await read_live(payments, "payment", "pi_1")

    assert notice.kind is NoticeKind.PAYMENT_REFUNDED
    assert (notice.invoice, notice.amount_minor) == ("in_7", 4000)
    assert isinstance(notice.snapshot, Payment)
    assert (notice.snapshot.invoice_id, notice.snapshot.refunded_minor) == ("in_7", 4000)


async def test_a_failed_refund_read_live_tells_all_that_went_and_what_came_back(payments, wire):
    # given a charge that says less than was ever given back
    latest = charge(status="succeeded", amount_refunded=500)
    failed = {"id": "re_1", "amount": 1000, "status": "failed", "charge": "ch_1"}
    failed["payment_intent"] = "pi_1"
    paid_out = {"id": "re_2", "amount": 500, "status": "succeeded", "charge": "ch_1"}
    wire.get(f"{API}/v1/refunds/re_1").mock(return_value=answers({**failed, "charge": latest}))
    listed = wire.get(f"{API}/v1/refunds").mock(return_value=answers({"data": [paid_out, failed]}))
    join = answers({"data": [{"id": "inpay_1", "invoice": "in_7"}]})
    wire.get(f"{API}/v1/invoice_payments").mock(return_value=join)

    went, came_back = await read_live(payments, "object", "re_1")

    assert (went.kind, went.amount_minor) == (NoticeKind.PAYMENT_REFUNDED, 1500)
    assert went.snapshot.invoice_id == "in_7"
    assert (came_back.kind, came_back.object) == (NoticeKind.REFUND_FAILED, "re_1")
    assert (came_back.amount_minor, came_back.charge) == (1000, "ch_1")
    assert listed.calls[0].request.url.params["charge"] == latest["id"]


OFF = {"id": "di_1", "source": {"coupon": {"duration": "forever", "percent_off": 50}}}


def items(*names, **more):
    """Items of 15.00 USD a month."""
    (one,) = subscription()["items"]["data"]
    return {"data": [{**one, "id": name, "quantity": 1, **more} for name in names]}


@pytest.mark.parametrize(
    ("shown", "every", "mrr"),
    [
        pytest.param(
            items("si_1", discounts=["di_1"]), items("si_1", discounts=[OFF]), 750, id="discounted"
        ),
        pytest.param(
            items("si_1") | {"has_more": True}, items("si_1", "si_2"), 3000, id="more than shown"
        ),
    ],
)
async def test_items_that_a_subscription_does_not_show_in_full_are_listed(
    payments, wire, shown, every, mrr
):
    wire.get(SUBSCRIPTION).mock(return_value=answers(subscription(items=shown)))
    listed = wire.get(f"{API}/v1/subscription_items").mock(return_value=answers(every))

    (notice,) = await read_live(payments, "object", "sub_1")

    asked = listed.calls[0].request.url.params
    assert (asked["subscription"], asked["expand[0]"]) == ("sub_1", "data.discounts.source.coupon")
    assert isinstance(notice.snapshot, Subscription)
    assert (notice.snapshot.mrr_minor, notice.snapshot.discounts_hidden) == (mrr, None)


@pytest.mark.parametrize(
    ("path", "of", "obj", "kind"),
    [
        ("subscriptions", "sub_1", subscription(), NoticeKind.SUBSCRIPTION_CHANGED),
        ("subscriptions", "sub_1", subscription(status="canceled"), "subscription_ended"),
        ("customers", "cus_1", {"id": "cus_1"}, NoticeKind.CUSTOMER_CHANGED),
        ("customers", "cus_1", {"id": "cus_1", "deleted": True}, NoticeKind.CUSTOMER_DELETED),
        ("payment_methods", "pm_1", card("pm_1"), NoticeKind.METHOD_CHANGED),
        ("payment_methods", "pm_1", card("pm_1", customer="cus_1"), NoticeKind.METHOD_CHANGED),
        ("payment_methods", "pm_1", card("pm_1", customer=None), NoticeKind.METHOD_REMOVED),
        (
            "payment_methods",
            "pm_1",
            card("pm_1", customer=None, customer_account="acct_1"),
            NoticeKind.METHOD_CHANGED,
        ),
        ("disputes", "dp_1", {"id": "dp_1", "status": "lost"}, NoticeKind.DISPUTE_LOST),
        ("setup_intents", "seti_1", {"id": "seti_1", "status": "succeeded"}, "card_collected"),
        ("subscription_schedules", "sub_sched_1", {"id": "sub_sched_1"}, "schedule_changed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_other_objects_read_live(payments, wire, path, of, obj, kind):
    wire.get(f"{API}/v1/{path}/{of}").mock(return_value=answers(obj))

    (notice,) = await read_live(payments, "object", of)

    assert notice.kind == kind
    assert notice.object == of


UPCOMING = {
    "id": "evt_7",
    "object": "v2.core.event",
    "type": "v1.invoice.upcoming",
    "created": "2026-11-01T10:00:00.000Z",
    "related_object": None,
}


async def test_a_bare_event_read_itself_says_whose_invoice_is_coming(payments, wire):
    whole = UPCOMING | {"data": {"customer": "cus_1", "subscription": "sub_1"}}
    wire.get(f"{API}/v2/core/events/evt_7").mock(return_value=answers(whole))

    (notice,) = await read_live(payments, "event", "evt_7")

    assert (notice.kind, notice.event) == (NoticeKind.INVOICE_UPCOMING, "evt_7")
    assert (notice.customer, notice.subscription) == ("cus_1", "sub_1")


@pytest.mark.parametrize("body", [UPCOMING, {"id": "evt_7"}, UPCOMING | {"data": {}}])
async def test_an_event_that_says_no_more_is_not_read_again(payments, wire, body):
    wire.get(f"{API}/v2/core/events/evt_7").mock(return_value=answers(body))

    assert await read_live(payments, "event", "evt_7") == []


async def test_what_is_gone_gives_no_notice(payments, wire):
    wire.get(INVOICE).mock(return_value=refuses(404, code="resource_missing"))

    assert await read_live(payments, "invoice", "in_1") == []


async def test_what_we_do_not_read_is_not_asked_for(payments):
    assert await read_live(payments, "object", "po_1") == []
