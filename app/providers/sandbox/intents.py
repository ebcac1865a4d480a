"""The payment intent and setup intent endpoints."""

from app.providers.sandbox import collection, payments
from app.providers.sandbox.cards import declined
from app.providers.sandbox.core import Core
from app.providers.sandbox.errors import ApiError, Thing, card_refused, refused
from app.providers.sandbox.params import (
    anything,
    choice,
    clearable,
    currency,
    flag,
    labels,
    many,
    merged_labels,
    text,
    whole,
)
from app.providers.sandbox.payment_methods import attach, living, resolve
from app.providers.sandbox.records import HIDDEN
from app.providers.sandbox.render import page
from app.providers.sandbox.routing import PAGING, Route

CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
PASSED_ON = ("description", "capture_method", "confirmation_method", "shipping", "metadata")


def _create(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    customer = given.get("customer")
    if customer:
        core.find("customer", customer, "customer")
    fields = {name: given[name] for name in PASSED_ON if given.get(name)}
    fields["payment_method_types"] = given.get("payment_method_types") or ["card"]
    intent = payments.new_intent(
        core,
        amount=given["amount"],
        currency=given["currency"],
        customer=customer,
        key=customer or "",
        setup_future_usage=given.get("setup_future_usage"),
        **fields,
    )
    if given.get("payment_method"):
        method = resolve(core, given["payment_method"], key=customer or "")
        core.change(intent, payment_method=method["id"], status="requires_confirmation")
    if given.get("confirm"):
        confirm(core, intent, off_session=given.get("off_session", False))
    return intent


def confirm(core: Core, intent: Thing, *, off_session: bool) -> None:
    """Charge the intent's method now.

    Raises:
        ApiError: 402 with the decline; 400 when the intent cannot be confirmed.
    """
    if intent["status"] not in CONFIRMABLE:
        raise refused(
            f"This PaymentIntent's payment could not be confirmed: it is {intent['status']}.",
            code="payment_intent_unexpected_state",
        )
    if intent["payment_method"] is None:
        raise refused("You cannot confirm this PaymentIntent because it has no payment method.")
    method = resolve(core, intent["payment_method"])
    invoice = core.get(intent[HIDDEN].get("invoice") or "")
    if invoice is None:
        outcome = payments.confirm(core, intent, method, off_session=off_session)
    else:
        outcome = collection.charge(core, invoice, method, off_session=off_session, automatic=False)
    if outcome == "failed" or (outcome == "requires_action" and off_session):
        raise card_refused(error_of(intent))


def error_of(intent: Thing) -> Thing:
    """The last error of an intent with the intent beside it."""
    shown = {name: value for name, value in intent.items() if name != HIDDEN}
    return {**(intent["last_payment_error"] or {}), "payment_intent": shown}


def _confirm(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    intent = core.find("payment_intent", ids[0])
    if given.get("payment_method"):
        method = resolve(core, given["payment_method"], key=intent["customer"] or "")
        core.change(intent, payment_method=method["id"])
    confirm(core, intent, off_session=given.get("off_session", False))
    return intent


def _capture(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    intent = core.find("payment_intent", ids[0])
    if intent["status"] != "requires_capture":
        raise refused("This PaymentIntent could not be captured.")
    amount = given.get("amount_to_capture", intent["amount_capturable"])
    charge = core.find("charge", intent["latest_charge"])
    core.change(charge, captured=True, amount_captured=amount)
    core.change(intent, status="succeeded", amount_received=amount, amount_capturable=0)
    core.emit("charge.captured", charge)
    core.emit("payment_intent.succeeded", intent)
    return intent


def _cancel(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    intent = core.find("payment_intent", ids[0])
    if intent["status"] in ("succeeded", "canceled"):
        raise refused(f"You cannot cancel this PaymentIntent: it is {intent['status']}.")
    payments.cancel(core, intent, given.get("cancellation_reason"))
    return intent


def _get(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return core.find("payment_intent", ids[0])


def _update(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    intent = core.find("payment_intent", ids[0])
    fields: Thing = {n: given[n] for n in ("description", "payment_method", "amount") if n in given}
    if "metadata" in given:
        fields["metadata"] = merged_labels(intent["metadata"], given["metadata"])
    core.change(intent, **fields)
    return intent


def _list(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    found = list(core.all("payment_intent", given.get("customer")))
    return page(core, found, given, "/v1/payment_intents")


def new_setup(core: Core, customer: str | None, given: Thing) -> Thing:
    """A setup intent that waits for a method."""
    ident = core.new_id("seti", customer or "")
    made = core.add(
        {
            "id": ident,
            "object": "setup_intent",
            "application": None,
            "automatic_payment_methods": given.get("automatic_payment_methods"),
            "cancellation_reason": None,
            "client_secret": f"{ident}_secret_{core.new_id('cs', ident)[3:15]}",
            "created": core.now,
            "customer": customer,
            "customer_account": None,
            "description": given.get("description"),
            "flow_directions": None,
            "last_setup_error": None,
            "latest_attempt": None,
            "mandate": None,
            "metadata": given.get("metadata") or {},
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": None,
            "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
            "payment_method_types": given.get("payment_method_types") or ["card"],
            "single_use_mandate": None,
            "status": "requires_payment_method",
            "usage": given.get("usage", "off_session"),
        }
    )
    core.emit("setup_intent.created", made)
    return made


def _create_setup(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    customer = given.get("customer")
    if customer:
        living(core, customer)
    setup = new_setup(core, customer, given)
    if given.get("payment_method"):
        method = resolve(core, given["payment_method"], key=customer or "")
        core.change(setup, payment_method=method["id"], status="requires_confirmation")
    if given.get("confirm"):
        confirm_setup(core, setup)
    return setup


def confirm_setup(core: Core, setup: Thing, *, authenticated: bool = False) -> None:
    """Check the method with its bank and attach it to the customer.

    Raises:
        ApiError: 402, the bank refuses the card already now; 400, the customer was deleted.
    """
    owner = living(core, setup["customer"]) if setup["customer"] else None
    method = resolve(core, setup["payment_method"] or "")
    behaviour = method[HIDDEN].get("behaviour", {})
    if behaviour.get("on_setup"):
        raise _setup_refused(core, setup, method, behaviour)
    if behaviour.get("kind") == "authenticate" and not authenticated:
        action = {"url": f"{core.base_url}/authenticate/{setup['id']}", "return_url": None}
        core.change(
            setup,
            status="requires_action",
            next_action={"type": "redirect_to_url", "redirect_to_url": action},
        )
        core.emit("setup_intent.requires_action", setup)
        return
    if behaviour.get("kind") == "authenticate":
        core.hide(method, behaviour={**behaviour, "authenticated": True})
    core.change(setup, status="succeeded", next_action=None, last_setup_error=None)
    if owner is not None and method["customer"] is None:
        attach(core, method, owner)
    core.emit("setup_intent.succeeded", setup)


def _setup_refused(core: Core, setup: Thing, method: Thing, behaviour: Thing) -> ApiError:
    says = declined(behaviour, method["card"]["brand"])
    detail = payments.error_detail(method, says)
    core.change(setup, status="requires_payment_method", last_setup_error=detail)
    core.emit("setup_intent.setup_failed", setup)
    shown = {name: value for name, value in setup.items() if name != HIDDEN}
    return card_refused({**detail, "setup_intent": shown})


def _confirm_setup(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    setup = core.find("setup_intent", ids[0])
    if given.get("payment_method"):
        method = resolve(core, given["payment_method"], key=setup["customer"] or "")
        core.change(setup, payment_method=method["id"])
    confirm_setup(core, setup)
    return setup


def _cancel_setup(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    setup = core.find("setup_intent", ids[0])
    core.change(setup, status="canceled", cancellation_reason=given.get("cancellation_reason"))
    core.emit("setup_intent.canceled", setup)
    return setup


def _get_setup(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return core.find("setup_intent", ids[0])


CONFIRM = {
    "payment_method": text,
    "off_session": flag,
    "return_url": text,
    "mandate_data": anything,
    "payment_method_options": anything,
    "use_stripe_sdk": flag,
}
PAYMENT = {
    **CONFIRM,
    "amount": whole,
    "currency": currency,
    "customer": text,
    "confirm": flag,
    "capture_method": choice("automatic", "automatic_async", "manual"),
    "confirmation_method": choice("automatic", "manual"),
    "description": text,
    "metadata": clearable(labels),
    "payment_method_types": many(text),
    "payment_method_data": anything,
    "automatic_payment_methods": anything,
    "setup_future_usage": text,
    "shipping": anything,
    "receipt_email": text,
}
SETUP = {
    "automatic_payment_methods": anything,
    "confirm": flag,
    "customer": text,
    "description": text,
    "metadata": labels,
    "payment_method": text,
    "payment_method_types": many(text),
    "payment_method_options": anything,
    "mandate_data": anything,
    "return_url": text,
    "usage": choice("off_session", "on_session"),
}

ROUTES = (
    Route("GET", "/v1/payment_intents", _list, {**PAGING, "customer": text}),
    Route("POST", "/v1/payment_intents", _create, PAYMENT, needs=("amount", "currency")),
    Route("GET", "/v1/payment_intents/{id}", _get, {"client_secret": text}),
    Route("POST", "/v1/payment_intents/{id}", _update, PAYMENT),
    Route("POST", "/v1/payment_intents/{id}/confirm", _confirm, CONFIRM),
    Route("POST", "/v1/payment_intents/{id}/capture", _capture, {"amount_to_capture": whole}),
    Route("POST", "/v1/payment_intents/{id}/cancel", _cancel, {"cancellation_reason": text}),
    Route("POST", "/v1/setup_intents", _create_setup, SETUP),
    Route("GET", "/v1/setup_intents/{id}", _get_setup, {"client_secret": text}),
    Route("POST", "/v1/setup_intents/{id}/confirm", _confirm_setup, CONFIRM),
    Route("POST", "/v1/setup_intents/{id}/cancel", _cancel_setup, {"cancellation_reason": text}),
)
