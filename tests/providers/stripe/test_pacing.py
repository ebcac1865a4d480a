"""How fast one account is asked, and what is done when it says that it was too fast."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.domain.outcomes import Outcome
from app.ports.payments import TURN_WITHIN, ProviderUnavailable
from app.providers.stripe.client import StripePayments
from app.providers.stripe.pacing import LONGEST_S, Limits, Pacer, endpoint_of, seconds_of, who_asks
from tests.providers.stripe.stripe_shapes import invoice
from tests.providers.stripe.wire import (
    ACCOUNT,
    API,
    PaperSealer,
    StoppedClock,
    answers,
    key,
    refuses,
)

pytestmark = pytest.mark.anyio
PAY = f"{API}/v1/invoices/in_1/pay"
TEN_S = TURN_WITHIN.total_seconds()


def waits(pacer: Pacer, count: int, *, who: str = "one", path: str = "/v1/a", now: float = 100.0):
    return [pacer.turn(who, "GET", path, now=now, within_s=TEN_S) for _ in range(count)]


def test_a_rest_lets_a_few_go_at_once_and_then_one_after_another():
    pacer = Pacer(Limits(whole=1000, endpoint=10))

    assert waits(pacer, 8) == pytest.approx([0, 0, 0, 0, 0, 0, 0.1, 0.2])


@pytest.mark.parametrize(
    ("limits", "last"), [(Limits(1000, 10), [0.2, 0.2]), (Limits(10, 1000), [0.2, 1.0])]
)
def test_an_endpoint_and_the_account_have_a_pace_each(limits, last):
    pacer = Pacer(limits)

    found = [waits(pacer, 8, path=path)[-1] for path in ("/v1/a", "/v1/b")]

    assert found == pytest.approx(last)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("3", 3.0),
        ("inf", LONGEST_S),
        ("1e300", LONGEST_S),
        ("nan", 0.0),
        ("-5", 0.0),
        ("soon", 0.0),
    ],
)
def test_a_word_that_is_no_time_closes_nothing_for_good(said, seconds):
    assert seconds_of(said) == seconds


def test_one_account_waits_for_no_other():
    pacer = Pacer(Limits(whole=1, endpoint=1))
    waits(pacer, 5, who="one")

    assert waits(pacer, 1, who="other") == [0.0]


def test_a_turn_that_would_come_too_late_is_not_taken():
    pacer = Pacer(Limits(whole=1, endpoint=1))

    late = [pacer.turn("one", "GET", "/v1/a", now=100.0, within_s=1.0) for _ in range(9)]

    assert late == pytest.approx([0, 0.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5])


@pytest.mark.parametrize("reason", ["endpoint-rate", "global-rate", ""])
def test_who_was_too_fast_pauses_and_goes_slower_and_then_faster_again(reason):
    pacer = Pacer(Limits(whole=10, endpoint=10))

    for _ in range(3):  # what was under way at the same time says nothing new
        pacer.met("one", "GET", "/v1/a", now=100.0, wait_s=2.0, reason=reason)

    right_after = waits(pacer, 2)
    a_minute_later = waits(pacer, 12, now=165.0)
    assert right_after == pytest.approx([2.0, 2.0 + 1 / 7])
    assert a_minute_later[-1] - a_minute_later[-2] == pytest.approx(0.1)


def test_however_often_it_is_too_fast_something_still_goes():
    pacer = Pacer(Limits(whole=10, endpoint=10))
    for second in range(100):
        pacer.met("one", "GET", "/v1/a", now=float(second), wait_s=0.5, reason="global-rate")

    first, second = waits(pacer, 2)

    assert second - first <= 1.0


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/v1/invoices/in_1PqR/pay", "/v1/invoices/{id}/pay"),
        ("/v1/invoices/create_preview", "/v1/invoices/create_preview"),
        ("/v1/payment_methods/pm_1a", "/v1/payment_methods/{id}"),
        (
            "/v1/subscription_schedules/sub_sched_1B/release",
            "/v1/subscription_schedules/{id}/release",
        ),
    ],
)
def test_an_endpoint_is_an_address_without_its_ids(path, endpoint):
    assert endpoint_of(path) == endpoint


def test_accounts_are_told_apart_by_host_key_and_connected_account():
    asked = [
        ("https://a.example/v1/x", {"Authorization": "Bearer 1"}),
        ("https://a.example/v1/x", {"Authorization": "Bearer 2"}),
        ("https://b.example/v1/x", {"Authorization": "Bearer 1"}),
        ("https://a.example/v1/x", {"Authorization": "Bearer 1", "Stripe-Account": "acct_1"}),
    ]

    assert len({who_asks(*one) for one in asked}) == 4
    assert who_asks("https://a.example/v1/y", asked[0][1]) == who_asks(*asked[0])


@pytest.fixture
async def paced() -> AsyncIterator[StripePayments]:
    adapter = StripePayments(PaperSealer(), StoppedClock(), limits=Limits(whole=50, endpoint=50))
    yield adapter
    await adapter.close()


async def test_a_charge_refused_for_its_pace_is_sent_again_under_its_key(paced, wire):
    turned_away = refuses(429, code="rate_limit")
    route = wire.post(PAY).mock(side_effect=[turned_away, answers(invoice(status="paid"))])

    answer = await paced.pay(ACCOUNT, "in_1", key="case_1:1")

    assert answer.outcome is Outcome.APPROVED
    assert [key(route, call) for call in range(route.call_count)] == ["case_1:1", "case_1:1"]


async def test_an_invoice_that_is_locked_is_not_asked_for_again(paced, wire):
    route = wire.post(PAY).mock(return_value=refuses(429, code="lock_timeout"))

    answer = await paced.pay(ACCOUNT, "in_1", key="case_1:1")

    assert (answer.outcome, answer.code) == (Outcome.NOT_EXECUTED, "lock_timeout")
    assert route.call_count == 1


async def test_who_is_told_to_wait_long_is_told_so_at_once_and_nothing_more_is_sent(paced, wire):
    busy = answers({"error": {"code": "rate_limit"}}, 429, Retry_After="30")
    paying = wire.post(PAY).mock(return_value=busy)
    reading = wire.get(f"{API}/v1/invoices/in_1").mock(return_value=answers(invoice()))

    async with asyncio.timeout(5):
        answer = await paced.pay(ACCOUNT, "in_1", key="case_1:1")
        with pytest.raises(ProviderUnavailable) as away:
            await paced.read_invoice(ACCOUNT, "in_1")

    assert answer.outcome is Outcome.NOT_EXECUTED
    assert answer.retry_after_s is not None
    assert 20 < answer.retry_after_s <= 30
    assert away.value.retry_after_s is not None
    assert (paying.call_count, reading.call_count) == (1, 0)


@pytest.mark.parametrize("before", [0, 1], ids=["waits for its turn", "was turned away"])
@pytest.mark.parametrize("wanted", [True, False])
async def test_a_charge_that_had_to_wait_is_sent_only_if_it_is_wanted_still(wire, before, wanted):
    looks = []

    async def look() -> bool:
        looks.append(wanted)
        return bool(wanted)

    turned_away = [refuses(429, code="rate_limit")] * before
    route = wire.post(PAY.replace("in_1", "in_1A"))
    route.mock(side_effect=[*turned_away, answers(invoice(status="paid"))])
    hurried = Limits(whole=50, endpoint=50 if before else 5)
    paced = StripePayments(PaperSealer(), StoppedClock(), limits=hurried)

    # given others of the same account who take the turns that are free
    others = 0 if before else 4
    wire.post(f"{API}/v1/invoices/in_2A/pay").mock(return_value=answers(invoice(status="paid")))
    for _ in range(others):
        await paced.pay(ACCOUNT, "in_2A", key="case_2:1", last_look=look)
    looks.clear()

    answer = await paced.pay(ACCOUNT, "in_1A", key="case_1:1", last_look=look)
    await paced.close()

    assert looks == [wanted]
    assert answer.outcome is (Outcome.APPROVED if wanted else Outcome.NOT_EXECUTED)
    assert route.call_count == before + wanted
