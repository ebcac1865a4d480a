"""What customers, banks and the merchant's staff do by themselves, outside the API."""

from collections.abc import Callable
from typing import Any

from app.providers.sandbox import (
    collection,
    intents,
    payments,
    reversals,
    sessions,
    standing,
    webhooks,
)
from app.providers.sandbox.cards import TEST_CARDS
from app.providers.sandbox.core import Core
from app.providers.sandbox.errors import Thing, invalid, refused
from app.providers.sandbox.payment_methods import (
    attach,
    card_details,
    living,
    make,
    renew_card,
    resolve,
)
from app.providers.sandbox.records import HIDDEN

CARD_FIELDS = ("brand", "country", "exp_month", "exp_year", "funding", "last4")


def programmed_card(core: Core, given: Thing, *, customer: str = "") -> Thing:
    """A card with a behaviour of its own; its fingerprint is its own too, unless given."""
    n = core.tally("card", customer)
    details: dict[str, Any] = {name: given[name] for name in CARD_FIELDS if name in given}
    if "brand" in details:
        details["display_brand"] = details["brand"]
    details["fingerprint"] = given.get("fingerprint") or core.new_id("fp", customer, str(n))[3:19]
    base = TEST_CARDS[given.get("base", "visa")]
    behaviour = given.get("behaviour") or {"kind": "approve"}
    if behaviour.get("kind") == "debit":
        return _programmed_debit(core, behaviour, details["fingerprint"], customer)
    return make(core, "card", card_details(core, base, **details), behaviour, key=customer)


def _programmed_debit(core: Core, behaviour: Thing, fingerprint: str, customer: str) -> Thing:
    details = {
        "bank_code": "37040044",
        "branch_code": "",
        "country": "DE",
        "fingerprint": fingerprint,
        "generated_from": {"charge": None, "setup_attempt": None},
        "last4": "3000",
    }
    return make(core, "sepa_debit", details, behaviour, key=customer)


def card_of(core: Core, wanted: str | Thing | None, customer: str) -> Thing:
    """A card by test name or id, or programmed as described; the plain Visa card by default."""
    if isinstance(wanted, dict):
        return programmed_card(core, wanted, customer=customer)
    return resolve(core, wanted or "pm_card_visa", key=customer)


def _new_card(core: Core, customer: Thing, given: Thing) -> Thing:
    living(core, customer["id"])
    method = card_of(core, given.get("card"), customer["id"])
    if given.get("checkout_session"):
        session = core.find("checkout.session", given["checkout_session"])
        sessions.complete(core, session, method)
        return {"payment_method": method["id"], "redirect": sessions.landing(session)}
    attach(core, method, customer)
    if given.get("default", True):
        make_default(core, customer, method)
    return {"payment_method": method["id"]}


def make_default(core: Core, customer: Thing, method: Thing) -> None:
    """What the portal does with a new card: the customer's default, no subscription's."""
    settings = {**customer["invoice_settings"], "default_payment_method": method["id"]}
    former = core.change(customer, invoice_settings=settings)
    core.emit("customer.updated", customer, former)


def pay_hosted(core: Core, invoice: Thing, wanted: str | Thing | None) -> str:
    """The customer pays on the invoice's page, present and able to authenticate.

    Returns how the payment ended; a decline is an outcome here, not an error.
    """
    if invoice["status"] not in ("open", "uncollectible"):
        raise refused("This invoice can no longer be paid.")
    method = card_of(core, wanted, invoice["customer"])
    return collection.charge(
        core, invoice, method, off_session=False, automatic=False, authenticated=True
    )


def _pay_hosted(core: Core, customer: Thing, given: Thing) -> Thing:
    return {"outcome": pay_hosted(core, _invoice(core, customer, given), given.get("card"))}


def _pay_part(core: Core, customer: Thing, given: Thing) -> Thing:
    """The customer pays an amount of their choice, such as by transfer, and it is put to an
    invoice."""
    invoice = _invoice(core, customer, given)
    intent = payments.new_intent(
        core,
        amount=given["amount"],
        currency=str(given.get("currency") or invoice["currency"]),
        customer=customer["id"],
        key=f"{invoice['id']}:part",
        description="Part of an invoice",
    )
    method = card_of(core, given.get("card"), customer["id"])
    outcome = payments.confirm(core, intent, method, off_session=False, authenticated=True)
    if outcome == "succeeded":
        collection.pay_part(core, invoice, intent)
    return {"outcome": outcome, "payment_intent": intent["id"]}


def _invoice(core: Core, customer: Thing, given: Thing) -> Thing:
    if given.get("invoice"):
        return core.find("invoice", given["invoice"], "invoice")
    found = [i for i in core.all("invoice", customer["id"]) if i["status"] == "open"]
    if not found:
        raise refused("This customer has no open invoice.")
    return found[-1]


def authenticate(core: Core, intent: Thing) -> str:
    """The customer passes 3-D Secure for a payment or a set-up that waits for it."""
    if intent["object"] == "setup_intent":
        intents.confirm_setup(core, intent, authenticated=True)
        return str(intent["status"])
    method = core.get(intent["payment_method"] or "")
    if method is None:
        raise refused("This payment has no method to authenticate.")
    invoice = core.get(intent[HIDDEN].get("invoice") or "")
    if invoice is None:
        return payments.confirm(core, intent, method, off_session=False, authenticated=True)
    if invoice["status"] not in ("open", "uncollectible"):
        raise refused("This invoice can no longer be paid.")
    return collection.charge(
        core, invoice, method, off_session=False, automatic=False, authenticated=True
    )


