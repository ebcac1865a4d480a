"""Over its rate the sandbox says 429, as Stripe does."""

import pytest

from app.providers.sandbox.rates import Rates
from tests.sandbox.stand import a_world, serve


class Seconds:
    """Real time, as told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def limits(whole: float = 0, endpoint: float = 0) -> dict[str, float]:
    return {"requests_per_second": whole, "requests_per_endpoint": endpoint}


def asked(rates: Rates, count: int, path: str = "/v1/invoices/in_1/pay", **given: float) -> list:
    return [rates.refuses(limits(**given), "POST", path) for _ in range(count)]


def test_without_a_limit_everything_is_answered():
    assert set(asked(Rates(a_world().table, Seconds()), 500)) == {None}


@pytest.mark.parametrize(
    ("given", "reason"), [({"whole": 10}, "global-rate"), ({"endpoint": 10}, "endpoint-rate")]
)
def test_a_second_brings_as_many_as_the_rate(given, reason):
    seconds = Seconds()
    rates = Rates(a_world().table, seconds)

    first = asked(rates, 15, **given)
    seconds.now = 0.5
    second = asked(rates, 15, **given)

    assert first == [None] * 10 + [reason] * 5
    assert second == [None] * 5 + [reason] * 10
    assert rates.refused == 15


def test_invoices_share_an_endpoint_and_endpoints_share_nothing():
    rates = Rates(a_world().table, Seconds())
    asked(rates, 10, endpoint=10)

    assert asked(rates, 1, "/v1/invoices/in_2/pay", endpoint=10) == ["endpoint-rate"]
    assert asked(rates, 1, "/v1/invoices/in_2/void", endpoint=10) == [None]
    assert asked(rates, 1, "/v1/nowhere", endpoint=10) == [None]


def test_the_door_turns_away_and_does_nothing():
    with serve() as served:
        served.control("settings", {"requests_per_endpoint": 1})

        answers = [served.raw("POST", "/v1/customers") for _ in range(3)]

        served.control("settings", {"requests_per_endpoint": 0})
        made = served.raw("GET", "/v1/customers").json()["data"]
    turned_away = [answer for answer in answers if answer.status_code == 429]
    assert len(made) == 3 - len(turned_away)
    assert turned_away
    assert turned_away[0].headers["stripe-rate-limited-reason"] == "endpoint-rate"
    assert turned_away[0].json()["error"]["code"] == "rate_limit"
