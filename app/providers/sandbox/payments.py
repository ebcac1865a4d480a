"""Money moving: payment intents, and the charges made under them.

A payment intent is confirmed with a method; the card's behaviour decides. What an outcome means
for an invoice is decided where invoices are collected, not here.
"""

from typing import Any, Literal

from app.providers.sandbox import blanks
from app.providers.sandbox.cards import OTHER, REFUSALS, Occasion, Verdict, verdict
from app.providers.sandbox.core import Core
from app.providers.sandbox.errors import Thing
from app.providers.sandbox.records import HIDDEN

Outcome = Literal["succeeded", "failed", "requires_action", "processing", "requires_capture"]


def new_intent(
    core: Core,
    *,
    amount: int,
    currency: str,
    customer: str | None,
    key: str = "",
    invoice: str | None = None,
    **fields: Any,
) -> Thing:
    """A payment intent that waits for a method. `key` counts its id, such as its invoice's."""
    ident = core.new_id("pi", key)
    intent = core.add(
        {
            **blanks.INTENT,
            "id": ident,
            "amount": amount,
            "client_secret": f"{ident}_secret_{core.new_id('cs', ident)[3:15]}",
            "created": core.now,
            "currency": currency,
            "customer": customer,
            "payment_details": {"customer_reference": None, "order_reference": invoice},
            **fields,
        },
        invoice=invoice,
        charges=[],
    )
    core.emit("payment_intent.created", intent)
    return intent


def ask_for(core: Core, intent: Thing | None, amount: int) -> None:
    """Another amount is to be paid; what is paid already, or given up, stays."""
    if intent is not None and amount and intent["status"] not in ("succeeded", "canceled"):
        core.change(intent, amount=amount)


def ask_bank(core: Core, method: Thing, *, off_session: bool) -> Verdict:
    """What the bank says to one try with this method. Each asking is a try of its own."""
    tries = core.tally("tries", method["id"])
    occasion = Occasion(
        now=core.now,
        off_session=off_session,
        tries=tries,
        luck=core.chance(method["id"], "charge", tries),
    )
    return verdict(method[HIDDEN].get("behaviour", {}), occasion, _brand(method))


def _brand(method: Thing) -> str | None:
    card = method if method["object"] == "card" else method.get("card")
    return None if card is None else str(card["brand"]).lower()


def confirm(
    core: Core, intent: Thing, method: Thing, *, off_session: bool, authenticated: bool = False
) -> Outcome:
    """Try to charge the intent's amount to the method.

    Emits charge.* and payment_intent.* events, the charge's first. `authenticated` means that
    the customer has just passed 3-D Secure.
    """
    says = ask_bank(core, method, off_session=off_session)
    if says.kind == "action" and authenticated:
        says = Verdict("approved")
    if says.kind == "approved":
        return _succeed(core, intent, method)
    if says.kind == "processing":
        return _process(core, intent, method, says)
    if says.kind == "action" and not off_session:
        return _ask_customer(core, intent, method)
    _fail(core, intent, method, says)
    return "requires_action" if says.kind == "action" else "failed"


def _succeed(core: Core, intent: Thing, method: Thing) -> Outcome:
    held = intent["capture_method"] == "manual"
    charge = _new_charge(core, intent, method, status="succeeded", captured=not held)
    fields: Thing = {"status": "requires_capture", "amount_capturable": intent["amount"]}
    if not held:
        fields = {"status": "succeeded", "amount_received": intent["amount"]}
    core.change(intent, next_action=None, last_payment_error=None, processing=None, **fields)
    core.emit("charge.succeeded", charge)
    core.emit(
        "payment_intent.amount_capturable_updated" if held else "payment_intent.succeeded", intent
    )
    for follow in core.when_charged:
        follow(core, charge)
    return "requires_capture" if held else "succeeded"


def _process(core: Core, intent: Thing, method: Thing, says: Verdict) -> Outcome:
    charge = _new_charge(core, intent, method, status="pending", captured=True)
    core.change(intent, status="processing", processing={"type": method["type"]})
    core.hide(intent, returns=says.code)
    core.schedule(intent, settle=core.now + says.settles_after)
    core.emit("charge.pending", charge)
    core.emit("payment_intent.processing", intent)
    return "processing"


def _ask_customer(core: Core, intent: Thing, method: Thing) -> Outcome:
    core.change(
        intent,
        status="requires_action",
        payment_method=method["id"],
        next_action={
            "type": "redirect_to_url",
            "redirect_to_url": {
                "url": f"{core.base_url}/authenticate/{intent['id']}",
                "return_url": None,
            },
        },
    )
    core.emit("payment_intent.requires_action", intent)
    return "requires_action"


