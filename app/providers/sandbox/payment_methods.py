"""Payment methods: made, attached, detached, changed; and the legacy cards of a customer."""

from typing import Any

from app.providers.sandbox import draws
from app.providers.sandbox.cards import BY_NUMBER, TestCard, named
from app.providers.sandbox.core import Core
from app.providers.sandbox.errors import ApiError, Thing, invalid, no_such, refused
from app.providers.sandbox.params import anything, clearable, labels, merged_labels, table, text
from app.providers.sandbox.params import whole as integer
from app.providers.sandbox.records import HIDDEN
from app.providers.sandbox.render import page
from app.providers.sandbox.routing import PAGING, Route

CARD_YEARS = 4
SECONDS_A_YEAR = 31_556_952
FAILING_IBAN_ENDS = {"2222": "generic_decline", "3202": "generic_decline"}
"""Endings of test accounts whose debit comes back."""


def card_details(core: Core, card: TestCard, **changes: Any) -> Thing:
    """The public details of a card; one number has one fingerprint."""
    print_key = changes.pop("fingerprint", None) or draws.digest(core.seed, card.number)[:16]
    year = 1970 + core.now // SECONDS_A_YEAR + CARD_YEARS
    return {
        "brand": card.brand,
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "pass",
        },
        "country": card.country,
        "display_brand": card.brand,
        "exp_month": 12,
        "exp_year": year,
        "fingerprint": print_key,
        "funding": card.funding,
        "generated_from": None,
        "last4": card.number[-4:],
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
        **changes,
    }


def make(core: Core, kind: str, details: Thing, behaviour: Thing, **fields: Any) -> Thing:
    """A payment method of nobody's yet. Its id is counted by whoever it is made for."""
    key = fields.pop("key", "")
    billing = {"address": None, "email": None, "name": None, "phone": None, "tax_id": None}
    return core.add(
        {
            "id": core.new_id("pm", key),
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": {**billing, **(fields.pop("billing_details", None) or {})},
            kind: details,
            "created": core.now,
            "customer": None,
            "customer_account": None,
            "metadata": fields.pop("metadata", None) or {},
            "type": kind,
        },
        behaviour=behaviour,
    )


def from_test_card(core: Core, reference: str, key: str = "", **fields: Any) -> Thing:
    """A new payment method of a named test card.

    Raises:
        ApiError: no such test card.
    """
    card = named(reference)
    if card is None:
        raise no_such("PaymentMethod", reference, "payment_method")
    return make(core, "card", card_details(core, card), card.behaviour, key=key, **fields)


def resolve(core: Core, reference: str, *, key: str = "", param: str = "payment_method") -> Thing:
    """The payment method of an id, or a new one of a test card's name."""
    if named(reference):
        return from_test_card(core, reference, key)
    found = core.get(reference)
    if found is None or found["object"] not in ("payment_method", "card"):
        raise no_such("PaymentMethod", reference, param)
    return found


def create(core: Core, given: Thing) -> Thing:
    """POST /v1/payment_methods: a card by number or token, or a direct debit."""
    common: Thing = {
        "billing_details": given.get("billing_details"),
        "metadata": given.get("metadata"),
    }
    if given["type"] == "sepa_debit":
        return _debit(core, given.get("sepa_debit") or {}, common)
    card = given.get("card") or {}
    if card.get("token"):
        return from_test_card(core, card["token"], **common)
    behind = BY_NUMBER.get(str(card.get("number", "")).replace(" ", ""))
    if behind is None:
        raise ApiError(
            402,
            {
                "type": "card_error",
                "code": "incorrect_number",
                "message": "Your card number is incorrect; only test cards work here.",
                "param": "number",
            },
        )
    expiry = {name: card[name] for name in ("exp_month", "exp_year") if name in card}
    details = card_details(core, behind, **expiry)
    return make(core, "card", details, behind.behaviour, **common)


def _debit(core: Core, given: Thing, common: Thing) -> Thing:
    iban = str(given.get("iban", "")).replace(" ", "")
    if not iban.startswith(("AT", "DE", "FR", "NL", "ES", "IT", "BE", "IE")):
        raise invalid("The IBAN you provided is invalid.", code="invalid_iban", param="sepa_debit")
    behaviour: Thing = {"kind": "debit", "days": 5}
    if iban[-4:] in FAILING_IBAN_ENDS:
        behaviour["code"] = FAILING_IBAN_ENDS[iban[-4:]]
    details = {
        "bank_code": iban[4:9],
        "branch_code": "",
        "country": iban[:2],
        "fingerprint": draws.digest(core.seed, iban)[:16],
        "generated_from": {"charge": None, "setup_attempt": None},
        "last4": iban[-4:],
    }
    return make(core, "sepa_debit", details, behaviour, **common)


