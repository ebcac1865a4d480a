"""A customer with the cards that are attached to them."""

from datetime import datetime
from typing import Any

from stripe import StripeClient

from app.domain.merchants import ProviderAccount
from app.ports.payments import Wallet
from app.providers.stripe.answers import owned
from app.providers.stripe.connection import json_of
from app.providers.stripe.methods import read_customer, read_method
from app.providers.stripe.reading import rows

MOST_CARDS = 100


async def wallet_of(
    client: StripeClient, account: ProviderAccount, customer: str, now: datetime
) -> Wallet:
    """Both as they are `now`; a customer who was deleted has no cards."""
    obj = await json_of(client.v1.customers.retrieve_async(customer))
    found = read_customer(obj, seen_at=now)
    if found is None or found.deleted:
        return Wallet(customer=owned(found, account) if found else None)
    asked: Any = {"type": "card", "limit": MOST_CARDS}
    listed = await json_of(client.v1.customers.payment_methods.list_async(customer, asked))
    methods = (read_method(row, seen_at=now) for row in rows(listed))
    return Wallet(
        customer=owned(found, account),
        methods=tuple(owned(method, account) for method in methods if method is not None),
    )
