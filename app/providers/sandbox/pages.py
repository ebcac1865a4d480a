"""The hosted pages a customer sees: checkout, an invoice, authentication, the billing portal."""

from collections.abc import Callable
from html import escape
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.providers.sandbox import acts, sessions
from app.providers.sandbox.cards import TEST_CARDS
from app.providers.sandbox.errors import ApiError, Thing
from app.providers.sandbox.house import House
from app.providers.sandbox.payment_methods import attach
from app.providers.sandbox.records import HIDDEN

NO_MINOR = frozenset({"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga"}) | frozenset(
    {"pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"}
)
THREE_MINOR = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
CardName = Annotated[str, Form()]

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:3rem auto;padding:0 1rem}"
    "button,select{font:inherit;padding:.5rem .8rem;margin:.3rem 0}"
    "[role=alert]{border-left:4px solid #b00;padding-left:.8rem}"
)


def money(minor: int, currency: str) -> str:
    """An amount with its currency, with as many decimals as the currency has."""
    places = 0 if currency in NO_MINOR else 3 if currency in THREE_MINOR else 2
    return f"{minor / 10**places:,.{places}f} {currency.upper()}"


def page_routes(house: House) -> APIRouter:
    """The pages, bound to one house. Opening one changes nothing; only its buttons do."""
    router = APIRouter(include_in_schema=False)
    _checkout(router, house)
    _invoice(router, house)
    _authentication(router, house)
    _portal(router, house)
    return router


def _checkout(router: APIRouter, house: House) -> None:
    world = house.world

    @router.get("/checkout/{ident}")
    async def show(ident: str) -> Response:
        session = world.get(ident)
        if session is None or session["object"] != "checkout.session":
            return _page("No such page", "<p>This checkout does not exist.</p>", status=404)
        if session["status"] != "open":
            return _page("Checkout", f"<p>This checkout is {escape(session['status'])}.</p>")
        return _page("Checkout", _asking(session) + _card_form("Save card"))

    @router.post("/checkout/{ident}")
    async def finish(ident: str, card: CardName) -> Response:
        house.catch_up()

        def complete() -> str | None:
            session = world.find("checkout.session", ident)
            method = acts.card_of(world, f"pm_card_{card}", session["customer"] or "")
            sessions.complete(world, session, method)
            return sessions.landing(session)

        try:
            landing = world.outside(complete)
        except ApiError as refusal:
            return _refused("Checkout", refusal)
        if landing:
            return RedirectResponse(landing, status_code=303)
        return _page("Done", "<p>Thank you. You can close this page.</p>")


def _asking(session: Thing) -> str:
    if session["mode"] == "setup":
        return "<p>Save a card for future payments. Test cards only.</p>"
    return f"<p>To pay: <b>{money(session['amount_total'], session['currency'])}</b></p>"


def _invoice(router: APIRouter, house: House) -> None:
    world = house.world

    @router.get("/i/{ident}")
    async def show(ident: str) -> Response:
        invoice = world.get(ident)
        if invoice is None or invoice["object"] != "invoice":
            return _page("No such invoice", "<p>This invoice does not exist.</p>", status=404)
        return _page(f"Invoice {invoice['number']}", _invoice_body(invoice))

    @router.post("/i/{ident}")
    async def pay(ident: str, card: CardName) -> Response:
        house.catch_up()
        try:
            outcome = world.outside(
                lambda: acts.pay_hosted(world, world.find("invoice", ident), f"pm_card_{card}")
            )
        except ApiError as refusal:
            return _refused("Invoice", refusal)
        if outcome == "failed":
            return _page("Invoice", _alert("Your card was declined.") + _card_form("Pay"), 402)
        return _page("Invoice", "<p>Thank you, the payment was received.</p>")


def _invoice_body(invoice: Thing) -> str:
    due = money(invoice["amount_remaining"], invoice["currency"])
    if invoice["status"] not in ("open", "uncollectible"):
        return f"<p>This invoice is {escape(invoice['status'])}.</p>"
    intent = invoice[HIDDEN].get("intent")
    extra = (
        f'<form method="post" action="/authenticate/{intent}">'
        "<button>Confirm with your bank (3-D Secure)</button></form>"
    )
    return f"<p>Due: <b>{due}</b></p>{_card_form('Pay')}{extra if intent else ''}"


