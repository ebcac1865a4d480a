"""Checkout and billing portal sessions: pages a customer is sent to, and what comes of them."""

from app.providers.sandbox import intents, payments
from app.providers.sandbox.calendar import DAY
from app.providers.sandbox.core import Core
from app.providers.sandbox.errors import (
    Thing,
    card_refused,
    invalid,
    missing_parameter,
    refused,
)
from app.providers.sandbox.params import (
    anything,
    choice,
    clearable,
    currency,
    labels,
    many,
    table,
    text,
    whole,
)
from app.providers.sandbox.payment_methods import attach, resolve
from app.providers.sandbox.records import HIDDEN
from app.providers.sandbox.render import page
from app.providers.sandbox.routing import PAGING, Route

PORTAL_LIVES = 3600
ID_PLACEHOLDER = "{CHECKOUT_SESSION_ID}"


def _create(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    customer = given.get("customer")
    if customer:
        core.find("customer", customer, "customer")
    if given["mode"] == "payment" and not given.get("line_items"):
        raise missing_parameter("line_items")
    if given["mode"] == "subscription":
        raise invalid("Checkout sessions here are for setup or payment.", param="mode")
    ident = core.new_id("cs_test", customer or "")
    wanted = [_line(core, row) for row in given.get("line_items") or []]
    total = sum(row["amount_total"] for row in wanted)
    unit = wanted[0]["currency"] if wanted else given.get("currency")
    session = core.add(
        {
            **_fields(core, given, ident),
            "amount_subtotal": total if wanted else None,
            "amount_total": total if wanted else None,
            "currency": unit,
            "customer": customer,
        },
        due={"expire": core.now + DAY},
        lines=wanted,
        payment_data=given.get("payment_intent_data") or {},
    )
    if given["mode"] == "setup":
        kinds = given.get("payment_method_types")
        data = {**(given.get("setup_intent_data") or {}), "payment_method_types": kinds}
        setup = intents.new_setup(core, customer, data)
        core.change(session, setup_intent=setup["id"])
    return session


def _fields(core: Core, given: Thing, ident: str) -> Thing:
    return {
        "id": ident,
        "object": "checkout.session",
        "cancel_url": given.get("cancel_url"),
        "client_reference_id": given.get("client_reference_id"),
        "client_secret": None,
        "created": core.now,
        "customer_account": None,
        "customer_details": None,
        "customer_email": given.get("customer_email"),
        "expires_at": core.now + DAY,
        "invoice": None,
        "locale": given.get("locale"),
        "metadata": given.get("metadata") or {},
        "mode": given["mode"],
        "payment_intent": None,
        "payment_link": None,
        "payment_method_types": given.get("payment_method_types") or ["card"],
        "payment_status": "no_payment_required" if given["mode"] == "setup" else "unpaid",
        "setup_intent": None,
        "status": "open",
        "subscription": None,
        "success_url": given.get("success_url"),
        "ui_mode": "hosted",
        "url": f"{core.base_url}/checkout/{ident}",
    }


def _line(core: Core, row: Thing) -> Thing:
    price = core.find("price", row.get("price"), "line_items[0][price]")
    amount = price["unit_amount"] * row.get("quantity", 1)
    return {"amount_total": amount, "currency": price["currency"], "price": price["id"]}


def complete(core: Core, session: Thing, method: Thing, *, authenticated: bool = True) -> None:
    """The customer finishes the page with this method.

    Raises:
        ApiError: 402 when the bank refuses; the session stays open. 400 when it is not open.
    """
    if session["status"] != "open":
        raise refused("This Checkout Session is no longer open.")
    if session["mode"] == "setup":
        setup = core.find("setup_intent", session["setup_intent"])
        core.change(setup, payment_method=method["id"])
        intents.confirm_setup(core, setup, authenticated=authenticated)
        _finish(core, session, paid=True)
    else:
        _pay(core, session, method)


def _pay(core: Core, session: Thing, method: Thing) -> None:
    data = session[HIDDEN]["payment_data"]
    intent = payments.new_intent(
        core,
        amount=session["amount_total"],
        currency=session["currency"],
        customer=session["customer"],
        key=session["id"],
        metadata=data.get("metadata") or {},
        description=data.get("description"),
        shipping=data.get("shipping"),
    )
    core.change(session, payment_intent=intent["id"])
    core.hide(intent, session=session["id"])
    if data.get("setup_future_usage") and session["customer"] and not method["customer"]:
        attach(core, method, core.find("customer", session["customer"]))
    outcome = payments.confirm(core, intent, method, off_session=False, authenticated=True)
    if outcome == "failed":
        raise card_refused(intents.error_of(intent))
    _finish(core, session, paid=outcome == "succeeded")


def _finish(core: Core, session: Thing, *, paid: bool) -> None:
    core.schedule(session, expire=None)
    customer = core.get(session["customer"] or "") or {}
    core.change(
        session,
        status="complete",
        customer_details={"email": customer.get("email"), "name": customer.get("name")},
        payment_status=_payment_status(session, paid=paid),
    )
    core.emit("checkout.session.completed", session)


def _payment_status(session: Thing, *, paid: bool) -> str:
    if session["mode"] == "setup":
        return "no_payment_required"
    return "paid" if paid else "unpaid"


def after_settling(core: Core, intent: Thing) -> None:
    """A direct debit of a checkout session came through or came back."""
    session = core.get(intent[HIDDEN].get("session") or "")
    if session is None:
        return
    good = intent["status"] == "succeeded"
    core.change(session, payment_status="paid" if good else "unpaid")
    kind = "succeeded" if good else "failed"
    core.emit(f"checkout.session.async_payment_{kind}", session)


def landing(session: Thing) -> str | None:
    """Where the browser goes after completion."""
    address = session["success_url"]
    return address.replace(ID_PLACEHOLDER, session["id"]) if address else None


def expire(core: Core, session: Thing) -> None:
    """Nobody finished it in time."""
    core.schedule(session, expire=None)
    core.change(session, status="expired")
    core.emit("checkout.session.expired", session)


def _expire(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    session = core.find("checkout.session", ids[0])
    if session["status"] != "open":
        raise refused("Only open Checkout Sessions can be expired.")
    expire(core, session)
    return session


def _get(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return core.find("checkout.session", ids[0])


def _list(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    found = list(core.all("checkout.session", given.get("customer")))
    return page(core, found, given, "/v1/checkout/sessions")


def _confirm_page(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    """What the hosted page itself would call."""
    session = core.find("checkout.session", ids[0])
    key = session["customer"] or ""
    complete(core, session, resolve(core, given["payment_method"], key=key))
    return session


def _portal(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    customer = core.find("customer", given["customer"], "customer")
    ident = core.new_id("bps", customer["id"])
    session = core.add(
        {
            "id": ident,
            "object": "billing_portal.session",
            "configuration": given.get("configuration") or "bpc_default",
            "created": core.now,
            "customer": customer["id"],
            "customer_account": None,
            "flow": given.get("flow_data"),
            "locale": given.get("locale"),
            "on_behalf_of": None,
            "return_url": given.get("return_url"),
            "url": f"{core.base_url}/portal/{ident}",
        }
    )
    core.emit("billing_portal.session.created", session)
    return session


def open_portal(core: Core, ident: str) -> Thing:
    """A portal session that still lives.

    Raises:
        ApiError: unknown, or older than an hour.
    """
    session = core.find("billing_portal.session", ident)
    if session["created"] + PORTAL_LIVES <= core.now:
        raise refused("This link has expired. Ask for a new one.")
    return session


ROUTES = (
    Route(
        "POST",
        "/v1/checkout/sessions",
        _create,
        {"mode": choice("setup", "payment", "subscription"), "customer": text}
        | {"currency": currency, "success_url": text, "cancel_url": text}
        | {"line_items": many(table(price=text, quantity=whole)), "metadata": labels}
        | {"setup_intent_data": table(metadata=labels, description=text)}
        | {"payment_intent_data": anything, "payment_method_types": many(text)}
        | {"client_reference_id": text, "customer_email": text, "locale": text}
        | {"customer_creation": text, "ui_mode": text, "return_url": text}
        | {"payment_method_options": anything, "expires_at": whole},
        needs=("mode",),
    ),
    Route("GET", "/v1/checkout/sessions", _list, {**PAGING, "customer": text}),
    Route("GET", "/v1/checkout/sessions/{id}", _get),
    Route("POST", "/v1/checkout/sessions/{id}/expire", _expire),
    Route("GET", "/v1/payment_pages/{id}", _get),
    Route(
        "POST",
        "/v1/payment_pages/{id}/confirm",
        _confirm_page,
        {"payment_method": text, "expected_amount": whole},
        needs=("payment_method",),
    ),
    Route(
        "POST",
        "/v1/billing_portal/sessions",
        _portal,
        {"customer": text, "return_url": text, "configuration": text, "locale": text}
        | {"flow_data": clearable(anything)},
        needs=("customer",),
    ),
)
