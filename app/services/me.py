"""What customers see of themselves in a merchant's app, and the way to pay from there."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.access import OPEN
from app.domain.dunning import Case
from app.domain.ids import derive_id
from app.domain.messages import PaymentLink
from app.ports.world import World
from app.services.access import SubscriptionAccess, of_customer
from app.services.letters import still_to_come

LINK_LASTS = timedelta(days=2)


class NothingOwed(LookupError):
    """The customer has no open payment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """A customer of one provider account who proved to be it."""

    merchant_id: str
    account_id: str
    customer_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """What a customer may know: what is owed in the currency of the oldest open case, and when
    that is charged again. `currency` is None where nothing is owed."""

    customer_id: str
    subscriptions: tuple[SubscriptionAccess, ...]
    currency: str | None
    amount_minor: int
    next_attempt_at: datetime | None


async def status(world: World, asker: Asker) -> Me:
    """How the asker stands. Reads only."""
    seen, cases = await _open_cases(world, asker)
    currency = cases[0].currency if cases else None
    same = [case for case in cases if case.currency == currency]
    tries = [at for case in same if (at := still_to_come(case, world.clock.now()))]
    return Me(
        customer_id=asker.customer_id,
        subscriptions=tuple(seen),
        currency=currency,
        amount_minor=sum(case.due_minor for case in same),
        next_attempt_at=min(tries, default=None),
    )


async def payment_link(world: World, asker: Asker) -> tuple[str, datetime]:
    """The address of a page for the asker's oldest open case, and until when it leads there.

    Asked again on the same day it is the same link, unless the master keys were rotated: one with
    a token of the new key stands beside it then. Raises `NothingOwed`.
    """
    _, cases = await _open_cases(world, asker)
    if not cases:
        raise NothingOwed(asker.customer_id)
    case, now = cases[0], world.clock.now()
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    name = derive_id("link", day, case.case_id, "app")
    token = world.tokens.link("app", name)
    hashed = hashlib.sha256(token.encode()).hexdigest()
    link = PaymentLink(
        link_id=derive_id("link", day, name, hashed),
        token_hash=hashed,
        merchant_id=case.merchant_id,
        account_id=case.account_id,
        customer_id=case.customer_id,
        case_id=case.case_id,
        created_at=day,
        expires_at=day + LINK_LASTS,
    )
    async with world.store.transaction(asker.merchant_id) as tx:
        await tx.insert([link])
    return f"{world.public_url}/p/{token}", link.expires_at


async def _open_cases(world: World, asker: Asker) -> tuple[list[SubscriptionAccess], list[Case]]:
    """The asker's subscriptions, and the cases they are written to about, oldest first."""
    seen = await of_customer(
        world, asker.merchant_id, asker.customer_id, account_id=asker.account_id
    )
    cases = [
        case
        for one in seen
        for case in one.cases
        if case.state in OPEN and not case.silent and case.due_minor > 0
    ]
    return seen, sorted(cases, key=lambda case: (case.opened_at, case.case_id))
