"""A service whose flow makes each offer there is, to be accepted for real at the sandbox."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.responses import JSONResponse, Response

from app.domain.evidence import Evidence
from app.services.backfill import backfill_subscriptions
from app.services.cancel_opening import Wish, open_session
from app.services.flows import publish, put_flow
from tests.browser.leaving import Json, Shelf, a_service
from tests.sandbox.stand import Served

PRICE, LESS, YEAR, MORE = 3000, 1500, 30_000, 6000


@dataclass(frozen=True)
class Shop:
    """The prices of one product, by what they are to the customer's own."""

    own: str
    less: str
    year: str
    more: str

    @property
    def offers(self) -> dict[str, Json]:
        """The terms of an offer of each kind."""
        return {
            "discount": {"percent": 30, "months": 3},
            "pause": {"months": 1},
            "downgrade": {"to": {self.own: self.less}},
            "annual": {"to": {self.own: self.year}},
            "trial_extension": {"days": 14},
            "credit": {"amount_minor": {"usd": 500}},
            "upgrade": {"to": {self.own: self.more}, "months": 1},
            "seats": {"remove": 1},
            "contact": {"url": "https://kelp.example/contact"},
            "redirect": {"url": "https://kelp.example/redirect"},
            "custom": {"name": "a_call"},
        }


KINDS = tuple(Shop("", "", "", "").offers)


def flow_with(kind: str, shop: Shop) -> Json:
    """A flow that makes one offer to whoever comes with its name."""
    return {
        "name": kind,
        "place": "DE",
        "applies_to": {"attributes": {"way": [kind]}},
        "steps": [
            {"id": "why", "kind": "survey"},
            {"id": "stay", "kind": "offer", "offer": {"kind": kind} | shop.offers[kind]},
            {"id": "confirm", "kind": "confirm"},
            {"id": "done", "kind": "success"},
        ],
    }


class Staying(Shelf):
    """A shelf with a shop: subscribers of its own price, and a flow for each kind of offer."""

    _known_shop: Shop | None = None

    async def stayer(self, kind: str) -> Json:
        """Somebody new with a session in which this offer is made."""
        merchant, account = await self.merchant()
        if self._known_shop is None:
            self._known_shop = await asyncio.to_thread(self._shop)
        shop = self._known_shop
        told: Json = {"read_version": None, "actor": "test"}
        named = (self.world, merchant.merchant_id, kind)
        row = await put_flow(*named, flow_with(kind, shop), **told)
        await publish(*named, row.version, actor="test")
        subscription = await asyncio.to_thread(self._subscriber, shop, kind)
        await backfill_subscriptions(self.world, account)
        wish = Wish(
            merchant_id=merchant.merchant_id,
            account_id=account.account_id,
            subscription_id=subscription,
            language="en",
            place="DE",
            attributes={"way": kind},
            opened_by="test",
        )
        view, token = await open_session(self.world, wish)
        return {"token": token, "id": view.session.session_id, "subscription": subscription}

    def _shop(self) -> Shop:
        product = self._posts("products", name="Team")["id"]
        prices = [
            self._price(product, amount, every)
            for amount, every in (
                (PRICE, "month"),
                (LESS, "month"),
                (YEAR, "year"),
                (MORE, "month"),
            )
        ]
        return Shop(*prices)

    def _price(self, product: str, amount: int, every: str) -> str:
        about = {"product": product, "currency": "usd", "unit_amount": amount, "nickname": "Team"}
        made = self._posts("prices", **about, **{"recurring[interval]": every})
        return str(made["id"])

    def _subscriber(self, shop: Shop, kind: str) -> str:
        method = self._posts("payment_methods", type="card", **{"card[token]": "tok_visa"})["id"]
        card = {"invoice_settings[default_payment_method]": method}
        customer = self._posts("customers", payment_method=method, email="a@example.com", **card)
        item = {"items[0][price]": shop.own, "items[0][quantity]": 3 if kind == "seats" else 1}
        trial = {"trial_period_days": 7} if kind == "trial_extension" else {}
        return str(self._posts("subscriptions", customer=customer["id"], **item, **trial)["id"])


def staying_at(sandbox: Served, served: Any, *origins: str) -> Iterator[str]:
    """Serve it; yields its address. `served` serves the app that is made for an address."""

    def make(url: str) -> FastAPI:
        app = a_service(sandbox, url, *origins)
        shelf = Staying(app.state.world, sandbox, list(origins))

        @app.get("/look/stayer/{kind}")
        async def somebody(kind: str) -> Response:
            return JSONResponse(await shelf.stayer(kind))

        @app.get("/look/kept/{session_id}")
        async def evidence(session_id: str) -> Response:
            merchant, _ = await shelf.merchant()
            async with shelf.world.store.transaction(merchant.merchant_id) as tx:
                rows = await tx.find(Evidence, where={"session_id": session_id})
            return JSONResponse([str(row.kind) for row in rows])

        return app

    return iter(served(make))
