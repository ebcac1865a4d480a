"""Every way a charge can end, and what we make of it."""

import httpx
import pytest
import respx
from stripe import HTTPXClient

from app.domain.declines import DeclineKind
from app.domain.mirror import InvoiceStatus
from app.domain.outcomes import Outcome
from app.ports.payments import ProviderUnavailable
from app.providers.stripe.connection import TIMEOUT
from tests.providers.stripe.stripe_shapes import intent, invoice
from tests.providers.stripe.wire import (
    ACCOUNT,
    API,
    NOW,
    answers,
    form,
    key,
    refuses,
)
from workers.shift import Pace

pytestmark = pytest.mark.anyio
PAY = f"{API}/v1/invoices/in_1/pay"


@pytest.fixture
def pay(payments):
    """Pay once; the outcome, and the route that was asked."""

    async def paying(response, **arguments):
        said = {"return_value" if isinstance(response, httpx.Response) else "side_effect": response}
        with respx.mock:
            route = respx.post(PAY).mock(**said)
            answer = await payments.pay(ACCOUNT, "in_1", key="case_1:1", **arguments)
        return answer, route

    return paying


def paid(**more):
    row = {
        "id": "inpay_1",
        "status": "paid",
        "payment": {
            "type": "payment_intent",
            "payment_intent": intent(status="succeeded", last_payment_error=None),
        },
    }
    return invoice(status="paid", amount_paid=9500, payments={"data": [row]}, **more)


async def test_the_request_is_off_session_under_our_key_and_the_pinned_version(pay):
    _, route = await pay(answers(paid()), method="pm_2")

    request = route.calls[0].request
    assert form(route) == {
        "off_session": "true",
        "payment_method": "pm_2",
        "expand[0]": "payments.data.payment.payment_intent",
    }
    assert key(route) == "case_1:1"
    assert request.headers["stripe-version"] == "2026-10-28.endive"
    assert request.headers["authorization"] == "Bearer sk_test_1"
    assert "x-stripe-client-telemetry" not in request.headers


@pytest.mark.parametrize("method", [None, "card_1", "src_1"])
async def test_without_a_method_that_can_be_named_the_provider_chooses(pay, method):
    _, route = await pay(answers(paid()), method=method)

    assert "payment_method" not in form(route)


async def test_a_paid_invoice_is_approved_and_names_its_charge(pay):
    answer, _ = await pay(answers(paid()))

    assert answer.outcome is Outcome.APPROVED
    assert (answer.payment_id, answer.charge_id) == ("pi_1", "ch_1")
    assert answer.invoice is not None
    assert answer.invoice.status is InvoiceStatus.PAID
    assert (answer.invoice.merchant_id, answer.invoice.account_id) == ("mer_1", "acc_1")
    assert answer.invoice.seen_at == NOW


async def test_an_old_invoice_is_approved_too(pay):
    answer, _ = await pay(answers(invoice("2020-08-27", status="paid", paid=True)))

    assert answer.outcome is Outcome.APPROVED
    assert (answer.payment_id, answer.charge_id) == ("pi_1", "ch_1")


@pytest.mark.parametrize(
    ("status", "error", "outcome"),
    [
        pytest.param("processing", None, Outcome.PROCESSING, id="a bank debit under way"),
        pytest.param("requires_action", None, Outcome.ACTION_REQUIRED, id="3-D Secure"),
        pytest.param(
            "requires_payment_method",
            {"code": "card_declined", "decline_code": "lost_card"},
            Outcome.DECLINED,
            id="refused without a 402",
        ),
        pytest.param("requires_payment_method", None, Outcome.UNKNOWN, id="nothing was tried"),
        pytest.param("something_new", None, Outcome.UNKNOWN, id="a status unheard of"),
    ],
)
async def test_an_open_invoice_says_by_its_intent_how_it_stands(pay, status, error, outcome):
    shown = intent(status=status, last_payment_error=error)
    row = {"id": "inpay_1", "status": "open", "payment": {"payment_intent": shown}}

    answer, _ = await pay(answers(invoice(payments={"data": [row]})))

    assert answer.outcome is outcome


