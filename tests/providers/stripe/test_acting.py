"""What we do at Stripe: what goes over the wire, and what a refusal becomes."""

import pytest

from app.domain.mirror import InvoiceStatus
from app.ports.payments import ProviderRefused
from tests.providers.stripe.stripe_shapes import charge, invoice, subscription
from tests.providers.stripe.wire import ACCOUNT, API, answers, form, key, refuses

pytestmark = pytest.mark.anyio
INVOICE = f"{API}/v1/invoices/in_1"
SUBSCRIPTION = f"{API}/v1/subscriptions/sub_1"
GIVES_NOTHING_BACK = {
    "type": "subscription",
    "bill_for[unused_time_from][type]": "none",
    "bill_for[outstanding_usage_through][type]": "now",
    "invoicing_behavior": "pending_invoice_item",
}


async def test_stripes_own_retries_are_stopped_and_the_invoice_is_read_back(payments, wire):
    stop = wire.post(INVOICE).mock(return_value=answers(invoice()))
    stopped = invoice(auto_advance=False, next_payment_attempt=None)
    wire.get(INVOICE).mock(return_value=answers(stopped))

    after = await payments.stop_provider_retries(ACCOUNT, "in_1")

    assert form(stop) == {"auto_advance": "false"}
    assert after.next_attempt_at is None
    assert after.auto_advance is False


async def test_a_new_card_is_set_on_customer_and_subscriptions(payments, wire):
    customer = wire.post(f"{API}/v1/customers/cus_1").mock(return_value=answers({"id": "cus_1"}))
    one = wire.post(SUBSCRIPTION).mock(return_value=answers(subscription()))
    two = wire.post(f"{API}/v1/subscriptions/sub_2").mock(return_value=answers(subscription()))

    await payments.set_default_method(
        ACCOUNT, customer="cus_1", subscriptions=("sub_1", "sub_2"), method="pm_2", key="act_1"
    )

    assert form(customer) == {"invoice_settings[default_payment_method]": "pm_2"}
    assert form(one) == form(two) == {"default_payment_method": "pm_2"}
    assert [key(route) for route in (customer, one, two)] == [
        "act_1:cus_1",
        "act_1:sub_1",
        "act_1:sub_2",
    ]


async def test_a_new_card_is_set_on_an_invoice_until_it_is_closed(payments, wire):
    updated = wire.post(INVOICE).mock(return_value=answers(invoice()))

    async def is_set():
        await payments.set_default_method(
            ACCOUNT, customer=None, subscriptions=(), invoices=("in_1",), method="pm_2", key="act_1"
        )

    await is_set()
    assert (form(updated), key(updated)) == ({"default_payment_method": "pm_2"}, "act_1:in_1")

    wire.post(INVOICE).mock(return_value=refuses(400, code="invoice_not_editable"))
    looked = wire.get(INVOICE).mock(return_value=answers(invoice(status="paid")))
    await is_set()
    assert looked.call_count == 1

    wire.get(INVOICE).mock(return_value=answers(invoice()))
    with pytest.raises(ProviderRefused):
        await is_set()


async def test_a_subscription_that_ended_needs_no_card(payments, wire):
    wire.post(f"{API}/v1/customers/cus_1").mock(return_value=answers({"id": "cus_1"}))
    refused = wire.post(SUBSCRIPTION).mock(return_value=refuses(404, code="resource_missing"))
    looked = wire.get(SUBSCRIPTION).mock(return_value=answers(subscription(status="canceled")))

    await payments.set_default_method(
        ACCOUNT, customer="cus_1", subscriptions=("sub_1",), method="pm_2", key="act_1"
    )

    assert (refused.call_count, looked.call_count) == (1, 1)


async def test_a_card_that_does_not_exist_is_refused(payments, wire):
    wire.post(f"{API}/v1/customers/cus_1").mock(return_value=answers({"id": "cus_1"}))
    wire.post(SUBSCRIPTION).mock(return_value=refuses(404, code="resource_missing"))
    wire.get(SUBSCRIPTION).mock(return_value=answers(subscription()))

    with pytest.raises(ProviderRefused):
        await payments.set_default_method(
            ACCOUNT, customer="cus_1", subscriptions=("sub_1",), method="pm_2", key="act_1"
        )


async def test_a_card_page_carries_our_link_and_no_charge(payments, wire):
    page = {"id": "cs_1", "url": "https://checkout.stripe.com/c/1"}
    route = wire.post(f"{API}/v1/checkout/sessions").mock(return_value=answers(page))

    url = await payments.card_page(
        ACCOUNT, customer="cus_1", return_url="https://a.example/p", link="lnk_1", currency="eur"
    )

    assert url == "https://checkout.stripe.com/c/1"
    assert form(route) == {
        "mode": "setup",
        "customer": "cus_1",
        "currency": "eur",
        "success_url": "https://a.example/p",
        "cancel_url": "https://a.example/p",
        "metadata[holdfast_link]": "lnk_1",
        "setup_intent_data[metadata][holdfast_link]": "lnk_1",
    }