def _authentication(router: APIRouter, house: House) -> None:
    world = house.world

    @router.get("/authenticate/{ident}")
    async def show(ident: str) -> Response:
        if world.get(ident) is None:
            return _page("No such payment", "<p>There is nothing to confirm.</p>", status=404)
        return _page("Your bank asks", "<form method=post><button>Yes, this is me</button></form>")

    @router.post("/authenticate/{ident}")
    async def confirm(ident: str) -> Response:
        house.catch_up()
        intent = world.get(ident)
        if intent is None or intent["object"] not in ("payment_intent", "setup_intent"):
            return _page("No such payment", "<p>There is nothing to confirm.</p>", status=404)
        try:
            outcome = world.outside(lambda: acts.authenticate(world, intent))
        except ApiError as refusal:
            return _refused("Your bank", refusal)
        return _page("Your bank", f"<p>The payment {escape(outcome)}.</p>")


def _portal(router: APIRouter, house: House) -> None:
    world = house.world

    @router.get("/portal/{ident}")
    async def show(ident: str) -> Response:
        try:
            session = sessions.open_portal(world, ident)
        except ApiError as refusal:
            return _refused("Billing", refusal)
        running = [
            s for s in world.all("subscription", session["customer"]) if s["ended_at"] is None
        ]
        return _page("Billing", _card_form("Use this card") + _cancel_forms(ident, running))

    @router.post("/portal/{ident}")
    async def use_card(ident: str, card: CardName) -> Response:
        house.catch_up()

        def change() -> str | None:
            session = sessions.open_portal(world, ident)
            customer = world.find("customer", session["customer"])
            method = acts.card_of(world, f"pm_card_{card}", customer["id"])
            acts.make_default(world, customer, attach(world, method, customer))
            return _way_back(session)

        return _carry_out(house, change)

    @router.post("/portal/{ident}/cancel/{subscription}")
    async def cancel(ident: str, subscription: str) -> Response:
        house.catch_up()

        def leave() -> str | None:
            session = sessions.open_portal(world, ident)
            wish = {"subscription": subscription, "at_period_end": True}
            acts.act(world, session["customer"], {"act": "cancel_subscription", **wish})
            return _way_back(session)

        return _carry_out(house, leave)


def _cancel_forms(ident: str, running: list[Thing]) -> str:
    return "".join(
        f'<form method="post" action="/portal/{escape(ident)}/cancel/{escape(s["id"])}">'
        f"<button>Cancel {escape(s['id'])} at the end of the period</button></form>"
        for s in running
    )


def _way_back(session: Thing) -> str | None:
    after = ((session["flow"] or {}).get("after_completion") or {}).get("redirect") or {}
    landing: str | None = after.get("return_url") or session["return_url"]
    return landing


def _carry_out(house: House, do: Callable[[], str | None]) -> Response:
    try:
        landing = house.world.outside(do)
    except ApiError as refusal:
        return _refused("Billing", refusal)
    if landing:
        return RedirectResponse(landing, status_code=303)
    return _page("Done", "<p>Done. You can close this page.</p>")


def _card_form(button: str) -> str:
    options = "".join(
        f'<option value="{escape(name)}">{escape(name)} ({card.number[-4:]})</option>'
        for name, card in TEST_CARDS.items()
    )
    return (
        '<form method="post"><label>Test card <select name="card">'
        f"{options}</select></label> <button>{escape(button)}</button></form>"
    )


def _alert(message: str) -> str:
    return f'<p role="alert">{escape(message)}</p>'


def _refused(title: str, refusal: ApiError) -> Response:
    return _page(title, _alert(str(refusal.error.get("message"))), refusal.status)


def _page(title: str, body: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}'
        f"</title><style>{STYLE}</style></head><body><h1>{escape(title)}</h1>{body}</body></html>",
        status_code=status,
    )
