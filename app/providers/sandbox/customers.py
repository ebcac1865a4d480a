"""Customers, their balance and their legacy cards."""

from app.providers.sandbox import draws, standing
from app.providers.sandbox.cards import named
from app.providers.sandbox.core import Core
from app.providers.sandbox.discounts import redeem
from app.providers.sandbox.drafting import record_balance
from app.providers.sandbox.errors import Thing, no_such
from app.providers.sandbox.params import (
    anything,
    clearable,
    currency,
    labels,
    many,
    merged_labels,
    table,
    text,
    whole,
)
from app.providers.sandbox.payment_methods import attach, card_details, resolve
from app.providers.sandbox.render import page
from app.providers.sandbox.routing import PAGING, Route

PLAIN = ("address", "description", "email", "name", "phone", "shipping", "tax_exempt")
NO_SETTINGS = {
    "custom_fields": None,
    "default_payment_method": None,
    "footer": None,
    "rendering_options": None,
}


def _create(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    ident = core.new_id("cus", given.get("email") or "")
    fields = {name: given.get(name) for name in PLAIN}
    customer = core.add(
        {
            **fields,
            "id": ident,
            "object": "customer",
            "balance": given.get("balance", 0),
            "created": core.now,
            "currency": None,
            "customer_account": None,
            "default_source": None,
            "delinquent": False,
            "discount": None,
            "invoice_prefix": draws.digest(core.seed, ident, "prefix")[:8].upper(),
            "invoice_settings": NO_SETTINGS,
            "metadata": given.get("metadata") or {},
            "next_invoice_sequence": 1,
            "preferred_locales": given.get("preferred_locales") or [],
            "tax_exempt": given.get("tax_exempt") or "none",
            "test_clock": given.get("test_clock"),
        }
    )
    core.emit("customer.created", customer)
    _first_methods(core, customer, given)
    if given.get("coupon"):
        _set_discount(core, customer, given["coupon"])
    return customer


def _first_methods(core: Core, customer: Thing, given: Thing) -> None:
    settings = given.get("invoice_settings") or {}
    if given.get("payment_method"):
        method = resolve(core, given["payment_method"], key=customer["id"])
        attach(core, method, customer)
        if settings.get("default_payment_method") == given["payment_method"]:
            settings = {**settings, "default_payment_method": method["id"]}
    if given.get("source"):
        _add_source(core, customer, given["source"])
    if settings:
        core.change(customer, invoice_settings=_settings(core, customer, settings))


def _settings(core: Core, customer: Thing, wishes: Thing) -> Thing:
    settings: Thing = {**customer["invoice_settings"], **wishes}
    wanted = settings["default_payment_method"]
    if wanted:
        method = core.get(wanted)
        if method is None or method.get("customer") != customer["id"]:
            raise no_such("PaymentMethod", wanted, "invoice_settings[default_payment_method]")
    return settings


def _retrieve(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return core.find("customer", ids[0])


def _list(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    found = [c for c in core.all("customer") if given.get("email") in (None, c.get("email"))]
    return page(core, [c for c in found if not c.get("deleted")], given, "/v1/customers")


def _update(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    customer = core.find("customer", ids[0])
    fields = {
        name: given[name] for name in (*PLAIN, "balance", "preferred_locales") if name in given
    }
    if "metadata" in given:
        fields["metadata"] = merged_labels(customer["metadata"], given["metadata"])
    if "invoice_settings" in given:
        fields["invoice_settings"] = _settings(core, customer, given["invoice_settings"])
    if "default_source" in given:
        fields["default_source"] = given["default_source"]
    if given.get("source"):
        _add_source(core, customer, given["source"])
    if "coupon" in given:
        _set_discount(core, customer, given["coupon"])
    former = core.change(customer, **fields)
    if former:
        core.emit("customer.updated", customer, former)
    return customer


def _set_discount(core: Core, customer: Thing, coupon: str | None) -> None:
    old = customer["discount"]
    if coupon is None:
        if old:
            core.change(customer, discount=None)
            core.emit("customer.discount.deleted", core.find("discount", old["id"]))
        return
    made = redeem(core, {"coupon": coupon}, customer=customer["id"], subscription=None)
    discount = core.find("discount", made)
    core.change(customer, discount={n: v for n, v in discount.items() if n != "sandbox"})
    core.emit(f"customer.discount.{'updated' if old else 'created'}", discount)


def _delete(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    customer = core.find("customer", ids[0])
    for subscription in core.all("subscription", customer["id"]):
        if subscription["status"] not in standing.ENDED:
            standing.end(core, subscription, reason="cancellation_requested")
    core.emit("customer.deleted", customer)
    core.change(customer, deleted=True)
    return {"id": customer["id"], "object": "customer", "deleted": True}


def _credit(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    customer = core.find("customer", ids[0])
    former = core.change(
        customer,
        balance=customer["balance"] + given["amount"],
        currency=customer["currency"] or given["currency"],
    )
    made = record_balance(core, customer, given["amount"], given["currency"], "adjustment", None)
    core.change(made, description=given.get("description"), metadata=given.get("metadata") or {})
    core.emit("customer.updated", customer, former)
    return made


def _balance(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    found = list(core.all("customer_balance_transaction", core.find("customer", ids[0])["id"]))
    return page(core, found, given, f"/v1/customers/{ids[0]}/balance_transactions")


def _add_source(core: Core, customer: Thing, token: str) -> Thing:
    card = named(token)
    if card is None:
        raise no_such("token", token, "source")
    details = card_details(core, card)
    kept = ("country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    source = core.add(
        {
            "id": core.new_id("card", customer["id"]),
            "object": "card",
            **{name: details[name] for name in kept},
            "brand": details["brand"].capitalize(),
            "cvc_check": "pass",
            "created": core.now,
            "customer": customer["id"],
            "metadata": {},
            "name": None,
        },
        behaviour=card.behaviour,
    )
    if customer["default_source"] is None:
        core.change(customer, default_source=source["id"])
    core.emit("customer.source.created", source)
    return source


def _create_source(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return _add_source(core, core.find("customer", ids[0]), given["source"])


def _update_source(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    source = core.find("card", ids[1])
    fields: Thing = {n: given[n] for n in ("exp_month", "exp_year", "name") if n in given}
    if "metadata" in given:
        fields["metadata"] = merged_labels(source["metadata"], given["metadata"])
    former = core.change(source, **fields)
    core.emit("customer.source.updated", source, former)
    return source


FIELDS = {
    "address": clearable(anything),
    "balance": whole,
    "coupon": clearable(text),
    "description": clearable(text),
    "email": clearable(text),
    "invoice_settings": table(
        default_payment_method=clearable(text),
        custom_fields=anything,
        footer=clearable(text),
        rendering_options=anything,
    ),
    "metadata": clearable(labels),
    "name": clearable(text),
    "phone": clearable(text),
    "preferred_locales": many(text),
    "shipping": clearable(anything),
    "source": text,
    "tax_exempt": clearable(text),
}

ROUTES = (
    Route("GET", "/v1/customers", _list, {**PAGING, "email": text}),
    Route(
        "POST",
        "/v1/customers",
        _create,
        {**FIELDS, "payment_method": text, "test_clock": text},
    ),
    Route("GET", "/v1/customers/{id}", _retrieve),
    Route("POST", "/v1/customers/{id}", _update, {**FIELDS, "default_source": text}),
    Route("DELETE", "/v1/customers/{id}", _delete),
    Route("GET", "/v1/customers/{id}/balance_transactions", _balance, PAGING),
    Route(
        "POST",
        "/v1/customers/{id}/balance_transactions",
        _credit,
        {"amount": whole, "currency": currency, "description": text, "metadata": labels},
        needs=("amount", "currency"),
    ),
    Route(
        "POST", "/v1/customers/{id}/sources", _create_source, {"source": text}, needs=("source",)
    ),
    Route(
        "POST",
        "/v1/customers/{id}/sources/{source}",
        _update_source,
        {"exp_month": whole, "exp_year": whole, "name": text, "metadata": labels},
    ),
)