async def test_an_open_invoice_that_shows_no_payment_is_unknown(pay):
    answer, _ = await pay(answers(invoice()))

    assert answer.outcome is Outcome.UNKNOWN
    assert answer.reason == "answered, but the invoice is open"


DECLINE = {
    "type": "card_error",
    "code": "card_declined",
    "decline_code": "insufficient_funds",
    "advice_code": "try_again_later",
    "network_advice_code": "24",
    "network_decline_code": "51",
    "charge": "ch_9",
    "message": "Your card has insufficient funds.",
    "payment_intent": {"id": "pi_9", "object": "payment_intent"},
    "payment_method": {"id": "pm_1", "type": "card", "card": {"brand": "mastercard"}},
}


async def test_a_refusal_tells_its_reason_in_all_its_words(pay):
    answer, _ = await pay(refuses(402, **DECLINE))

    assert answer.outcome is Outcome.DECLINED
    assert (answer.payment_id, answer.charge_id) == ("pi_9", "ch_9")
    assert answer.decline is not None
    assert answer.decline.kind is DeclineKind.INSUFFICIENT_FUNDS
    assert answer.decline.advice == "try_again_later"
    assert answer.decline.network_decline_code == "51"
    assert answer.decline.network_wait_hours == 1
    assert answer.decline.brand == "mastercard"


@pytest.mark.parametrize(
    "error",
    [
        {"type": "card_error", "code": "authentication_required"},
        {"type": "card_error", "code": "card_declined", "decline_code": "authentication_required"},
        {"type": "invalid_request_error", "code": "invoice_payment_intent_requires_action"},
        {"type": "invalid_request_error", "code": "subscription_payment_intent_requires_action"},
        {"type": "card_error", "code": "payment_intent_authentication_failure"},
    ],
    ids=lambda error: error.get("decline_code", error["code"]),
)
async def test_a_call_for_authentication_asks_the_customer(pay, error):
    answer, _ = await pay(refuses(402, **error))

    assert answer.outcome is Outcome.ACTION_REQUIRED
    assert answer.decline is not None
    assert answer.decline.kind is DeclineKind.CUSTOMER_AUTHENTICATE


async def test_a_block_by_radar_shows_in_the_expanded_charge(pay):
    blocked = {"id": "ch_9", "status": "failed", "outcome": {"type": "blocked"}}
    error = DECLINE | {"payment_intent": {"id": "pi_9", "latest_charge": blocked}}

    answer, _ = await pay(refuses(402, **error))

    assert answer.decline is not None
    assert answer.decline.blocked


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        pytest.param(400, {"message": "Invoice is already paid"}, "already_paid", id="paid"),
        pytest.param(400, {"code": "invoice_not_editable"}, "invoice_not_editable", id="400"),
        pytest.param(
            400,
            {"message": "This customer has no attached payment source or default payment method."},
            "no_payment_method",
            id="no method",
        ),
        pytest.param(400, {"type": "idempotency_error"}, "idempotency_error", id="other params"),
        pytest.param(401, {"message": "Invalid API Key"}, None, id="401"),
        pytest.param(403, {"code": "secret_key_required"}, "secret_key_required", id="403"),
        pytest.param(404, {"code": "resource_missing"}, "resource_missing", id="404"),
        pytest.param(429, {"code": "lock_timeout"}, "lock_timeout", id="locked"),
        pytest.param(429, {"code": "rate_limit"}, "rate_limit", id="too fast"),
    ],
)
async def test_what_was_refused_unread_was_not_executed(pay, status, error, code):
    answer, route = await pay(refuses(status, **error))

    assert answer.outcome is Outcome.NOT_EXECUTED
    assert answer.code == code
    assert answer.account_refused is (status in {401, 403})
    assert route.call_count == 1


