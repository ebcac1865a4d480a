"""The merchant's own words on customers and subscriptions, as segments are made of them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.providers.stripe.methods import read_customer
from app.providers.stripe.subscriptions import read_subscription

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"tier": "gold"}, {"tier": "gold"}),
        ({}, {}),
        (None, None),
        ("gold", None),
        ({"tier": None, "seats": 5, "": "x", "a": ""}, {}),
        ({"tier": "g\x00ld\n"}, {"tier": "g ld"}),
        ({"k" * 100: "v" * 1000}, {"k" * 40: "v" * 500}),
        ({str(n): "x" for n in range(99)}, {str(n): "x" for n in range(50)}),
    ],
)
def test_metadata_are_text_within_the_providers_limits(given: Any, read: Any) -> None:
    customer = read_customer({"id": "cus_1", "metadata": given}, seen_at=NOW)
    subscription = read_subscription({"id": "sub_1", "metadata": given}, seen_at=NOW)

    assert customer is not None
    assert subscription is not None
    assert (customer.metadata, subscription.metadata) == (read, read)
