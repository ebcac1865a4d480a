"""How a subscription stands at Stripe, as an offer is judged by it."""

from datetime import UTC, datetime

import pytest

from app.domain.standing import Discounted
from app.ports.payments import ProviderUnavailable
from app.providers.stripe.standings import standing_of
from tests.providers.stripe.stripe_shapes import subscription
from tests.providers.stripe.wire import ACCOUNT, API, answers

pytestmark = pytest.mark.anyio
SUBSCRIPTION = f"{API}/v1/subscriptions/sub_1"


async def test_a_standing_is_read_in_full(payments, wire):
    shown = subscription(
        billing_mode={"type": "flexible"},
        customer={"id": "cus_1", "discount": {"id": "di_9"}},
        discounts=[{"id": "di_1", "source": {"coupon": "OLD"}, "end": 1796083200}],
        metadata={"holdfast_offer": "red_1"},
        schedule={"id": "sub_sched_1", "metadata": {"holdfast_offer": "red_0"}},
        cancel_at=1796083200,
        latest_invoice={"id": "in_1", "status": "open"},
        pending_update={"expires_at": 1796083200},
    )
    route = wire.get(url__startswith=SUBSCRIPTION).mock(return_value=answers(shown))

    found = await payments.read_standing(ACCOUNT, "sub_1")

    december = datetime(2026, 12, 1, tzinfo=UTC)
    wanted = {
        "expand[0]": "discounts.source.coupon",
        "expand[1]": "customer.discount.source.coupon",
        "expand[2]": "schedule",
        "expand[3]": "latest_invoice",
    }
    assert dict(route.calls[0].request.url.params) == wanted
    assert found.discounts == (Discounted(id="di_1", coupon="OLD", ends_at=december),)
    assert (found.mark, found.schedule, found.schedule_mark) == ("red_1", "sub_sched_1", "red_0")
    assert (found.flexible, found.customer_discounted, found.pending) == (True, True, True)
    assert (found.cancel_at, found.cancel_at_period_end, found.ends) == (december, False, True)
    assert (found.latest_invoice, found.latest_invoice_status) == ("in_1", "open")


async def test_a_standing_shows_what_holds_once_and_what_is_drafted(payments, wire):
    once = {"id": "di_1", "source": {"coupon": {"id": "HALF", "duration": "once"}}, "end": None}
    draft = {"id": "in_1", "status": "draft", "amount_due": 3000, "auto_advance": True}
    draft |= {"collection_method": "charge_automatically"}
    shown = subscription(discounts=[once], latest_invoice=draft)
    wire.get(url__startswith=SUBSCRIPTION).mock(return_value=answers(shown))

    found = await payments.read_standing(ACCOUNT, "sub_1")

    assert found.discounts == (Discounted(id="di_1", coupon="HALF", once=True),)
    assert found.draft_minor == 3000


async def test_a_standing_shows_that_a_discount_of_the_customers_own_holds_once(payments, wire):
    once = {"id": "di_9", "source": {"coupon": {"id": "HALF", "duration": "once"}}, "end": None}
    shown = subscription(customer={"id": "cus_1", "discount": once})
    wire.get(url__startswith=SUBSCRIPTION).mock(return_value=answers(shown))

    found = await payments.read_standing(ACCOUNT, "sub_1")

    assert found.customer_discount == Discounted(id="di_9", coupon="HALF", once=True)


async def test_a_standing_shows_a_discount_of_an_item_and_who_pays_by_bill(payments, wire):
    shown = subscription(collection_method="send_invoice")
    shown["items"]["data"][0]["discounts"] = ["di_7"]
    wire.get(url__startswith=SUBSCRIPTION).mock(return_value=answers(shown))

    found = await payments.read_standing(ACCOUNT, "sub_1")

    assert (found.discounts, found.discounted, found.billed) == ((), True, True)


@pytest.mark.parametrize("shown", [{}, {"id": "sub_1"}, {"id": "sub_1", "items": []}])
def test_an_answer_that_shows_no_subscription_is_no_answer(shown):
    with pytest.raises(ProviderUnavailable):
        standing_of(shown)