@pytest.mark.parametrize("url", ["https://invoice.stripe.com/i/1", None])
async def test_the_page_of_an_invoice_is_read_fresh(payments, wire, url):
    wire.get(INVOICE).mock(return_value=answers(invoice(hosted_invoice_url=url)))

    assert await payments.invoice_page(ACCOUNT, "in_1") == url


async def test_cancelling_now_puts_nothing_into_the_address(payments, wire):
    route = wire.delete(SUBSCRIPTION).mock(return_value=answers(subscription(status="canceled")))

    await payments.end_subscription(ACCOUNT, "sub_1", how="cancel_now", key="case_1:end")

    assert not route.calls[0].request.url.query


@pytest.mark.parametrize(
    ("how", "path", "sent"),
    [
        ("cancel_at_period_end", "", {"cancel_at_period_end": "true"}),
        ("pause", "/pause", GIVES_NOTHING_BACK),
    ],
)
async def test_other_ends_are_posts_under_our_key(payments, wire, how, path, sent):
    route = wire.post(f"{SUBSCRIPTION}{path}").mock(return_value=answers(subscription()))

    await payments.end_subscription(ACCOUNT, "sub_1", how=how, key="case_1:end")

    assert form(route) == sent
    assert key(route) == "case_1:end"


@pytest.mark.parametrize("found", [answers({"id": "sub_1", "status": "canceled"}), refuses(404)])
async def test_ending_what_has_ended_is_fine(payments, wire, found):
    refused = wire.delete(SUBSCRIPTION).mock(return_value=refuses(404, code="resource_missing"))
    gone = refuses(404, code="resource_missing")
    looked = wire.get(SUBSCRIPTION).mock(return_value=found if found.status_code == 200 else gone)

    await payments.end_subscription(ACCOUNT, "sub_1", how="cancel_now", key="case_1:end")

    assert (refused.call_count, looked.call_count) == (1, 1)


async def test_a_pause_that_is_refused_is_told(payments, wire):
    wire.post(f"{SUBSCRIPTION}/pause").mock(return_value=refuses(400, code="billing_mode_invalid"))
    wire.get(SUBSCRIPTION).mock(return_value=answers(subscription(status="past_due")))

    with pytest.raises(ProviderRefused):
        await payments.end_subscription(ACCOUNT, "sub_1", how="pause", key="case_1:end")


async def test_pausing_what_is_paused_is_fine(payments, wire):
    refused = wire.post(f"{SUBSCRIPTION}/pause").mock(return_value=refuses(400))
    looked = wire.get(SUBSCRIPTION).mock(return_value=answers(subscription(status="paused")))

    await payments.end_subscription(ACCOUNT, "sub_1", how="pause", key="case_1:end")

    assert (refused.call_count, looked.call_count) == (1, 1)


@pytest.mark.parametrize(
    ("how", "path", "status"),
    [("uncollectible", "mark_uncollectible", "uncollectible"), ("void", "void", "void")],
)
async def test_closing_an_invoice(payments, wire, how, path, status):
    route = wire.post(f"{INVOICE}/{path}").mock(return_value=answers(invoice(status=status)))

    after = await payments.close_invoice(ACCOUNT, "in_1", how=how, key="case_1:end")

    assert after.status == status
    assert key(route) == "case_1:end"


async def test_an_invoice_paid_meanwhile_is_not_closed_but_told(payments, wire):
    wire.post(f"{INVOICE}/void").mock(return_value=refuses(400, code="invoice_not_editable"))
    wire.get(INVOICE).mock(return_value=answers(invoice(status="paid")))

    after = await payments.close_invoice(ACCOUNT, "in_1", how="void", key="case_1:end")

    assert after.status is InvoiceStatus.PAID


async def test_a_wallet_is_read_to_its_last_card(payments, wire):
    # given more cards than one page holds
    def page(first: int, last: int, *, more: bool):
        rows = [{"id": f"pm_{n}", "type": "card", "card": {}} for n in range(first, last)]
        return answers({"object": "list", "data": rows, "has_more": more})

    wire.get(f"{API}/v1/customers/cus_1").mock(return_value=answers({"id": "cus_1"}))
    listing = wire.get(url__startswith=f"{API}/v1/customers/cus_1/payment_methods")
    listing.mock(side_effect=[page(0, 100, more=True), page(100, 130, more=False)])

    wallet = await payments.read_wallet(ACCOUNT, "cus_1")

    assert len({method.method_id for method in wallet.methods}) == 130
    assert listing.calls[1].request.url.params["starting_after"] == "pm_99"


