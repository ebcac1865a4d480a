"""Credit notes: what the merchant takes off a finalised invoice, before or after it is paid."""

from app.providers.sandbox import collection, drafting, payments, reversals
from app.providers.sandbox.core import Core
from app.providers.sandbox.errors import Thing, missing_parameter, refused
from app.providers.sandbox.params import (
    anything,
    choice,
    clearable,
    labels,
    many,
    merged_labels,
    text,
    whole,
)
from app.providers.sandbox.records import HIDDEN
from app.providers.sandbox.render import listed, page
from app.providers.sandbox.routing import PAGING, Route

REASONS = ("duplicate", "fraudulent", "order_change", "product_unsatisfactory")
NOTHING = (
    "customer_account",
    "customer_balance_transaction",
    "shipping_cost",
    "subtotal_excluding_tax",
    "total_excluding_tax",
    "voided_at",
)


def draft_note(core: Core, given: Thing) -> Thing:
    """The note that these parameters would make. What is still owed on the invoice is taken off
    first; the rest was paid, and must be given back in the ways that are named.

    Raises:
        ApiError: the invoice is not finalised, or the amounts do not fit it.
    """
    invoice = core.find("invoice", given["invoice"], "invoice")
    if invoice["status"] not in ("open", "paid"):
        raise refused("Credit notes can only be created for open and paid invoices.")
    amount = given.get("amount", sum(line.get("amount", 0) for line in given.get("lines") or []))
    if amount <= 0:
        raise missing_parameter("amount")
    before = min(amount, invoice["amount_remaining"])
    after = amount - before
    ways = ("refund_amount", "credit_amount", "out_of_band_amount")
    if after > invoice["amount_paid"] - invoice["post_payment_credit_notes_amount"]:
        raise refused("The credit note's amount is more than the invoice's.", param="amount")
    if after != sum(given.get(way) or 0 for way in ways):
        raise refused(
            "The sum of credit amount, refund amount and out of band amount must equal the post "
            f"payment amount ({after}).",
            param="amount",
        )
    return _blank(core, invoice, given, amount, before)


def _blank(core: Core, invoice: Thing, given: Thing, amount: int, before: int) -> Thing:
    after = amount - before
    kinds = {(True, False): "pre_payment", (False, True): "post_payment"}
    return {
        **dict.fromkeys(NOTHING),
        "object": "credit_note",
        "amount": amount,
        "amount_shipping": 0,
        "created": core.now,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": given.get("effective_at", core.now),
        "invoice": invoice["id"],
        "memo": given.get("memo"),
        "metadata": given.get("metadata") or {},
        "out_of_band_amount": given.get("out_of_band_amount"),
        "post_payment_amount": after,
        "pre_payment_amount": before,
        "pretax_credit_amounts": [],
        "reason": given.get("reason"),
        "refunds": [],
        "status": "issued",
        "subtotal": amount,
        "total": amount,
        "total_taxes": [],
        "type": kinds.get((before > 0, after > 0), "mixed"),
    }


