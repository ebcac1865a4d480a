"""Recorded answers of the API become the outcomes and readings they were."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from app.domain.declines import DeclineKind
from app.domain.mirror import InvoiceStatus
from app.domain.outcomes import Outcome
from app.providers.stripe.answers import answer_of_invoice
from app.providers.stripe.methods import read_method
from tests.providers.stripe.wire import ACCOUNT, API, NOW, stripe_payments

pytestmark = pytest.mark.anyio
ANSWERS = Path(os.environ["HOLDFAST_EVENT_CORPUS"]) / "stripe-api-responses"


def recorded(name: str) -> dict[str, Any]:
    (path,) = ANSWERS.glob(f"*{name}.json")
    body: dict[str, Any] = json.loads(path.read_text())
    return body


def all_named(part: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(ANSWERS.glob(f"*{part}*.json"))]


async def test_a_recorded_refusal_is_declined():
    body = recorded("replace_payment_method--Invoice.pay.2")
    async with stripe_payments() as payments:
        with respx.mock:
            said = httpx.Response(402, json={"error": body["error"]})
            respx.post(f"{API}/v1/invoices/in_1/pay").mock(return_value=said)
            answer = await payments.pay(ACCOUNT, "in_1", key="case_1:1")

    assert answer.outcome is Outcome.DECLINED
    assert answer.charge_id == "ch_NORMALIZED"
    assert answer.payment_id
    assert answer.decline is not None
    assert answer.decline.kind is DeclineKind.RETRY_FEW_AND_ASK
    assert answer.decline.advice == "try_again_later"
    assert answer.decline.network_decline_code == "01"
    assert answer.decline.brand == "visa"


@pytest.mark.parametrize(
    "body", [b for b in all_named("Invoice.pay") if "error" not in b], ids=lambda b: b["status"]
)
def test_recorded_payments_are_approved_where_the_invoice_is_paid(body):
    answer = answer_of_invoice(body, ACCOUNT, NOW)

    assert (answer.outcome is Outcome.APPROVED) is (body["status"] == "paid")
    assert answer.invoice is not None
    assert answer.invoice.due_minor == body["amount_due"]


def test_a_recorded_void_is_void():
    answer = answer_of_invoice(recorded("Invoice.void_invoice.1"), ACCOUNT, NOW)

    assert answer.invoice is not None
    assert answer.invoice.status is InvoiceStatus.VOID


def test_a_recorded_card_is_read():
    body = recorded("replace_payment_method--SetupIntent.create.2")

    method = read_method(body["error"]["payment_method"], seen_at=NOW)

    assert method is not None
    assert (method.type, method.brand, method.last4) == ("card", "visa", "0002")
    assert method.added_at == datetime.fromtimestamp(1_000_000_000, UTC)


async def test_a_recorded_checkout_leads_to_its_page():
    body = recorded("replace_payment_method--checkout.Session.create.1")
    async with stripe_payments() as payments:
        with respx.mock:
            respx.post(f"{API}/v1/checkout/sessions").mock(
                return_value=httpx.Response(200, json=body)
            )
            url = await payments.card_page(
                ACCOUNT, customer="cus_1", return_url="https://a.example", link="l", currency="usd"
            )

    assert url == body["url"]