async def test_a_draft_is_finalised_for_nobody_to_collect_and_closed_under_a_key_of_its_own(
    payments, wire
):
    # given the draft of a subscription, which can be neither deleted nor voided
    closed = wire.post(f"{INVOICE}/void").mock(
        side_effect=[refuses(400), answers(invoice(status="void"))]
    )
    wire.get(INVOICE).mock(return_value=answers(invoice(status="draft")))
    finalised = wire.post(f"{INVOICE}/finalize").mock(return_value=answers(invoice()))

    after = await payments.close_invoice(ACCOUNT, "in_1", how="void", key="cxr_1")

    assert after.status is InvoiceStatus.VOID
    assert form(finalised) == {"auto_advance": "false"}
    assert (key(closed, 0), key(finalised), key(closed)) == (
        "cxr_1",
        "cxr_1:finalize",
        "cxr_1:finalized",
    )


async def test_a_draft_that_the_balance_paid_for_comes_back_as_it_is(payments, wire):
    wire.post(f"{INVOICE}/void").mock(return_value=refuses(400))
    wire.get(INVOICE).mock(return_value=answers(invoice(status="draft")))
    wire.post(f"{INVOICE}/finalize").mock(return_value=answers(invoice(status="paid")))

    after = await payments.close_invoice(ACCOUNT, "in_1", how="void", key="cxr_1")

    assert after.status is InvoiceStatus.PAID


async def test_an_open_invoice_that_cannot_be_closed_is_refused(payments, wire):
    wire.post(f"{INVOICE}/void").mock(return_value=refuses(400))
    wire.get(INVOICE).mock(return_value=answers(invoice()))

    with pytest.raises(ProviderRefused):
        await payments.close_invoice(ACCOUNT, "in_1", how="void", key="case_1:end")


async def test_the_invoice_of_a_payment_is_found_by_the_join(payments, wire):
    route = wire.get(f"{API}/v1/invoice_payments").mock(
        side_effect=[
            answers({"data": [{"id": "inpay_1", "invoice": "in_7"}]}),
            answers({"data": []}),
        ]
    )

    found = await payments.invoice_of_payment(ACCOUNT, "pi_1")
    none = await payments.invoice_of_payment(ACCOUNT, "pi_2")

    asked = route.calls[0].request.url.params
    assert asked["payment[type]"] == "payment_intent"
    assert asked["payment[payment_intent]"] == "pi_1"
    assert (found, none) == ("in_7", None)


async def test_the_invoice_of_an_old_charge_stands_on_it(payments, wire):
    old = charge("2017-08-15")
    wire.get(f"{API}/v1/charges/ch_1").mock(return_value=answers(old))

    assert await payments.invoice_of_payment(ACCOUNT, "ch_1") == "in_1"


@pytest.mark.parametrize(
    ("how", "path"), [("cancel_at_period_end", ""), ("pause", "/pause")], ids=["cancel", "pause"]
)
async def test_a_schedule_in_the_way_of_an_end_is_released_and_the_end_asked_for_anew(
    payments, wire, how, path
):
    owned = subscription(status="past_due", schedule="sub_sched_1")
    asked = [refuses(400, message="managed by the subscription schedule"), answers(owned)]
    ends = wire.post(f"{SUBSCRIPTION}{path}").mock(side_effect=asked)
    looked = wire.get(SUBSCRIPTION).mock(return_value=answers(owned))
    released = wire.post(f"{API}/v1/subscription_schedules/sub_sched_1/release").mock(
        return_value=answers({"id": "sub_sched_1", "status": "released"})
    )

    await payments.end_subscription(ACCOUNT, "sub_1", how=how, key="case_1:end")

    assert [key(ends, call) for call in range(2)] == ["case_1:end", "case_1:end:released"]
    assert form(ends, 0) == form(ends, 1)
    assert (key(released), looked.call_count) == ("case_1:end:release", 1)


async def test_an_end_that_is_refused_after_the_release_is_told(payments, wire):
    owned = subscription(status="past_due", schedule="sub_sched_1")
    wire.post(f"{SUBSCRIPTION}/pause").mock(return_value=refuses(400))
    wire.get(SUBSCRIPTION).mock(return_value=answers(owned))
    wire.post(f"{API}/v1/subscription_schedules/sub_sched_1/release").mock(
        return_value=refuses(400, message="This subscription schedule is released.")
    )

    with pytest.raises(ProviderRefused):
        await payments.end_subscription(ACCOUNT, "sub_1", how="pause", key="case_1:end")
