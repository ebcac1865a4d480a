"""One case with everything around it, for a person who wants to know how it stands and why."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.cards import card_key_of, rail_of, uses_of
from app.domain.dunning import CardUse, Case
from app.domain.merchants import Merchant, ProviderAccount
from app.domain.messages import LinkEvent, PaymentLink
from app.domain.mirror import Customer, Invoice, PaymentMethod, Subscription
from app.domain.network_rules import NetworkRule, rules_for
from app.ports.store import Ask, Transaction
from app.ports.world import World
from app.services.cases import CaseFile, show


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much of what a network allows for the card is used up at this instant."""

    rule: NetworkRule
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """A case file and what it is about. `method` is what the next attempt would use, as last
    seen; None where the customer has none. Links and their events are oldest first."""

    file: CaseFile
    merchant: Merchant
    account: ProviderAccount
    customer: Customer | None
    subscription: Subscription | None
    invoice: Invoice | None
    method: PaymentMethod | None
    budgets: tuple[Budget, ...]
    links: tuple[PaymentLink, ...]
    followed: tuple[LinkEvent, ...]


async def open_dossier(world: World, merchant_id: str, case_id: str) -> Dossier | None:
    """The dossier of one case of this merchant; None for any other. Changes nothing."""
    file = await show(world, merchant_id, case_id)
    if file is None:
        return None
    case, now = file.case, world.clock.now()
    async with world.store.transaction(merchant_id) as tx:
        merchants, accounts, invoices, people, plans, methods, links = await tx.ask(*_about(case))
        customer, subscription = _first(people), _first(plans)
        method = _method(methods, customer, subscription)
        names = sorted(link.link_id for link in links)
        return Dossier(
            file=file,
            merchant=merchants[0],
            account=accounts[0],
            customer=customer,
            subscription=subscription,
            invoice=_first(invoices),
            method=method,
            budgets=await _budgets(tx, case, method, now),
            links=tuple(sorted(links, key=lambda link: (link.created_at, link.link_id))),
            followed=tuple(
                await tx.find(LinkEvent, where={"link_id": names}, order=("at", "event_id"))
            ),
        )


def _about(case: Case) -> list[Ask]:
    account, customer = case.account_id, case.customer_id or ""
    return [
        Ask(Merchant, keys=[(case.merchant_id,)]),
        Ask(ProviderAccount, keys=[(account,)]),
        Ask(Invoice, keys=[(account, case.invoice_id)]),
        Ask(Customer, keys=[(account, customer)]),
        Ask(Subscription, keys=[(account, case.subscription_id or "")]),
        Ask(PaymentMethod, where={"account_id": account, "customer_id": customer}),
        Ask(PaymentLink, where={"case_id": case.case_id}),
    ]


def _first(rows: list[Any]) -> Any:
    return rows[0] if rows else None


def _method(
    methods: list[PaymentMethod], customer: Customer | None, subscription: Subscription | None
) -> PaymentMethod | None:
    """The subscription's own default, else the customer's."""
    held = {method.method_id: method for method in methods if not method.detached}
    for owner in (subscription, customer):
        if owner is not None and owner.default_method_id in held:
            return held[owner.default_method_id]
    return None


async def _budgets(
    tx: Transaction, case: Case, method: PaymentMethod | None, now: datetime
) -> tuple[Budget, ...]:
    key = card_key_of(method)
    if method is None or key is None:
        return ()
    where = {"account_id": case.account_id, "card_key": key}
    uses = uses_of(await tx.find(CardUse, where=where), key, method)
    rules = rules_for(rail_of(method), method.brand, now.date())
    return tuple(
        Budget(rule=rule, used=sum(use.at > now - rule.within for use in uses)) for rule in rules
    )
