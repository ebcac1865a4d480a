"""A small world behind the pages: one merchant, one customer, one case, one link."""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
from fastapi import FastAPI

from app.domain.declines import DeclineKind
from app.domain.dunning import Case
from app.domain.merchants import CollectionMode, Merchant, ProviderAccount
from app.domain.messages import LinkEvent, PaymentLink
from app.domain.mirror import Customer, Invoice, InvoiceStatus
from app.domain.paces import ASKS_A_MINUTE, Pace
from app.domain.policies import Policy
from app.pages.links import links_router
from app.pages.unsubscribe import unsubscribe_router
from app.ports.world import World
from app.sealing import KeyedTokens
from app.services.payment_links import LinkView
from app.storage.memory import MemoryStore

NOW = datetime(2026, 11, 10, 8, 30, tzinfo=UTC)
TOKEN = "Zk3v9xQ7bq0Yt2mWf1cN8rLsJd5hUa6P"
UNUSED = [
    "webhooks",
    "mail_reports",
    "mailer",
    "renderer",
    "outgoing",
    "sealer",
    "wake",
    "invariants",
]
WHOSE: dict[str, Any] = {"merchant_id": "mer_1", "account_id": "acc_1"}


class Quiet:
    """`ports.wake.Wake` where nobody sleeps."""

    async def now(self) -> None:
        """Nothing."""


@dataclass
class At:
    instant: datetime = NOW

    def now(self) -> datetime:
        return self.instant


@dataclass
class Provider:
    """Answers with `page`, or with an error, and counts how often it was asked for one."""

    page: str | None = "https://checkout.provider.example/c/1"
    fails: Exception | None = None
    asked: int = 0

    async def card_page(self, account: ProviderAccount, **wanted: Any) -> str:
        return self._made() or ""

    async def invoice_page(self, account: ProviderAccount, invoice: str) -> str | None:
        return self._made()

    def _made(self) -> str | None:
        self.asked += 1
        if self.fails:
            raise self.fails
        return self.page


@dataclass
class Town:
    """The world, its pages and a browser in front of them."""

    store: MemoryStore
    provider: Provider
    app: FastAPI
    world: World
    browser: httpx.AsyncClient

    async def links_followed(self) -> list[LinkEvent]:
        async with self.store.transaction("mer_1") as tx:
            return await tx.find(LinkEvent, where={"link_id": "link_1"})


async def a_town(
    *,
    case: dict[str, Any] | None = None,
    invoice: dict[str, Any] | None = None,
    link: dict[str, Any] | None = None,
    customer: dict[str, Any] | None = None,
    account: dict[str, Any] | None = None,
    provider: Provider | None = None,
    store: MemoryStore | None = None,
    policy: Policy | None = None,
) -> Town:
    """A town in which a link leads to an open case, but for the changes named."""
    store, payments = store or MemoryStore(), provider or Provider()
    mode: dict[str, Any] = {"mode": CollectionMode.DRIVE}
    rows: list[Any] = [
        Merchant(merchant_id="mer_1", name="Kelpworks", time_zone="Europe/Berlin"),
        ProviderAccount(**WHOSE, **mode, **(account or {})),
        Customer(**WHOSE, customer_id="cus_1", **(customer or {})),
        replace(an_invoice(), **(invoice or {})),
        replace(a_case(), **(case or {})),
        replace(a_link(), **(link or {})),
    ]
    async with store.transaction("mer_1") as tx:
        for row in rows:
            await tx.save([row])
    unused = cast(
        "Any",
        dict.fromkeys(UNUSED),
    )
    world = World(
        store=store,
        clock=At(),
        payments=cast("Any", payments),
        tokens=KeyedTokens(["the town's"]),
        policy=policy or Policy(),
        public_url="https://pay.example.com",
        **unused,
    )
    app = FastAPI()
    app.include_router(links_router(world, Pace(ASKS_A_MINUTE)))
    app.include_router(unsubscribe_router(world))
    browser = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://pay.example")
    return Town(store, payments, app, world, browser)


def an_invoice() -> Invoice:
    return Invoice(
        **WHOSE,
        invoice_id="in_1",
        customer_id="cus_1",
        status=InvoiceStatus.OPEN,
        currency="eur",
        due_minor=2900,
        remaining_minor=2900,
        number="KW-0142",
    )


def a_case() -> Case:
    return Case(
        **WHOSE,
        case_id="case_1",
        invoice_id="in_1",
        customer_id="cus_1",
        currency="eur",
        amount_minor=2900,
        due_minor=2900,
        plan="Team",
        driven=True,
        mode=CollectionMode.DRIVE,
        decline_kind=DeclineKind.INSUFFICIENT_FUNDS,
        opened_at=NOW - timedelta(days=3),
        window_ends_at=datetime(2026, 12, 1, 9, tzinfo=UTC),
        next_attempt_at=datetime(2026, 11, 15, 9, tzinfo=UTC),
    )


def a_link() -> PaymentLink:
    return PaymentLink(
        **WHOSE,
        link_id="link_1",
        token_hash=hashlib.sha256(TOKEN.encode()).hexdigest(),
        customer_id="cus_1",
        case_id="case_1",
        created_at=NOW - timedelta(days=3),
        expires_at=NOW + timedelta(days=30),
    )


def a_view(**changes: Any) -> LinkView:
    view = LinkView(
        status="open",
        merchant_name="Kelpworks",
        language="en",
        time_zone="Europe/Berlin",
        amount_minor=2900,
        currency="eur",
        reason_key="insufficient_funds",
        plan="Team",
        invoice_number="KW-0142",
        next_retry_at=datetime(2026, 11, 15, 9, tzinfo=UTC),
        last_day=datetime(2026, 12, 1, 9, tzinfo=UTC),
        end_action="cancel_now",
        needs="card",
        paid_at=None,
    )
    return replace(view, **changes)
