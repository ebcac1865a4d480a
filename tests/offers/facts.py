"""Facts about a subscription that stands as it should; each builder names only what matters."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.offers.common import Facts
from app.domain.standing import Item, Price, Standing

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
MONTHLY = 3000
PRICES = {
    "price_month": Price(id="price_month", currency="usd", unit_minor=MONTHLY),
    "price_less": Price(id="price_less", currency="usd", unit_minor=1000),
    "price_more": Price(id="price_more", currency="usd", unit_minor=5000),
    "price_year": Price(id="price_year", currency="usd", unit_minor=30000, interval="year"),
}


def standing(*, seats: int = 1, price: str = "price_month", **fields: Any) -> Standing:
    """A monthly subscription in its tenth day."""
    item = Item(
        id="si_1",
        price=PRICES[price],
        quantity=seats,
        period_start=NOW - timedelta(days=10),
        period_end=NOW + timedelta(days=20),
    )
    made = Standing(
        subscription_id="sub_1",
        customer_id="cus_1",
        status="active",
        currency="usd",
        items=(item,),
        trial_end=NOW + timedelta(days=5),
        flexible=True,
    )
    return replace(made, **fields)


def facts(**about: Any) -> Facts:
    """What is known of a customer of a year who never accepted an offer."""
    return Facts(
        now=NOW,
        standing=standing(**about),
        started_at=NOW - timedelta(days=365),
        prices=PRICES,
        dated=NOW,
    )
