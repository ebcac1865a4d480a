"""Stripe's errors in the words of our port. The status of the answer decides, not its class."""

from collections.abc import Iterator
from contextlib import contextmanager

from stripe import StripeError

from app.ports.payments import AccountRefused, ProviderRefused, ProviderUnavailable
from app.providers.stripe.pacing import seconds_of
from app.providers.stripe.reading import Json, at, table, text

REFUSES_ACCOUNT = frozenset({401, 403})
# Refused before anything was done. 409 is missing: there the same key is at work elsewhere.
REFUSES_REQUEST = frozenset({400, 402, 404, 405, 406, 410, 413, 414, 415, 422})
SLOW_DOWN = 429
MISSING = "resource_missing"


@contextmanager
def in_our_words() -> Iterator[None]:
    """Turn the SDK's errors into `ProviderUnavailable`, `ProviderRefused`, `AccountRefused`."""
    try:
        yield
    except StripeError as error:
        raise _named(error) from error


def _named(error: StripeError) -> Exception:
    words = in_words(error)
    if error.http_status in REFUSES_ACCOUNT:
        return AccountRefused(words)
    if error.http_status in REFUSES_REQUEST:
        return ProviderRefused(words, code_of(error))
    return ProviderUnavailable(words, retry_after(error))


def body_of(error: StripeError) -> Json:
    """The `error` object of the answer; empty where there was none."""
    return table(at(error.json_body, "error"))


def code_of(error: StripeError) -> str | None:
    """Stripe's code. The SDK's own `code` is empty for most statuses."""
    body = body_of(error)
    return text(body.get("code"), 100) or text(body.get("type"), 100)


def in_words(error: StripeError) -> str:
    """What happened, for logs and timelines: never the message, which may name a person."""
    status = error.http_status or "no answer"
    code = code_of(error) or type(error).__name__
    request = f" ({text(error.request_id, 100)})" if error.request_id else ""
    return f"{status} {code}{request}"


def retry_after(error: StripeError) -> float | None:
    """Seconds to wait as the answer says; at most an hour."""
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    said = headers.get("retry-after")
    return None if said is None else seconds_of(said)
