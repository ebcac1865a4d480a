"""The invoice endpoints: invoices, invoice items, invoice payments."""

from app.providers.sandbox import changes, collection, lines
from app.providers.sandbox.calendar import DAY
from app.providers.sandbox.core import Core
from app.providers.sandbox.drafting import draft
from app.providers.sandbox.errors import Thing, refused
from app.providers.sandbox.params import (
    anything,
    choice,
    clearable,
    currency,
    flag,
    instant,
    labels,
    many,
    merged_labels,
    table,
    text,
    whole,
)
from app.providers.sandbox.payment_methods import resolve
from app.providers.sandbox.render import page
from app.providers.sandbox.routing import PAGING, Route
from app.providers.sandbox.standing import subscription_of

AN_HOUR = 3600
EDITABLE = ("description", "footer", "statement_descriptor", "default_payment_method")


def _create(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    customer = core.find("customer", given["customer"], "customer")
    subscription = None
    if given.get("subscription"):
        subscription = core.find("subscription", given["subscription"], "subscription")
    unit = given.get("currency") or customer["currency"] or _waiting_currency(core, customer["id"])
    items = []
    if given.get("pending_invoice_items_behavior") == "include" or subscription:
        items = lines.pending_items(core, customer["id"], unit)
    automatic = bool(given.get("auto_advance", False))
    fields = {name: given[name] for name in EDITABLE if name in given}
    if given.get("days_until_due") is not None:
        fields["due_date"] = core.now + given["days_until_due"] * DAY
    invoice = draft(
        core,
        customer,
        unit,
        reason="manual",
        subscription=subscription,
        items=items,
        auto_advance=automatic,
        collection_method=given.get("collection_method", "charge_automatically"),
        metadata=given.get("metadata") or {},
        **fields,
    )
    if automatic:
        core.schedule(invoice, finalize=core.now + AN_HOUR)
    return invoice


def _waiting_currency(core: Core, customer: str) -> str:
    waiting = [i for i in core.all("invoiceitem", customer) if i["invoice"] is None]
    return str(waiting[0]["currency"]) if waiting else "usd"


def _retrieve(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return core.find("invoice", ids[0])


def _list(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    found = [
        invoice
        for invoice in core.all("invoice", given.get("customer"))
        if given.get("status") in (None, invoice["status"])
        and given.get("collection_method") in (None, invoice["collection_method"])
        and _is_for(core, invoice, given.get("subscription"))
    ]
    return page(core, found, given, "/v1/invoices")


def _is_for(core: Core, invoice: Thing, subscription: str | None) -> bool:
    if subscription is None:
        return True
    found = subscription_of(core, invoice)
    return found is not None and found["id"] == subscription


def _update(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    invoice = core.find("invoice", ids[0])
    fields = {name: given[name] for name in EDITABLE if name in given}
    if fields and invoice["status"] not in ("draft", "open"):
        raise refused("This invoice can no longer be edited.", code="invoice_not_editable")
    if "metadata" in given:
        fields["metadata"] = merged_labels(invoice["metadata"], given["metadata"])
    if "auto_advance" in given:
        fields |= _advance(core, invoice, wanted=given["auto_advance"])
    former = core.change(invoice, **fields)
    if former:
        core.emit("invoice.updated", invoice, former)
    return invoice


def _advance(core: Core, invoice: Thing, *, wanted: bool) -> Thing:
    """Hand the collection to the provider or take it back; says what changes."""
    if invoice["status"] == "draft":
        core.schedule(invoice, finalize=core.now + AN_HOUR if wanted else None)
        return {"auto_advance": wanted}
    if not wanted:
        core.schedule(invoice, collect=None)
        return {"auto_advance": False, "next_payment_attempt": None}
    if invoice["status"] != "open" or invoice["auto_advance"]:
        return {"auto_advance": invoice["status"] == "open"}
    days = core.settings["retry_days"]
    count = invoice["attempt_count"]
    following = None
    if count == 0:
        following = core.now + AN_HOUR
    elif count <= len(days):
        following = core.now + days[count - 1] * DAY
    core.schedule(invoice, collect=following)
    return {"auto_advance": True, "next_payment_attempt": following}


def _finalize(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    invoice = core.find("invoice", ids[0])
    if invoice["status"] != "draft":
        raise refused(
            "This invoice is already finalized, you can't re-finalize it.",
            code="invoice_not_editable",
        )
    if "auto_advance" in given:
        core.change(invoice, auto_advance=given["auto_advance"])
    collection.finalize(core, invoice)
    if invoice["status"] == "open" and invoice["auto_advance"] and _charges(invoice):
        core.schedule(invoice, collect=core.now + AN_HOUR)
        core.change(invoice, next_payment_attempt=core.now + AN_HOUR)
    return invoice


def _charges(invoice: Thing) -> bool:
    return bool(invoice["collection_method"] == "charge_automatically")


def _pay(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    invoice = core.find("invoice", ids[0])
    if invoice["status"] == "draft":
        collection.finalize(core, invoice)
    elif invoice["status"] == "paid":
        raise refused("Invoice is already paid")
    elif invoice["status"] == "void":
        raise refused("You can only pay an open invoice.", code="invoice_not_payable")
    if invoice["status"] == "paid":
        return invoice
    if given.get("paid_out_of_band"):
        collection.mark_paid(core, invoice, out_of_band=True)
        return invoice
    method = None
    if given.get("payment_method") or given.get("source"):
        reference = given.get("payment_method") or given["source"]
        method = resolve(core, reference, key=invoice["customer"])
    collection.pay(core, invoice, method, off_session=given.get("off_session", True))
    return invoice


def _attach(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    invoice = core.find("invoice", ids[0])
    if invoice["status"] not in ("open", "uncollectible"):
        raise refused("You can only attach payments to an open invoice.")
    intent = core.find("payment_intent", given["payment_intent"], "payment_intent")
    if intent["status"] != "succeeded" or intent["customer"] != invoice["customer"]:
        raise refused("Only a succeeded payment of the same customer can be attached.")
    collection.pay_part(core, invoice, intent)
    return invoice


def _void(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    invoice = core.find("invoice", ids[0])
    if invoice["status"] not in ("open", "uncollectible"):
        raise refused("You can only void an open or uncollectible invoice.")
    collection.void(core, invoice)
    changes.forget_pending(core, invoice)
    return invoice


def _write_off(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    invoice = core.find("invoice", ids[0])
    if invoice["status"] != "open":
        raise refused("You can only mark an open invoice as uncollectible.")
    collection.write_off(core, invoice, "user_forgiven")
    return invoice


def _send(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    invoice = core.find("invoice", ids[0])
    if invoice["status"] == "draft":
        collection.finalize(core, invoice)
    core.emit("invoice.sent", invoice)
    return invoice


def _delete(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    invoice = core.find("invoice", ids[0])
    if invoice["status"] != "draft":
        raise refused("You can only delete draft invoices.", code="invoice_not_editable")
    core.emit("invoice.deleted", invoice)
    core.records.remove(invoice)
    return {"id": invoice["id"], "object": "invoice", "deleted": True}


def _lines(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    found = core.find("invoice", ids[0])["lines"]
    return {**found, "data": found["data"][: given.get("limit", 10)]}


def _create_item(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    customer = core.find("customer", given["customer"], "customer")
    price_id = (given.get("pricing") or {}).get("price")
    quantity = given.get("quantity", 1)
    amount, unit = given.get("amount"), given.get("currency", "usd")
    if price_id:
        price = core.find("price", price_id, "pricing[price]")
        amount, unit = price["unit_amount"] * quantity, price["currency"]
    if amount is None:
        amount = given.get("unit_amount", 0) * quantity
    fields = {n: given[n] for n in ("description", "metadata", "period") if given.get(n)}
    item = lines.invoice_item(core, customer["id"], amount, unit, quantity=quantity, **fields)
    if given.get("invoice"):
        invoice = core.find("invoice", given["invoice"], "invoice")
        taken = lines.take_items(core, [item], invoice["id"])
        lines.total_up(core, invoice, [*invoice["lines"]["data"], *taken])
    return item


def _delete_item(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    item = core.find("invoiceitem", ids[0])
    if item["invoice"] is not None:
        raise refused("This invoice item is part of an invoice and cannot be deleted.")
    core.emit("invoiceitem.deleted", item)
    core.records.remove(item)
    return {"id": item["id"], "object": "invoiceitem", "deleted": True}


def _list_items(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    found = [
        item
        for item in core.all("invoiceitem", given.get("customer"))
        if not given.get("pending") or item["invoice"] is None
    ]
    return page(core, found, given, "/v1/invoiceitems")


def _list_payments(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    intent_id = (given.get("payment") or {}).get("payment_intent")
    found = [
        payment
        for payment in core.all("invoice_payment")
        if given.get("invoice") in (None, payment["invoice"])
        and given.get("status") in (None, payment["status"])
        and intent_id in (None, payment["payment"]["payment_intent"])
    ]
    return page(core, found, given, "/v1/invoice_payments")


def _payment(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return core.find("invoice_payment", ids[0])


COMMON = {
    "description": clearable(text),
    "footer": clearable(text),
    "statement_descriptor": clearable(text),
    "default_payment_method": clearable(text),
    "metadata": clearable(labels),
    "auto_advance": flag,
    "collection_method": choice("charge_automatically", "send_invoice"),
    "days_until_due": whole,
    "due_date": instant,
    "payment_settings": anything,
    "rendering": anything,
    "custom_fields": anything,
    "automatic_tax": anything,
}

ROUTES = (
    Route(
        "GET",
        "/v1/invoices",
        _list,
        {**PAGING, "customer": text, "status": text, "subscription": text}
        | {"collection_method": text, "due_date": anything},
    ),
    Route(
        "POST",
        "/v1/invoices",
        _create,
        {**COMMON, "customer": text, "subscription": text, "currency": currency}
        | {"pending_invoice_items_behavior": choice("include", "exclude")},
        needs=("customer",),
    ),
    Route("GET", "/v1/invoices/{id}", _retrieve),
    Route("POST", "/v1/invoices/{id}", _update, COMMON),
    Route("DELETE", "/v1/invoices/{id}", _delete),
    Route("GET", "/v1/invoices/{id}/lines", _lines, PAGING),
    Route("POST", "/v1/invoices/{id}/finalize", _finalize, {"auto_advance": flag}),
    Route(
        "POST",
        "/v1/invoices/{id}/pay",
        _pay,
        {"payment_method": text, "source": text, "off_session": flag, "paid_out_of_band": flag}
        | {"forgive": flag, "mandate": clearable(text)},
    ),
    Route(
        "POST",
        "/v1/invoices/{id}/attach_payment",
        _attach,
        {"payment_intent": text},
        needs=("payment_intent",),
    ),
    Route("POST", "/v1/invoices/{id}/void", _void),
    Route("POST", "/v1/invoices/{id}/mark_uncollectible", _write_off),
    Route("POST", "/v1/invoices/{id}/send", _send),
    Route("GET", "/v1/invoiceitems", _list_items, {**PAGING, "customer": text, "pending": flag}),
    Route(
        "POST",
        "/v1/invoiceitems",
        _create_item,
        {"customer": text, "amount": whole, "currency": currency, "description": text}
        | {"invoice": text, "subscription": text, "quantity": whole, "metadata": labels}
        | {
            "pricing": table(price=text),
            "unit_amount": whole,
            "period": table(start=whole, end=whole),
        }
        | {"discountable": flag, "discounts": many(anything)},
        needs=("customer",),
    ),
    Route("DELETE", "/v1/invoiceitems/{id}", _delete_item),
    Route(
        "GET",
        "/v1/invoice_payments",
        _list_payments,
        {**PAGING, "invoice": text, "status": text}
        | {"payment": table(type=text, payment_intent=text)},
    ),
    Route("GET", "/v1/invoice_payments/{id}", _payment),
)