def _fail(core: Core, intent: Thing, method: Thing, says: Verdict) -> None:
    charge = _new_charge(core, intent, method, status="failed", captured=False)
    row = REFUSALS.get(says.code or "", OTHER)
    core.change(
        charge,
        failure_code=row.code,
        failure_message=row.message,
        outcome=_refused_outcome(says),
    )
    error = error_detail(method, says, charge["id"])
    core.change(intent, status="requires_payment_method", last_payment_error=error)
    core.emit("charge.failed", charge)
    core.emit("payment_intent.payment_failed", intent)


def _refused_outcome(says: Verdict) -> Thing:
    reason = "highest_risk_level" if says.blocked else says.code
    return {
        "advice_code": says.advice,
        "network_advice_code": says.merchant_advice,
        "network_decline_code": says.network,
        "network_status": "not_sent_to_network" if says.blocked else "declined_by_network",
        "reason": reason,
        "risk_level": "highest" if says.blocked else "normal",
        "seller_message": f"The bank returned the decline code `{reason}`.",
        "type": "blocked" if says.blocked else "issuer_declined",
    }


def error_detail(method: Thing, says: Verdict, charge: str | None = None) -> Thing:
    """The error of a decline, as the intent keeps it and an answer shows it."""
    row = REFUSALS.get(says.code or "", OTHER)
    detail = {
        "advice_code": says.advice,
        "charge": charge,
        "code": row.code,
        "decline_code": says.code,
        "message": row.message,
        "network_advice_code": says.merchant_advice,
        "network_decline_code": says.network,
        "type": "card_error",
    }
    shown = {name: value for name, value in method.items() if name != HIDDEN}
    return {**{n: v for n, v in detail.items() if v is not None}, "payment_method": shown}


def _new_charge(core: Core, intent: Thing, method: Thing, *, status: str, captured: bool) -> Thing:
    good = status == "succeeded"
    charge = core.add(
        {
            **blanks.CHARGE,
            "id": core.new_id("ch", intent["id"]),
            "amount": intent["amount"],
            "amount_captured": intent["amount"] if good and captured else 0,
            "billing_details": method.get("billing_details") or {},
            "captured": captured,
            "created": core.now,
            "currency": intent["currency"],
            "customer": intent["customer"],
            "description": intent["description"],
            "metadata": intent["metadata"],
            "outcome": _good_outcome(status),
            "paid": good,
            "payment_intent": intent["id"],
            "payment_method": method["id"],
            "payment_method_details": _details(method),
            "shipping": intent["shipping"],
            "status": status,
        }
    )
    core.change(intent, latest_charge=charge["id"], payment_method=method["id"])
    core.hide(intent, charges=[*intent[HIDDEN]["charges"], charge["id"]])
    return charge


def _good_outcome(status: str) -> Thing:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": "normal",
        "seller_message": "Payment complete." if status == "succeeded" else "Payment pending.",
        "type": "authorized",
    }


CHARGED_CARD = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding")


def _details(method: Thing) -> Thing:
    if method["object"] == "payment_method" and method["type"] != "card":
        return {method["type"]: method[method["type"]], "type": method["type"]}
    card = method if method["object"] == "card" else method["card"]
    shown = {name: card.get(name) for name in (*CHARGED_CARD, "last4")}
    brand = str(card["brand"]).lower()
    more = {"network": brand, "three_d_secure": None, "wallet": None, "installments": None}
    return {"card": {**shown, "brand": brand, **more}, "type": "card"}


def settle(core: Core, intent: Thing) -> Outcome:
    """A debit comes through or comes back, days after it was made."""
    charge = core.find("charge", intent["latest_charge"])
    code = intent[HIDDEN].get("returns")
    core.schedule(intent, settle=None)
    if code is None:
        core.change(charge, status="succeeded", paid=True, amount_captured=charge["amount"])
        core.change(charge, outcome=_good_outcome("succeeded"))
        core.change(intent, status="succeeded", amount_received=intent["amount"], processing=None)
        core.emit("charge.succeeded", charge)
        core.emit("payment_intent.succeeded", intent)
        return "succeeded"
    return _returned(core, intent, charge, code)


def _returned(core: Core, intent: Thing, charge: Thing, code: str) -> Outcome:
    says = Verdict("declined", code, network="AM04")
    row = REFUSALS.get(code, OTHER)
    method = core.find("payment_method", charge["payment_method"])
    core.change(
        charge,
        status="failed",
        captured=False,
        failure_code=row.code,
        failure_message=row.message,
        outcome=_refused_outcome(says),
    )
    error = error_detail(method, says, charge["id"])
    core.change(intent, status="requires_payment_method", last_payment_error=error, processing=None)
    core.emit("charge.failed", charge)
    core.emit("payment_intent.payment_failed", intent)
    return "failed"


def cancel(core: Core, intent: Thing, reason: str | None) -> None:
    """Close an intent that will not be paid."""
    if intent["status"] in ("succeeded", "canceled"):
        return
    core.schedule(intent, settle=None)
    core.change(intent, status="canceled", canceled_at=core.now, cancellation_reason=reason)
    core.emit("payment_intent.canceled", intent)
