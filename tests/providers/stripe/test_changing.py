"""What offers change at Stripe: the exact requests, and what is read of their answers."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.domain.changes import (
    AddDiscount,
    ChangeItems,
    DropPending,
    GiveCredit,
    MoveTrialEnd,
    Pause,
    PlanEnd,
    ReleaseSchedule,
    RemoveDiscount,
    Resume,
    TakeBackEnd,
    Wanted,
)
from app.domain.standing import Item, Price, Standing
from app.ports.payments import ProviderRefused, ProviderUnavailable
from app.providers.stripe.standings import standing_of
from tests.providers.stripe.stripe_shapes import subscription
from tests.providers.stripe.wire import ACCOUNT, API, NOW, answers, form, key, refuses

pytestmark = pytest.mark.anyio
SUBSCRIPTION = f"{API}/v1/subscriptions/sub_1"
COUPON = f"{API}/v1/coupons/holdfast-30pct-3m"
THIRTY_OFF = AddDiscount(coupon="holdfast-30pct-3m", mark="red_1", percent=30, months=3)


async def ask(payments, change):
    await payments.change(ACCOUNT, "sub_1", change, customer="cus_1", key="red_1:1:1")


async def test_a_discount_makes_its_coupon_once_and_keeps_what_stands(payments, wire):
    wire.get(COUPON).mock(return_value=refuses(404, code="resource_missing"))
    coupon = wire.post(f"{API}/v1/coupons").mock(return_value=answers({"id": "c"}))
    update = wire.post(SUBSCRIPTION).mock(return_value=answers(subscription()))

    await ask(payments, replace(THIRTY_OFF, keep=("di_1", "di_2")))

    assert form(coupon) == {
        "id": "holdfast-30pct-3m",
        "percent_off": "30",
        "duration": "repeating",
        "duration_in_months": "3",
    }
    assert form(update) == {
        "discounts[0][discount]": "di_1",
        "discounts[1][discount]": "di_2",
        "discounts[2][coupon]": "holdfast-30pct-3m",
        "metadata[holdfast_offer]": "red_1",
    }
    assert key(update) == "red_1:1:1"


async def test_an_amount_on_one_invoice_needs_no_coupon_made_twice(payments, wire):
    wire.get(f"{API}/v1/coupons/c").mock(return_value=refuses(404, code="resource_missing"))
    exists = refuses(400, code="resource_already_exists")
    coupon = wire.post(f"{API}/v1/coupons").mock(return_value=exists)
    update = wire.post(SUBSCRIPTION).mock(return_value=answers(subscription()))

    await ask(payments, AddDiscount(coupon="c", mark="red_1", amount_minor=500, currency="eur"))

    assert form(coupon) == {
        "id": "c",
        "amount_off": "500",
        "currency": "eur",
        "duration": "once",
    }
    assert update.call_count == 1


async def test_a_discount_is_taken_away_and_others_stay(payments, wire):
    shown = subscription(
        discounts=[
            {"id": "di_1", "source": {"coupon": "OLD"}},
            {"id": "di_2", "source": {"coupon": "holdfast-30pct-3m"}},
        ]
    )
    wire.get(url__startswith=SUBSCRIPTION).mock(return_value=answers(shown))
    update = wire.post(SUBSCRIPTION).mock(return_value=answers(subscription()))

    await ask(payments, RemoveDiscount(coupon="holdfast-30pct-3m"))

    assert form(update) == {"discounts[0][discount]": "di_1"}


async def test_a_removal_that_is_repeated_has_a_key_for_each_list_that_it_sends(payments, wire):
    # given a discount that comes beside ours between a request and its repetition
    ours = {"id": "di_2", "source": {"coupon": "holdfast-30pct-3m"}}
    beside = {"id": "di_3", "source": {"coupon": "NEW"}}
    lists = [subscription(discounts=shown) for shown in ([ours], [ours], [ours, beside])]
    wire.get(url__startswith=SUBSCRIPTION).mock(side_effect=[answers(one) for one in lists])
    update = wire.post(SUBSCRIPTION).mock(return_value=answers(subscription()))

    for _ in lists:
        await ask(payments, RemoveDiscount(coupon="holdfast-30pct-3m"))

    first, second, third = (key(update, call) for call in range(3))
    assert first == second != third
    assert all(sent and sent.startswith("red_1:1:1:") for sent in (first, third))


async def test_the_last_discount_is_cleared(payments, wire):
    wire.get(url__startswith=SUBSCRIPTION).mock(return_value=answers(subscription()))
    update = wire.post(SUBSCRIPTION).mock(return_value=answers(subscription()))

    await ask(payments, RemoveDiscount(coupon="holdfast-30pct-3m"))

    assert form(update) == {"discounts": ""}


@pytest.mark.parametrize(
    ("change", "sent"),
    [
        (TakeBackEnd(flagged=True), {"cancel_at_period_end": "false"}),
        (TakeBackEnd(flagged=False), {"cancel_at": ""}),
        (PlanEnd(), {"cancel_at_period_end": "true"}),
        (PlanEnd(at=datetime(2026, 12, 1, tzinfo=UTC)), {"cancel_at": "1796083200"}),
    ],
)
async def test_a_planned_end_has_two_ways(payments, wire, change, sent):
    update = wire.post(SUBSCRIPTION).mock(return_value=answers(subscription()))

    await ask(payments, change)

    assert form(update) == sent
    assert key(update) == "red_1:1:1"


async def test_a_schedule_is_released(payments, wire):
    route = wire.post(f"{API}/v1/subscription_schedules/sub_sched_1/release")
    route.mock(return_value=answers({"id": "sub_sched_1"}))

    await ask(payments, ReleaseSchedule(schedule="sub_sched_1"))

    assert form(route) == {}
    assert key(route) == "red_1:1:1"


async def test_a_change_that_is_refused_or_unanswered_is_told_apart(payments, wire):
    route = wire.post(SUBSCRIPTION)
    route.side_effect = [refuses(400, code="parameter_invalid"), refuses(500)]

    with pytest.raises(ProviderRefused):
        await ask(payments, PlanEnd())
    with pytest.raises(ProviderUnavailable):
        await ask(payments, PlanEnd())


async def test_the_marks_of_credits_are_a_question_more(payments, wire):
    wire.get(url__startswith=SUBSCRIPTION).mock(return_value=answers(subscription()))
    row = {"id": "cbtxn_1", "amount": -500, "metadata": {"holdfast_offer": "red_1"}}
    listing = wire.get(url__startswith=f"{API}/v1/customers/cus_1/balance_transactions")
    listing.mock(return_value=answers({"object": "list", "data": [row]}))

    found = await payments.read_standing(ACCOUNT, "sub_1", credits_of="cus_1")

    assert found.credits == frozenset({"red_1"})


async def test_the_mark_of_a_credit_is_found_behind_hundreds_of_others(payments, wire):
    # given a hundred credits since ours, and a page of older ones behind it
    wire.get(url__startswith=SUBSCRIPTION).mock(return_value=answers(subscription()))
    now, month = int(NOW.timestamp()), 31 * 86400
    others = [{"id": f"cbtxn_{n}", "created": now} for n in range(100)]
    ours = {"id": "ours", "created": now - 60, "metadata": {"holdfast_offer": "red_1"}}
    old = {"id": "old", "created": now - month - 60, "metadata": {"holdfast_offer": "red_0"}}
    listing = wire.get(url__startswith=f"{API}/v1/customers/cus_1/balance_transactions")
    pages = ({"data": others, "has_more": True}, {"data": [ours, old], "has_more": True})
    listing.mock(side_effect=[answers(page) for page in pages])

    found = await payments.read_standing(ACCOUNT, "sub_1", credits_of="cus_1")

    assert "red_1" in found.credits
    assert listing.calls[1].request.url.params["starting_after"] == "cbtxn_99"


def a_standing(**fields):
    read = standing_of(subscription())
    return replace(read, **fields)


def line(amount, *, price="price_1", off=0, tax=0, behavior="exclusive", proration=False):
    return {
        "amount": amount,
        "parent": {"subscription_item_details": {"proration": proration}},
        "pricing": {"price_details": {"price": price}},
        "discount_amounts": [{"amount": off, "discount": "di_1"}] if off else [],
        "taxes": [{"amount": tax, "tax_behavior": behavior}] if tax else [],
    }


def foreseen(due, *lines):
    """An invoice that Stripe sees coming."""
    listed = {"object": "list", "data": list(lines), "has_more": False}
    return {"amount_due": due, "currency": "usd", "period_end": 1796083200, "lines": listed}


async def test_a_discount_is_previewed_by_stripe_as_if_no_end_were_planned(payments, wire):
    wire.get(COUPON).mock(return_value=answers({"id": "holdfast-30pct-3m"}))
    route = wire.post(f"{API}/v1/invoices/create_preview")
    route.mock(return_value=answers(foreseen(2100, line(3000, off=900))))
    standing: Standing = a_standing(cancel_at_period_end=True)

    forecast = await payments.preview_change(ACCOUNT, standing, (THIRTY_OFF,))
    await payments.preview_change(ACCOUNT, replace(standing, cancel_at_period_end=False), ())

    assert form(route, 0) == {
        "subscription": standing.subscription_id,
        "subscription_details[cancel_at_period_end]": "false",
        "discounts[0][coupon]": "holdfast-30pct-3m",
    }
    assert form(route, 1) == {"subscription": standing.subscription_id}
    assert (forecast.due_minor, forecast.regular_minor) == (2100, 2100)


async def test_what_comes_again_is_told_from_what_is_settled_once(payments, wire):
    # given taxes on top, the rest of a period, something sold once, what was used, and credit
    route = wire.post(f"{API}/v1/invoices/create_preview")
    once = {"amount": 5000, "parent": {"type": "invoice_item_details"}}
    used = line(777, price="price_used")
    lines = (line(3000, tax=570), line(200, tax=38, behavior="inclusive"), used, once)
    route.mock(return_value=answers(foreseen(7000, *lines, line(-1200, proration=True))))
    standing = a_standing()
    metered = Item(id="si_2", price=Price(id="price_used", currency="usd", metered=True))

    forecast = await payments.preview_change(
        ACCOUNT, replace(standing, items=(*standing.items, metered)), ()
    )

    assert (forecast.due_minor, forecast.regular_minor) == (7000, 3000 + 570 + 200)


@pytest.mark.parametrize("wrong", [{"lines": None}, {"lines": {"data": [], "has_more": True}}])
async def test_a_preview_that_is_not_whole_tells_no_money(payments, wire, wrong):
    route = wire.post(f"{API}/v1/invoices/create_preview")
    route.mock(return_value=answers(foreseen(3000, line(3000)) | wrong))

    with pytest.raises(ProviderUnavailable):
        await payments.preview_change(ACCOUNT, a_standing(), ())


async def test_prices_that_are_gone_or_do_not_recur_are_left_out(payments, wire):
    monthly = {"id": "a", "active": True, "currency": "usd", "unit_amount": 900}
    monthly |= {"recurring": {"interval": "year", "interval_count": 1}}
    wire.get(f"{API}/v1/prices/a").mock(return_value=answers(monthly))
    wire.get(f"{API}/v1/prices/b").mock(return_value=answers({**monthly, "active": False}))
    wire.get(f"{API}/v1/prices/c").mock(return_value=refuses(404, code="resource_missing"))

    found = await payments.read_prices(ACCOUNT, ("a", "b", "c"))

    assert list(found) == ["a"]
    assert (found["a"].unit_minor, found["a"].months) == (900, 12)


DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
YEAR = (Wanted(id="si_1", price="price_year", quantity=10),)


@pytest.mark.parametrize(
    ("change", "sent"),
    [
        pytest.param(
            ChangeItems(items=YEAR, proration="always_invoice", dated=DECEMBER, when_unpaid="hold"),
            {
                "items[0][id]": "si_1",
                "items[0][price]": "price_year",
                "items[0][quantity]": "10",
                "proration_behavior": "always_invoice",
                "proration_date": "1796083200",
                "payment_behavior": "pending_if_incomplete",
            },
            id="a year that waits for its payment",
        ),
        pytest.param(
            ChangeItems(items=YEAR, proration="always_invoice", when_unpaid="refuse"),
            {
                "items[0][id]": "si_1",
                "items[0][price]": "price_year",
                "items[0][quantity]": "10",
                "proration_behavior": "always_invoice",
                "payment_behavior": "error_if_incomplete",
                "off_session": "true",
            },
            id="a year that is paid or nothing",
        ),
        pytest.param(
            ChangeItems(items=(Wanted(id="si_1", price="price_metered"),), dated=DECEMBER),
            {
                "items[0][id]": "si_1",
                "items[0][price]": "price_metered",
                "proration_behavior": "none",
                "off_session": "true",
            },
            id="metered use has no quantity, and nothing is dated that is not settled",
        ),
        pytest.param(
            MoveTrialEnd(at=DECEMBER),
            {"trial_end": "1796083200", "proration_behavior": "none"},
            id="a longer trial",
        ),
        pytest.param(
            Pause(until=DECEMBER, collection=True),
            {"pause_collection[behavior]": "void", "pause_collection[resumes_at]": "1796083200"},
            id="a pause of collection",
        ),
        pytest.param(Resume(collection=True), {"pause_collection": ""}, id="its end"),
    ],
)
async def test_what_is_changed_on_the_subscription_itself(payments, wire, change, sent):
    update = wire.post(SUBSCRIPTION).mock(return_value=answers(subscription()))

    await ask(payments, change)

    assert form(update) == sent
    assert key(update) == "red_1:1:1"


async def test_a_real_pause_gives_nothing_of_the_paid_period_back(payments, wire):
    route = wire.post(f"{SUBSCRIPTION}/pause").mock(return_value=answers(subscription()))

    await ask(payments, Pause(until=DECEMBER))

    assert form(route) == {
        "type": "subscription",
        "bill_for[unused_time_from][type]": "none",
        "bill_for[outstanding_usage_through][type]": "now",
        "invoicing_behavior": "pending_invoice_item",
    }
    assert route.calls[0].request.headers["stripe-version"] >= "2026-09-30"


@pytest.mark.parametrize(
    ("anew", "sent"),
    [
        (True, {"billing_cycle_anchor[type]": "now"}),
        (False, {"billing_cycle_anchor[type]": "unchanged", "proration_behavior": "none"}),
    ],
)
async def test_a_real_pause_ends_with_a_new_period_or_in_the_old_one(payments, wire, anew, sent):
    route = wire.post(f"{SUBSCRIPTION}/resume").mock(return_value=answers(subscription()))

    await ask(payments, Resume(anew=anew))

    assert form(route) == {**sent, "payment_behavior": "resume_on_payment_attempt"}


async def test_a_credit_is_a_negative_amount(payments, wire):
    route = wire.post(f"{API}/v1/customers/cus_1/balance_transactions")
    route.mock(return_value=answers({"id": "cbtxn_1"}))

    await ask(payments, GiveCredit(mark="red_1", amount_minor=500, currency="usd"))

    assert form(route) == {
        "amount": "-500",
        "currency": "usd",
        "metadata[holdfast_offer]": "red_1",
    }
    assert key(route) == "red_1:1:1"


async def test_a_change_that_waits_goes_with_its_invoice(payments, wire):
    route = wire.post(f"{API}/v1/invoices/in_9/void").mock(return_value=answers({"id": "in_9"}))

    await ask(payments, DropPending(invoice="in_9"))

    assert route.call_count == 1


async def test_a_switch_is_previewed_for_the_instant_it_is_asked_for(payments, wire):
    route = wire.post(f"{API}/v1/invoices/create_preview")
    route.mock(return_value=answers(foreseen(28000, line(28000))))
    change = ChangeItems(items=YEAR, proration="always_invoice", dated=DECEMBER, when_unpaid="hold")
    standing = a_standing()

    await payments.preview_change(ACCOUNT, standing, (change,))
    credited = await payments.preview_change(
        ACCOUNT, standing, (GiveCredit(mark="m", amount_minor=500, currency="usd"),)
    )

    assert form(route, 0) == {
        "subscription": standing.subscription_id,
        "subscription_details[items][0][id]": "si_1",
        "subscription_details[items][0][price]": "price_year",
        "subscription_details[items][0][quantity]": "10",
        "subscription_details[proration_behavior]": "always_invoice",
        "subscription_details[proration_date]": "1796083200",
    }
    assert credited.due_minor == 28000 - 500
