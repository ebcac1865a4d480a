"""The production adapter, one a file, and the wire in front of it."""

from collections.abc import AsyncIterator, Iterator

import pytest
import respx

from app.providers.stripe.client import StripePayments
from tests.providers.stripe.wire import stripe_payments


@pytest.fixture(scope="module")
async def payments() -> AsyncIterator[StripePayments]:
    async with stripe_payments() as adapter:
        yield adapter


@pytest.fixture
def wire() -> Iterator[respx.MockRouter]:
    with respx.mock as router:
        yield router
