"""The demo's shop: a page of a merchant's app in which customers cancel, at the sandbox."""

from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.domain.cancellations import GONE
from app.domain.dunning import IllegalMove
from app.domain.merchants import ProviderAccount
from app.domain.mirror import Customer, Subscription
from app.pages.assets import asset
from app.pages.headers import DESK, page
from app.pages.views import fill, unknown_page
from app.ports.world import World
from app.services.cancel_opening import UnknownSubscription, Wish, open_session

SHOWN = 12
# What a merchant's page needs for the widget: its script, and to ask the service.
SHOP = f"{DESK}; script-src 'self'; connect-src 'self'"


def shop_router(world: World) -> APIRouter:
    """`/demo/shop`: GET lists subscriptions; POST opens a session for one, as the merchant's
    backend would, and shows the page with the widget in it."""
    router = APIRouter(include_in_schema=False, prefix="/demo/shop")
    root = urlsplit(world.public_url).path.rstrip("/")

    @router.get("")
    async def shelf() -> Response:
        return page(fill("shop.html.j2", root=root, people=await _people(world), session=None))

    @router.post("")
    async def leave(request: Request) -> Response:
        form = await request.form()
        found = await _found(world, str(form.get("subscription", "")))
        if found is None:
            return page(unknown_page(root=root).html, status=404)
        wish = Wish(
            merchant_id=found.merchant_id,
            account_id=found.account_id,
            subscription_id=found.subscription_id,
            opened_by="demo",
        )
        try:
            view, token = await open_session(world, wish)
        except (UnknownSubscription, IllegalMove):
            return page(unknown_page(root=root).html, status=404)
        facts: dict[str, Any] = {
            "people": [],
            "session": token,
            "merchant": view.merchant_name,
            "plan": view.plan,
            "shop": root + asset("shop.js"),
            "widget": f"{root}/embed/v1/holdfast.js",
        }
        return page(fill("shop.html.j2", root=root, **facts), csp=SHOP)

    return router


async def _people(world: World) -> list[dict[str, str]]:
    """Some of each company who could leave: their names and what they pay for."""
    people: list[dict[str, str]] = []
    for account in await _accounts(world):
        where = {"account_id": account.account_id, "status": ("active", "past_due")}
        async with world.store.transaction(account.merchant_id) as tx:
            rows = await tx.find(Subscription, where=where, order=("subscription_id",), limit=SHOWN)
            who = [(row.account_id, row.customer_id) for row in rows if row.customer_id]
            known = {c.customer_id: c for c in await tx.load(Customer, who)}
        people += [_person(row, known.get(row.customer_id or "")) for row in rows]
    return people


def _person(row: Subscription, customer: Customer | None) -> dict[str, str]:
    name = (customer.name or customer.email) if customer else None
    told = {"subscription": row.subscription_id, "name": name or row.subscription_id}
    return told | {"plan": row.plan or "", "status": row.status}


async def _found(world: World, subscription_id: str) -> Subscription | None:
    for account in await _accounts(world):
        async with world.store.transaction(account.merchant_id) as tx:
            rows = await tx.load(Subscription, [(account.account_id, subscription_id)])
        if rows and rows[0].status not in GONE:
            return rows[0]
    return None


async def _accounts(world: World) -> list[ProviderAccount]:
    async with world.store.system() as tx:
        return await tx.find(ProviderAccount, where={}, order=("account_id",))
