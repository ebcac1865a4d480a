"""Leaving at Stripe: exactly what goes over the wire, and what a refusal becomes."""

import pytest

from app.ports.payments import ProviderRefused
from tests.providers.stripe.stripe_shapes import invoice, subscription
from tests.providers.stripe.wire import ACCOUNT, API, answers, form, key, refuses

pytestmark = pytest.mark.anyio
SUBSCRIPTION = f"{API}/v1/subscriptions/sub_1"
RELEASE = f"{API}/v1/subscription_schedules/sub_sched_1/release"


async def cancels(payments, *, at_once=False):
    told = {"feedback": "unused", "key": "cxr_1:cancel"}
    await payments.cancel(ACCOUNT, "sub_1", at_once=at_once, **told)


async def test_an_end_with_the_period_names_the_reason_under_our_key(payments, wire):
    wire.get(SUBSCRIPTION).mock(return_value=answers(subscription(schedule=None)))
    asked = wire.post(SUBSCRIPTION).mock(return_value=answers(subscription()))

    await cancels(payments)

    assert form(asked) == {
        "cancel_at_period_end": "true",
        "cancellation_details[feedback]": "unused",
    }
    assert key(asked) == "cxr_1:cancel"


async def test_an_end_at_once_is_a_delete_and_carries_no_words_of_the_customer(payments, wire):
    wire.get(SUBSCRIPTION).mock(return_value=answers(subscription(schedule=None)))
    asked = wire.delete(url__startswith=SUBSCRIPTION).mock(return_value=answers(subscription()))

    await cancels(payments, at_once=True)

    sent = asked.calls[0].request
    said = sent.url.query.decode() + sent.content.decode()
    assert "feedback" in said
    assert "comment" not in said


async def test_a_schedule_is_let_go_first_whoever_made_it(payments, wire):
    shown = subscription(schedule="sub_sched_1")
    wire.get(SUBSCRIPTION).mock(return_value=answers(shown))
    released = wire.post(RELEASE).mock(return_value=answers({"id": "sub_sched_1"}))
    wire.post(SUBSCRIPTION).mock(return_value=answers(shown))

    await cancels(payments)

    assert key(released) == "cxr_1:cancel:release"


async def test_what_has_ended_is_left_alone(payments, wire):
    looked = wire.get(SUBSCRIPTION).mock(return_value=answers(subscription(status="canceled")))

    await cancels(payments)

    assert looked.call_count == 1


async def test_a_refusal_is_fine_only_where_it_ended_meanwhile(payments, wire):
    wire.post(SUBSCRIPTION).mock(return_value=refuses(400, code="resource_missing"))
    before, after = subscription(schedule=None), subscription(status="canceled")
    wire.get(SUBSCRIPTION).mock(side_effect=[answers(before), answers(after)])
    await cancels(payments)

    wire.get(SUBSCRIPTION).mock(side_effect=[answers(before), answers(before)])
    with pytest.raises(ProviderRefused):
        await cancels(payments)


@pytest.mark.parametrize(
    ("planned", "sent"),
    [
        ({"cancel_at_period_end": True, "cancel_at": 1}, {"cancel_at_period_end": "false"}),
        ({"cancel_at_period_end": False, "cancel_at": 1}, {"cancel_at": ""}),
    ],
)
async def test_an_end_is_taken_back_by_the_field_that_holds_it(payments, wire, planned, sent):
    wire.get(SUBSCRIPTION).mock(return_value=answers(subscription(schedule=None, **planned)))
    asked = wire.post(SUBSCRIPTION).mock(return_value=answers(subscription()))

    await payments.uncancel(ACCOUNT, "sub_1", key="cxr_1:undo")

    assert form(asked) == sent
    assert key(asked) == "cxr_1:undo"


async def test_nothing_is_taken_back_after_the_end(payments, wire):
    wire.get(SUBSCRIPTION).mock(return_value=answers(subscription(status="canceled")))

    with pytest.raises(ProviderRefused):
        await payments.uncancel(ACCOUNT, "sub_1", key="k")


@pytest.mark.parametrize(
    ("payment", "named"), [("pi_1", "payment_intent"), ("ch_1", "charge"), ("py_1", "charge")]
)
async def test_a_payment_is_given_back_once_under_its_key(payments, wire, payment, named):
    refund = wire.post(f"{API}/v1/refunds")
    refund.mock(return_value=answers({"id": "re_1"}))

    await payments.refund(ACCOUNT, payment, key="k")

    assert form(refund) == {named: payment, "reason": "requested_by_customer"}
    assert key(refund) == "k"


async def test_a_part_of_a_payment_is_given_back(payments, wire):
    refund = wire.post(f"{API}/v1/refunds")
    refund.mock(return_value=answers({"id": "re_1"}))

    await payments.refund(ACCOUNT, "pi_1", key="k", amount_minor=700)

    assert form(refund)["amount"] == "700"


async def test_what_was_paid_wholly_or_in_part_is_listed_by_its_contract(payments, wire):
    shown = {
        "paid": [invoice(id="in_7", status="paid")],
        "open": [
            invoice(id="in_8", status="open", amount_paid=1200),
            invoice(id="in_9", status="open", amount_paid=0),
        ],
    }

    def listed(request):
        data = shown.get(request.url.params["status"], [])
        return answers({"object": "list", "data": data, "has_more": False})

    asked = wire.get(url__startswith=f"{API}/v1/invoices")
    asked.mock(side_effect=listed)

    found = await payments.paid_invoices(ACCOUNT, "sub_1")

    assert found == ("in_7", "in_8")
    told = {"subscription": "sub_1", "status": "paid", "limit": "100"}
    assert dict(asked.calls[0].request.url.params) == told


async def test_one_given_back_already_is_fine_and_another_refusal_is_not(payments, wire):
    refund = wire.post(f"{API}/v1/refunds")
    refund.mock(return_value=refuses(400, code="charge_already_refunded"))
    await payments.refund(ACCOUNT, "pi_1", key="k")

    refund.mock(return_value=refuses(400, code="charge_disputed"))
    with pytest.raises(ProviderRefused):
        await payments.refund(ACCOUNT, "pi_1", key="k")


async def test_what_is_open_or_a_draft_is_read_with_the_subscription(payments, wire):
    wire.get(SUBSCRIPTION).mock(return_value=answers(subscription()))
    drafts, opened = (
        {"object": "list", "data": [invoice(**told)], "has_more": False}
        for told in ({"id": "in_2", "status": "draft"}, {})
    )
    asked = wire.get(url__startswith=f"{API}/v1/invoices")
    asked.mock(side_effect=[answers(drafts), answers(opened)])

    seen = await payments.read_departing(ACCOUNT, "sub_1")

    assert [dict(call.request.url.params) for call in asked.calls] == [
        {"subscription": "sub_1", "status": status, "limit": "100"} for status in ("draft", "open")
    ]
    assert [one.invoice_id for one in seen.open_invoices] == ["in_2", "in_1"]
    assert seen.subscription.account_id == "acc_1"
    assert seen.next_minor is None
