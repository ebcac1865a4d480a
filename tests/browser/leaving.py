"""A service to leave, for the browser: the real app on a store in memory, before a sandbox."""

import asyncio
import json
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from fastapi import FastAPI
from starlette.responses import HTMLResponse, JSONResponse, Response

from app.config import Settings
from app.domain.evidence import Evidence
from app.domain.flows import FlowStep, StepKind
from app.domain.merchants import Merchant, ProviderAccount, Scope
from app.domain.mirror import Subscription
from app.domain.paces import Pace
from app.domain.policies import Policy
from app.main import create_app
from app.pages.forms import forms_router
from app.pages.headers import DESK, page
from app.pages.leaving import leaving_router
from app.pages.leaving_views import step_page
from app.pages.links import links_router
from app.pages.shop import shop_router
from app.ports.world import World
from app.providers.stripe.client import StripePayments
from app.sealing import AesGcmSealer, KeyedTokens
from app.services import api_keys, customer_tokens, merchants
from app.services.backfill import backfill_subscriptions
from app.services.cancel_opening import Wish, open_session
from app.services.exits import SessionView
from app.services.flows import publish, put_flow
from app.services.usage import Pushed, push
from app.storage.memory import MemoryStore
from tests.mail.letters import RENDERER
from tests.pages.town import UNUSED, At, Quiet
from tests.sandbox.stand import Served

Json = dict[str, Any]
QUOTE: Json = {
    "kind": "discount", "currency": "usd", "now_minor": 0, "next_minor": 2100,
    "next_at": "2026-10-21T00:00:00+00:00", "then_minor": 3000,
    "until": "2027-01-21T00:00:00+00:00",
}  # fmt: skip
OFFER = FlowStep(
    id="offer",
    kind=StepKind.OFFER,
    texts={"en": {"body": "30 % off for three months."}},
    offer={"kind": "discount", "percent": 30, "months": 3},
)
# All that a way out may have, for whoever comes with the attribute.
WHOLE: Json = {
    "name": "whole",
    "place": "DE",
    "applies_to": {"attributes": {"way": ["whole"]}},
    "steps": [
        {"id": "why", "kind": "survey"},
        {"id": "have", "kind": "value_reminder"},
        {"id": "more", "kind": "feedback", "asks": ["words", "competitor", "rating", "likely"]},
        {"id": "less", "kind": "offer", "offer": {"kind": "discount", "percent": 30, "months": 3}},
        {"id": "confirm", "kind": "confirm"},
        {"id": "done", "kind": "success"},
    ],
}
FACTS = (
    Pushed(name="projects", labels={"en": "Projects", "de": "Projekte"}, value="12"),
    Pushed(name="saved", labels={"en": "Hours saved this year"}, value="340"),
)


class Shelf:
    """One merchant of a service, made when it is first needed, in the loop that serves it."""

    def __init__(self, world: World, sandbox: Served, origins: list[str]) -> None:
        self.world, self.sandbox, self.origins = world, sandbox, origins
        self._making = asyncio.Lock()
        self._known: tuple[Merchant, ProviderAccount] | None = None
        self.keys: dict[str, str] = {}

    async def merchant(self) -> tuple[Merchant, ProviderAccount]:
        async with self._making:
            if self._known is None:
                self._known = await self._made()
        return self._known

    async def _made(self) -> tuple[Merchant, ProviderAccount]:
        made = await merchants.create_merchant(self.world, name="Kelp", actor="test")
        account = await merchants.create_account(
            self.world,
            merchant_id=made.merchant_id,
            api_key=self.sandbox.key,
            actor="test",
            live=False,
            api_base=self.sandbox.url,
        )
        signs, secret = await customer_tokens.create(
            self.world,
            made.merchant_id,
            account_id=account.account_id,
            name="app",
            origins=self.origins,
            public_key=None,
            actor="test",
        )
        scopes = (Scope.SESSIONS_WRITE,)
        _, key = await api_keys.create_key(
            self.world, merchant_id=made.merchant_id, name="backend", scopes=scopes, actor="test"
        )
        self.keys = {
            "HOLDFAST_KEY": key,
            "HOLDFAST_TOKEN_KEY": signs.key_id,
            "HOLDFAST_TOKEN_SECRET": secret or "",
        }
        told: Json = {"read_version": None, "actor": "test"}
        await put_flow(self.world, made.merchant_id, "whole", WHOLE, **told)
        await publish(self.world, made.merchant_id, "whole", 1, actor="test")
        return made, account

    async def leaver(
        self, language: str, *, owes: bool = False, way: str = ""
    ) -> tuple[SessionView, str]:
        """Somebody new with a session open, in Germany; `way` is the flow they go by."""
        merchant, account = await self.merchant()
        subscription = await asyncio.to_thread(self._subscribes, language, owes=owes)
        await backfill_subscriptions(self.world, account)
        if way:
            where = {"subscription_id": subscription}
            async with self.world.store.transaction(merchant.merchant_id) as tx:
                (found,) = await tx.find(Subscription, where=where)
            customer = found.customer_id or ""
            await push(self.world, merchant.merchant_id, customer, FACTS)
        wish = Wish(
            merchant_id=merchant.merchant_id,
            account_id=account.account_id,
            subscription_id=subscription,
            language=language,
            place="DE" if way else None,
            attributes={"way": way} if way else {},
            opened_by="test",
        )
        return await open_session(self.world, wish)

    def _subscribes(self, language: str, *, owes: bool) -> str:
        method = self._posts("payment_methods", type="card", **{"card[token]": "tok_visa"})
        who = {"email": "ada@example.com", "preferred_locales[0]": language}
        card = {"invoice_settings[default_payment_method]": method["id"]}
        customer = self._posts("customers", payment_method=method["id"], **card, **who)
        product = self._posts("products", name="Team")
        price = self._posts(
            "prices",
            product=product["id"],
            currency="usd",
            unit_amount=3000,
            nickname="Team",
            **{"recurring[interval]": "month"},
        )
        item = {"items[0][price]": price["id"], "customer": customer["id"]}
        more = {"collection_method": "send_invoice", "days_until_due": 30} if owes else {}
        made = self._posts("subscriptions", **item, **more)
        return str(made["id"])

    def _posts(self, path: str, **params: Any) -> Json:
        answer = self.sandbox.raw("POST", f"/v1/{path}", data=params)
        assert answer.status_code == 200, answer.text
        told: Json = answer.json()
        return told