def _authenticate(core: Core, customer: Thing, given: Thing) -> Thing:
    ident = given.get("setup_intent") or given.get("payment_intent")
    if ident is None:
        ident = _invoice(core, customer, given)[HIDDEN].get("intent")
    intent = core.get(ident or "")
    if intent is None:
        raise refused("There is nothing to authenticate.")
    return {"outcome": authenticate(core, intent)}


def _update_card(core: Core, customer: Thing, given: Thing) -> Thing:
    ident = given.get("payment_method") or customer["invoice_settings"]["default_payment_method"]
    method = core.find("payment_method", ident, "payment_method")
    core.hide(method, behaviour=given.get("behaviour") or {"kind": "approve"})
    changes = {name: given[name] for name in CARD_FIELDS if name in given}
    changes.setdefault("exp_year", method["card"]["exp_year"] + 3)
    renew_card(core, method, automatic=True, **changes)
    return {"payment_method": method["id"]}


def _cancel(core: Core, customer: Thing, given: Thing) -> Thing:
    subscription = core.find("subscription", given.get("subscription") or _only(core, customer))
    details = {n: given[n] for n in ("feedback", "comment") if given.get(n)}
    merged = {**subscription["cancellation_details"], **details}
    if not given.get("at_period_end"):
        core.change(subscription, cancellation_details=merged)
        standing.end(core, subscription, reason="cancellation_requested")
        return {"subscription": subscription["id"]}
    at = subscription["items"]["data"][0]["current_period_end"]
    core.schedule(subscription, cancel=at)
    standing.move(
        core,
        subscription,
        cancel_at=at,
        canceled_at=core.now,
        cancellation_details={**merged, "reason": "cancellation_requested"},
    )
    return {"subscription": subscription["id"]}


def _only(core: Core, customer: Thing) -> str:
    found = [
        s for s in core.all("subscription", customer["id"]) if s["status"] not in standing.ENDED
    ]
    if not found:
        raise refused("This customer has no running subscription.")
    return str(found[-1]["id"])


def _charge(core: Core, customer: Thing, given: Thing) -> Thing:
    if given.get("charge"):
        return core.find("charge", given["charge"], "charge")
    found = [c for c in core.all("charge", customer["id"]) if c["status"] == "succeeded"]
    if not found:
        raise refused("This customer has no successful charge.")
    return found[-1]


def _dispute(core: Core, customer: Thing, given: Thing) -> Thing:
    made = reversals.dispute(
        core,
        _charge(core, customer, given),
        reason=given.get("reason", "fraudulent"),
        inquiry=bool(given.get("inquiry")),
    )
    return {"dispute": made["id"]}


def _close_dispute(core: Core, customer: Thing, given: Thing) -> Thing:
    found = [
        d
        for d in core.all("dispute")
        if given.get("dispute") in (None, d["id"])
        and core.find("charge", d["charge"])["customer"] == customer["id"]
    ]
    if not found:
        raise refused("This customer has no such dispute.")
    reversals.close_dispute(core, found[-1], won=bool(given.get("won")))
    return {"dispute": found[-1]["id"]}


def _refund(core: Core, customer: Thing, given: Thing) -> Thing:
    made = reversals.refund(
        core, _charge(core, customer, given), given.get("amount"), reason=given.get("reason")
    )
    return {"refund": made["id"]}


def _fail_refund(core: Core, customer: Thing, given: Thing) -> Thing:
    made = reversals.fail_refund(core, core.find("refund", given["refund"], "refund"))
    return {"refund": made["id"]}


Act = Callable[[Core, Thing, Thing], Thing]

ACTS: dict[str, Act] = {
    "new_card": _new_card,
    "pay_hosted_invoice": _pay_hosted,
    "pay_part": _pay_part,
    "authenticate": _authenticate,
    "update_card_automatically": _update_card,
    "cancel_subscription": _cancel,
    "dispute": _dispute,
    "close_dispute": _close_dispute,
    "refund": _refund,
    "fail_refund": _fail_refund,
}


def act(core: Core, customer_id: str, given: Thing) -> Thing:
    """Let something happen to one customer.

    Raises:
        ApiError: no such act or customer, or it cannot be done now.
    """
    customer = core.find("customer", customer_id)
    do = ACTS.get(str(given.get("act")))
    if do is None:
        raise invalid(f"Unknown act; one of {', '.join(ACTS)}.", param="act")
    return do(core, customer, given)


def programme(core: Core, given: Thing) -> Thing:
    """Give a payment method a behaviour, or make a new card with one.

    A given method's count of tries begins anew.
    """
    if not given.get("payment_method"):
        return programmed_card(core, given)
    method = resolve(core, given["payment_method"], param="payment_method")
    core.hide(method, behaviour=given["behaviour"])
    core.records.forget_count(f"tries:{method['id']}")
    return method


def resend(core: Core, event_id: str, endpoint_id: str | None) -> int:
    """Send an event again to one endpoint or to all; returns to how many."""
    event = core.find("event", event_id)
    chosen = [
        endpoint
        for endpoint in core.all("webhook_endpoint")
        if endpoint_id in (None, endpoint["id"]) and endpoint["status"] == "enabled"
    ]
    for endpoint in chosen:
        webhooks.resend(core, event, endpoint)
    return len(chosen)
