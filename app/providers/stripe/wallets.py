"""A customer with the cards that are attached to them."""

from datetime import datetime

from stripe import StripeClient

from app.domain.merchants import ProviderAccount
from app.ports.payments import Wallet
from app.providers.stripe.answers import owned
from app.providers.stripe.connection import json_of
from app.providers.stripe.methods import read_customer, read_method
from app.providers.stripe.pages import every_row


async def wallet_of(
    client: StripeClient, account: ProviderAccount, customer: str, now: datetime
) -> Wallet:
    """Both as they are `now`; a customer who was deleted has no cards."""
    obj = await json_of(client.v1.customers.retrieve_async(customer))
    found = read_customer(obj, seen_at=now)
    if found is None or found.deleted:
        return Wallet(customer=owned(found, account) if found else None)
    listed = await every_row(
        lambda asked: client.v1.customers.payment_methods.list_async(customer, asked), type="card"
    )
    methods = (read_method(row, seen_at=now) for row in listed)
    return Wallet(
        customer=owned(found, account),
        methods=tuple(owned(method, account) for method in methods if method is not None),
    )
