"""A sandbox on a free port, the official SDK pointed at it, and somebody who listens."""

from collections.abc import Iterator

import pytest
import stripe

from tests.sandbox.stand import Listener, Served, hang_up, serve

stripe.enable_telemetry = False


@pytest.fixture(scope="session", autouse=True)
def _connections() -> Iterator[None]:
    yield
    hang_up()


@pytest.fixture
def served() -> Iterator[Served]:
    with serve() as running:
        yield running


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as listening:
        yield listening