async def test_the_time_to_wait_is_told(pay):
    answer, _ = await pay(answers({"error": {"code": "rate_limit"}}, 429, Retry_After="7"))

    assert answer.retry_after_s == 7.0


IN_USE = {"error": {"code": "idempotency_key_in_use"}}


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(httpx.ReadTimeout("late"), id="no answer in time"),
        pytest.param(httpx.ConnectTimeout("late"), id="no connection in time"),
        pytest.param(httpx.ConnectError("refused"), id="no connection"),
        pytest.param(httpx.RemoteProtocolError("cut"), id="connection cut"),
        pytest.param(httpx.Response(409, json=IN_USE), id="409"),
        pytest.param(httpx.Response(500, json={"error": {"type": "api_error"}}), id="500"),
        pytest.param(httpx.Response(503, text="<html>"), id="503 in HTML"),
        pytest.param(httpx.Response(200, text="<html>"), id="200 in HTML"),
        pytest.param(httpx.Response(200, json=[1]), id="200 with a list"),
        pytest.param(httpx.Response(302, headers={"location": "/"}), id="302"),
        pytest.param(
            httpx.Response(500, json={}, headers={"Stripe-Should-Retry": "true"}), id="try again"
        ),
    ],
)
async def test_whatever_may_have_happened_is_unknown_and_sent_only_once(pay, response):
    answer, route = await pay(response)

    assert answer.outcome is Outcome.UNKNOWN
    assert answer.reason
    assert route.call_count == 1


async def test_the_same_attempt_repeats_the_same_request(payments):
    with respx.mock:
        route = respx.post(PAY).mock(side_effect=[httpx.ReadTimeout("late"), answers(paid())])
        first = await payments.pay(ACCOUNT, "in_1", key="case_1:1", method="pm_1")
        second = await payments.pay(ACCOUNT, "in_1", key="case_1:1", method="pm_1")

    assert (first.outcome, second.outcome) == (Outcome.UNKNOWN, Outcome.APPROVED)
    assert key(route, 0) == key(route, 1) == "case_1:1"
    assert form(route, 0) == form(route, 1)


async def test_a_key_that_cannot_be_opened_charges_nobody(payments):
    lost = type(ACCOUNT)(account_id="acc_2", merchant_id="mer_1", api_key_sealed="damaged")
    answer = await payments.pay(lost, "in_1", key="case_1:1")

    assert answer.outcome is Outcome.NOT_EXECUTED
    assert answer.account_refused


async def test_no_reason_repeats_what_the_provider_wrote_about_a_person(pay):
    answer, _ = await pay(refuses(400, code="x", message="No such customer: ann@example.com"))

    assert "ann@example.com" not in repr(answer)


async def test_questions_are_asked_again_under_the_same_key(payments, monkeypatch):
    async def at_once(self, secs):
        return None

    monkeypatch.setattr(HTTPXClient, "sleep_async", at_once)
    failed = httpx.Response(503, json={"error": {}})
    with respx.mock:
        route = respx.post(f"{API}/v1/customers/cus_1").mock(
            side_effect=[httpx.ConnectTimeout("late"), failed, answers({"id": "cus_1"})]
        )
        await payments.set_default_method(
            ACCOUNT, customer="cus_1", subscriptions=(), method="pm_2", key="act_1"
        )

    assert route.call_count == 3
    assert {key(route, call) for call in range(3)} == {"act_1:cus_1"}


async def test_a_question_that_took_all_its_time_is_not_asked_again_within_the_lease(payments):
    with respx.mock:
        route = respx.get(f"{API}/v1/invoices/in_1").mock(side_effect=httpx.ReadTimeout("late"))
        with pytest.raises(ProviderUnavailable):
            await payments.read_invoice(ACCOUNT, "in_1")

    assert route.call_count == 1
    assert (TIMEOUT.connect or 0) + (TIMEOUT.read or 0) < Pace().job_timeout_s