def _create(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return issue(core, given)


def issue(core: Core, given: Thing) -> Thing:
    """Make the note: the invoice is owed so much less, and one that is owed nothing is paid."""
    drafted = draft_note(core, given)
    invoice = core.find("invoice", drafted["invoice"])
    ident = core.new_id("cn", invoice["id"])
    number = f"{invoice['number']}-CN-{core.tally('credit_note', invoice['id']):02d}"
    note = core.add(
        {
            **drafted,
            "id": ident,
            "lines": listed([_line(core, ident, drafted)], f"/v1/credit_notes/{ident}/lines"),
            "number": number,
            "pdf": f"{core.base_url}/credit_notes/{ident}/pdf",
        }
    )
    _give_back(core, note, invoice, given)
    total = invoice["post_payment_credit_notes_amount"] + note["post_payment_amount"]
    core.change(invoice, post_payment_credit_notes_amount=total)
    core.emit("credit_note.created", note)
    _owe(core, invoice, -note["pre_payment_amount"])
    return note


def _line(core: Core, note: str, drafted: Thing) -> Thing:
    return {
        "id": core.new_id("cnli", note),
        "object": "credit_note_line_item",
        "amount": drafted["amount"],
        "description": drafted["memo"] or "Credit",
        "discount_amount": 0,
        "discount_amounts": [],
        "invoice_line_item": None,
        "livemode": False,
        "pretax_credit_amounts": [],
        "quantity": 1,
        "tax_rates": [],
        "taxes": [],
        "type": "custom_line_item",
        "unit_amount": drafted["amount"],
        "unit_amount_decimal": str(drafted["amount"]),
    }


def _give_back(core: Core, note: Thing, invoice: Thing, given: Thing) -> None:
    if given.get("refund_amount"):
        intent = core.find("payment_intent", invoice[HIDDEN]["intent"])
        charge = core.find("charge", intent["latest_charge"], "invoice")
        made = reversals.refund(core, charge, given["refund_amount"])
        told = {"amount_refunded": made["amount"], "refund": made["id"], "type": "refund"}
        core.change(note, refunds=[{**told, "payment_record_refund": None}])
    if given.get("credit_amount"):
        customer = core.find("customer", invoice["customer"])
        amount, unit = -given["credit_amount"], invoice["currency"]
        core.change(customer, balance=customer["balance"] + amount)
        line = drafting.record_balance(core, customer, amount, unit, "credit_note", invoice)
        core.change(line, credit_note=note["id"])
        core.change(note, customer_balance_transaction=line["id"])


def _owe(core: Core, invoice: Thing, minor: int) -> None:
    """So much more (or less) is owed on an invoice that is open; at nothing it is paid."""
    if not minor:
        return
    remaining = invoice["amount_remaining"] + minor
    former = core.change(
        invoice,
        amount_due=invoice["amount_due"] + minor,
        amount_remaining=remaining,
        pre_payment_credit_notes_amount=invoice["pre_payment_credit_notes_amount"] - minor,
    )
    payments.ask_for(core, core.get(invoice[HIDDEN].get("intent") or ""), remaining)
    if remaining:
        core.emit("invoice.updated", invoice, former)
    else:
        collection.mark_paid(core, invoice, nobody_paid=True)


def _void(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    note = core.find("credit_note", ids[0])
    invoice = core.find("invoice", note["invoice"])
    if note["status"] == "void":
        raise refused("This credit note is already void.")
    if invoice["status"] != "open":
        raise refused("Only credit notes of open invoices can be voided.")
    former = core.change(note, status="void", voided_at=core.now)
    core.emit("credit_note.voided", note, former)
    _owe(core, invoice, note["pre_payment_amount"])
    return note


def _update(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    note = core.find("credit_note", ids[0])
    fields: Thing = {"memo": given["memo"]} if "memo" in given else {}
    if "metadata" in given:
        fields["metadata"] = merged_labels(note["metadata"], given["metadata"])
    if former := core.change(note, **fields):
        core.emit("credit_note.updated", note, former)
    return note


def _preview(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    drafted = draft_note(core, given)
    ident = f"cn_preview_{drafted['invoice']}"
    shown = {**drafted, "id": ident, "number": "preview", "pdf": "", "livemode": False}
    return {**shown, "lines": listed([_line(core, ident, drafted)], "/v1/credit_notes/lines")}


def _retrieve(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return core.find("credit_note", ids[0])


def _list(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    found = [
        note
        for note in core.all("credit_note", given.get("customer"))
        if given.get("invoice") in (None, note["invoice"])
    ]
    return page(core, found, given, "/v1/credit_notes")


def _lines(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    found: Thing = core.find("credit_note", ids[0])["lines"]
    return found


WORDS = {"memo": clearable(text), "metadata": clearable(labels)}
NEW = {
    **WORDS,
    "invoice": text,
    "amount": whole,
    "credit_amount": whole,
    "refund_amount": whole,
    "out_of_band_amount": whole,
    "effective_at": whole,
    "email_type": choice("credit_note", "none"),
    "lines": many(anything),
    "reason": choice(*REASONS),
}

ROUTES = (
    Route("GET", "/v1/credit_notes", _list, {**PAGING, "customer": text, "invoice": text}),
    Route("POST", "/v1/credit_notes", _create, NEW, needs=("invoice",)),
    Route("GET", "/v1/credit_notes/preview", _preview, NEW, needs=("invoice",)),
    Route("GET", "/v1/credit_notes/{id}", _retrieve),
    Route("POST", "/v1/credit_notes/{id}", _update, WORDS),
    Route("GET", "/v1/credit_notes/{id}/lines", _lines, PAGING),
    Route("POST", "/v1/credit_notes/{id}/void", _void),
)
