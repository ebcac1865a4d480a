"""Stripe's end of the wire: answers we write, requests we look at."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import httpx
import respx

from app.domain.merchants import ProviderAccount
from app.ports.secrets import SecretUnreadable
from app.providers.stripe.client import StripePayments

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
API = "https://api.stripe.com"
ACCOUNT = ProviderAccount(
    account_id="acc_1",
    merchant_id="mer_1",
    api_key_sealed="sealed:sk_test_1",
    provider_ref="acct_1",
)


class PaperSealer:
    """A sealer whose seal is a word in front."""

    def seal(self, plain: str) -> str:
        return f"sealed:{plain}"

    def open(self, sealed: str) -> str:
        if not sealed.startswith("sealed:"):
            raise SecretUnreadable("not sealed by us")
        return sealed.removeprefix("sealed:")


class StoppedClock:
    """Always the same instant."""

    def now(self) -> datetime:
        return NOW


@asynccontextmanager
async def stripe_payments() -> AsyncIterator[StripePayments]:
    """The production adapter, closed at the end."""
    payments = StripePayments(PaperSealer(), StoppedClock())
    try:
        yield payments
    finally:
        await payments.close()


def answers(body: Any, status: int = 200, **headers: str) -> httpx.Response:
    """An answer that the SDK does not ask for again, whatever its status."""
    said = {"Stripe-Should-Retry": "false", "Request-Id": "req_1"}
    said |= {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=body, headers=said)


def refuses(status: int, **error: Any) -> httpx.Response:
    """An error in Stripe's form."""
    return answers({"error": error}, status)


def form(route: respx.Route, call: int = -1) -> dict[str, str]:
    """The form of a request."""
    return dict(parse_qsl(route.calls[call].request.content.decode(), keep_blank_values=True))


def key(route: respx.Route, call: int = -1) -> str | None:
    """The idempotency key of a request."""
    sent: str | None = route.calls[call].request.headers.get("idempotency-key")
    return sent