def a_service(sandbox: Served, url: str, *origins: str) -> FastAPI:
    """The app at `url`, its pages, and what tests ask it for under `/look`."""
    now = At(datetime.fromisoformat(sandbox.status()["now"]))
    key = "the service's own"
    sealer = AesGcmSealer([key])
    unused = cast("Any", dict.fromkeys(set(UNUSED) - {"renderer", "sealer", "wake"}))
    world = World(
        store=MemoryStore(),
        clock=now,
        payments=StripePayments(sealer, now),
        tokens=KeyedTokens([key]),
        sealer=sealer,
        renderer=RENDERER,
        policy=Policy(),
        public_url=url,
        wake=Quiet(),
        **unused,
    )
    nothing = {"database_url": None, "redis_url": None, "smtp_url": None}
    app = create_app(Settings(environment="demo", public_url=url, **nothing))
    app.state.world = world
    shelf = Shelf(world, sandbox, list(origins))
    for paced in (links_router, leaving_router):
        app.include_router(paced(world, Pace(10_000)))
    for free in (shop_router, forms_router):
        app.include_router(free(world))
    _looks(app, shelf)
    return app


def _looks(app: FastAPI, shelf: Shelf) -> None:
    @app.get("/look/leaver/{language}")
    async def somebody(language: str, owes: bool = False, way: str = "") -> Response:
        view, token = await shelf.leaver(language, owes=owes, way=way)
        told = {"token": token, "id": view.session.session_id}
        who = {"customer": view.session.customer_id}
        merchant = {"merchant": view.session.merchant_id}
        about = told | who | merchant | {"subscription": view.session.subscription_id}
        return JSONResponse(about)

    @app.get("/look/keys")
    async def keys() -> Response:
        await shelf.merchant()
        now = {"NOW": str(shelf.world.clock.now().timestamp())}
        return JSONResponse(shelf.keys | now)

    @app.get("/look/evidence/{session_id}")
    async def evidence(session_id: str) -> Response:
        merchant, _ = await shelf.merchant()
        async with shelf.world.store.transaction(merchant.merchant_id) as tx:
            rows = await tx.find(Evidence, where={"session_id": session_id})
        return JSONResponse([str(row.kind) for row in rows])

    @app.post("/look/over")
    async def over() -> Response:
        """The last that is asked: connections are closed in the loop they belong to."""
        await cast("StripePayments", shelf.world.payments).close()
        return Response(status_code=204)

    @app.get("/look/offer")
    async def an_offer() -> Response:
        view, token = await shelf.leaver("en")
        session = replace(view.session, quote=QUOTE)
        may = ("confirm", "accept", "decline", "close")
        shown = replace(view, session=session, step=OFFER, may=may)
        return page(step_page(shown, token=token).html, csp=DESK)


def an_app(at: str, token: str, *, language: str = "en", options: Json | None = None) -> Response:
    """A page of a merchant's app elsewhere, with the strictest policy under which the widget works:
    inline, or in a window where there are `options`."""
    way = "rtl" if language == "ar" else "ltr"
    told = json.dumps(options or {})
    inside = f'<a href="{at}/c/{token}">Cancel</a>'
    widget = f'<holdfast-cancel session="{token}">{inside}</holdfast-cancel>'
    button = f"<button id=open data-session='{token}' data-options='{told}'>Cancel</button>"
    html = (
        f'<!doctype html><html lang="{language}" dir="{way}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme"'
        ' content="light dark"><title>App</title><style nonce="app">:root{color-scheme:light dark}'
        f'body{{margin:1rem}}</style><script src="{at}/embed/v1/holdfast.js"></script>'
        f"<main><h1>App</h1>{widget if options is None else button}</main>"
        f'<script nonce="app">{SCRIPT}</script>'
    )
    policy = (
        f"default-src 'none'; script-src {at} 'nonce-app'; connect-src {at}; style-src 'nonce-app'"
    )
    return HTMLResponse(html, headers={"Content-Security-Policy": policy})


# The app keeps what it is told; `throws` makes every listener of its own fail.
SCRIPT = """
window.told = [];
for (const what of ["step", "saved", "cancelled", "uncancelled", "close", "error"])
  document.addEventListener("holdfast-" + what, (e) => told.push([what, e.detail.step || ""]));
const button = document.getElementById("open");
if (button) button.onclick = () => {
  const { session, options } = button.dataset;
  const { throws, replaces, hangs, ...more } = JSON.parse(options);
  const fails = () => { throw new Error("the app's own fault"); };
  const own = throws ? { onStep: fails, onCancelled: fails, onBeforeConfirm: fails } : {};
  if (throws) Object.assign(own, { onBeforeAnswer: fails, onBeforeAccept: fails, onSaved: fails });
  if (hangs) own.onBeforeConfirm = (at) => (told.push(["asked", at.choice]), new Promise(() => {}));
  if (replaces) own.onBeforeConfirm = (at) => told.push(["mine", at.choice]) > 0;
  Holdfast.open({ session, ...own, ...more });
};
"""