def living(core: Core, ident: str) -> Thing:
    """A customer who may be given a method.

    Raises:
        ApiError: 400, there is none, or they were deleted.
    """
    customer = core.find("customer", ident, "customer")
    if customer.get("deleted"):
        raise no_such("customer", ident, "customer")
    return customer


def attach(core: Core, method: Thing, customer: Thing) -> Thing:
    """Make a method the customer's own. Attaching makes it nobody's default."""
    living(core, customer["id"])
    if method["customer"] == customer["id"]:
        return method
    if method["customer"] is not None or method[HIDDEN].get("detached"):
        raise refused(
            "The payment method you provided has already been attached to a customer.",
            code="payment_method_unexpected_state",
        )
    core.change(method, customer=customer["id"])
    core.emit("payment_method.attached", method)
    return method


def _create(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    owner = living(core, given["customer"]) if given.get("customer") else None
    method = create(core, given)
    return method if owner is None else attach(core, method, owner)


def _retrieve(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return core.find("payment_method", ids[0])


def _list(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    owner = ids[0] if ids else given.get("customer")
    if ids:
        core.find("customer", owner)
    found = [
        method
        for method in core.all("payment_method", owner)
        if method["customer"] and given.get("type") in (None, method["type"])
    ]
    return page(core, found, given, "/v1/payment_methods")


def _attach(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    customer = living(core, given["customer"])
    return attach(core, resolve(core, ids[0], key=customer["id"], param="id"), customer)


def _detach(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    method = core.find("payment_method", ids[0])
    owner = core.get(method["customer"] or "")
    if owner is None:
        raise refused("The payment method you provided is not attached to a customer.")
    former = core.change(method, customer=None)
    core.hide(method, detached=True)
    settings = owner["invoice_settings"]
    if settings["default_payment_method"] == method["id"]:
        core.change(owner, invoice_settings={**settings, "default_payment_method": None})
    core.emit("payment_method.detached", method, former)
    return method


def renew_card(core: Core, method: Thing, *, automatic: bool, **changes: Any) -> Thing:
    """Give a card new details. The account updater says `automatically_updated`."""
    former = core.change(method, card={**method["card"], **changes})
    kind = "payment_method.automatically_updated" if automatic else "payment_method.updated"
    core.emit(kind, method, former)
    return method


def _update(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    method = core.find("payment_method", ids[0])
    if method["customer"] is None:
        raise refused("You must save this PaymentMethod to a customer before you can update it.")
    fields: Thing = {}
    if "metadata" in given:
        fields["metadata"] = merged_labels(method["metadata"], given["metadata"])
    if given.get("billing_details"):
        fields["billing_details"] = {**method["billing_details"], **given["billing_details"]}
    if given.get("card") and "card" in method:
        fields["card"] = {**method["card"], **given["card"]}
    former = core.change(method, **fields)
    core.emit("payment_method.updated", method, former)
    return method


CARD = table(
    number=text, exp_month=integer, exp_year=integer, cvc=text, token=text, networks=anything
)

ROUTES = (
    Route("GET", "/v1/payment_methods", _list, {**PAGING, "customer": text, "type": text}),
    Route(
        "POST",
        "/v1/payment_methods",
        _create,
        {
            "type": text,
            "card": CARD,
            "sepa_debit": table(iban=text),
            "billing_details": anything,
            "metadata": labels,
            "customer": text,
            "allow_redisplay": text,
        },
        needs=("type",),
    ),
    Route("GET", "/v1/payment_methods/{id}", _retrieve),
    Route(
        "POST",
        "/v1/payment_methods/{id}",
        _update,
        {
            "card": table(exp_month=integer, exp_year=integer, networks=anything),
            "billing_details": anything,
            "metadata": clearable(labels),
            "allow_redisplay": text,
        },
    ),
    Route(
        "POST", "/v1/payment_methods/{id}/attach", _attach, {"customer": text}, needs=("customer",)
    ),
    Route("POST", "/v1/payment_methods/{id}/detach", _detach),
    Route("GET", "/v1/customers/{id}/payment_methods", _list, {**PAGING, "type": text}),
)
