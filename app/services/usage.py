"""Facts about what a customer has, pushed by the merchant's software."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.domain.mirror import Customer
from app.domain.usage import UsageFact
from app.ports.store import Transaction
from app.ports.world import World


class UnknownCustomer(LookupError):
    """The merchant has no such customer."""


class SeveralCustomers(ValueError):
    """Several accounts know the id: one must be named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """A fact as it was pushed."""

    name: str
    labels: Mapping[str, str]
    value: str


async def push(
    world: World,
    merchant_id: str,
    customer_id: str,
    facts: Sequence[Pushed],
    *,
    account_id: str | None = None,
) -> list[UsageFact]:
    """Keep these facts of a customer in their order, in the place of all former ones. Repeated it
    changes nothing. Raises `UnknownCustomer` and `SeveralCustomers`."""
    now = world.clock.now()
    where = {"merchant_id": merchant_id, "customer_id": customer_id}
    if account_id is not None:
        where["account_id"] = account_id
    async with world.store.transaction(merchant_id) as tx:
        known = await tx.find(Customer, where=where)
        if not known or known[0].erased:
            raise UnknownCustomer(customer_id)
        if len(known) > 1:
            raise SeveralCustomers(customer_id)
        account = known[0].account_id
        await tx.lock(account, [customer_id])
        former = await tx.find(UsageFact, where={**where, "account_id": account})
        rows = [
            UsageFact(
                merchant_id=merchant_id,
                account_id=account,
                customer_id=customer_id,
                name=fact.name,
                labels=dict(fact.labels),
                value=fact.value,
                place=place,
                pushed_at=now,
            )
            for place, fact in enumerate(facts)
        ]
        kept = {row.name for row in rows}
        gone = [replace(row, shown=False) for row in former if row.name not in kept]
        await tx.save([*rows, *gone])
    return rows


async def facts_about(tx: Transaction, account_id: str, customer_id: str) -> list[UsageFact]:
    """The facts that a customer is shown, in their order."""
    where = {"account_id": account_id, "customer_id": customer_id, "shown": True}
    found = await tx.find(UsageFact, where=where)
    return sorted(found, key=lambda row: (row.place, row.name))
