"""Collecting invoices: finalising, charging, the provider's own retries, being paid."""

from app.providers.sandbox import payments, standing
from app.providers.sandbox.calendar import DAY
from app.providers.sandbox.cards import HARD
from app.providers.sandbox.core import Core
from app.providers.sandbox.drafting import expect_payment, join_payment, stamps, use_balance
from app.providers.sandbox.errors import Thing, card_refused, refused
from app.providers.sandbox.records import HIDDEN


def finalize(core: Core, invoice: Thing) -> None:
    """Close the draft: number, page, the customer's balance, a payment intent to pay it with."""
    core.schedule(invoice, finalize=None)
    customer = core.find("customer", invoice["customer"])
    use_balance(core, invoice, customer)
    sequence = customer["next_invoice_sequence"]
    core.change(customer, next_invoice_sequence=sequence + 1)
    core.change(
        invoice,
        status="open",
        number=f"{customer['invoice_prefix']}-{sequence:04d}",
        hosted_invoice_url=f"{core.base_url}/i/{invoice['id']}",
        invoice_pdf=f"{core.base_url}/i/{invoice['id']}/pdf",
        effective_at=core.now,
        automatically_finalizes_at=None,
        status_transitions=stamps(invoice, finalized_at=core.now),
    )
    if invoice["amount_due"] > 0:
        expect_payment(core, invoice)
    core.emit("invoice.finalized", invoice)
    if invoice["amount_due"] == 0:
        mark_paid(core, invoice)


def method_for(core: Core, invoice: Thing) -> Thing | None:
    """What an invoice is charged to: its own method, the subscription's, then the customer's."""
    subscription = standing.subscription_of(core, invoice) or {}
    customer = core.find("customer", invoice["customer"])
    order = (
        invoice["default_payment_method"],
        subscription.get("default_payment_method"),
        subscription.get("default_source"),
        customer["invoice_settings"]["default_payment_method"],
        customer["default_source"],
    )
    return next((core.get(ident) for ident in order if ident), None)


def pay(core: Core, invoice: Thing, method: Thing | None, *, off_session: bool) -> None:
    """Pay on request, not by the account's own schedule.

    Raises:
        ApiError: 402 with the decline, which stays recorded; 400 when it cannot be paid.
    """
    method = method or method_for(core, invoice)
    if method is None:
        raise refused(
            "Cannot charge a customer that has no active card or default payment method.",
            code="resource_missing",
        )
    outcome = charge(core, invoice, method, off_session=off_session, automatic=False)
    if outcome in ("failed", "requires_action"):
        raise card_refused(payment_error(core, invoice, outcome))


def payment_error(core: Core, invoice: Thing, outcome: str) -> Thing:
    """The error that tells why an invoice was not paid."""
    intent = core.find("payment_intent", invoice[HIDDEN]["intent"])
    shown = {name: value for name, value in intent.items() if name != HIDDEN}
    if outcome == "requires_action" and intent["status"] == "requires_action":
        return {
            "code": "invoice_payment_intent_requires_action",
            "message": "This payment requires additional user action before it can be completed.",
            "payment_intent": shown,
        }
    return {**(intent["last_payment_error"] or {}), "payment_intent": shown}


def charge(
    core: Core,
    invoice: Thing,
    method: Thing,
    *,
    off_session: bool,
    automatic: bool,
    authenticated: bool = False,
) -> payments.Outcome:
    """One try to pay an open invoice; records and tells of whatever comes out."""
    intent = core.find("payment_intent", invoice[HIDDEN]["intent"])
    if intent["status"] == "processing":
        raise refused("A payment of this invoice is already being processed.")
    outcome = payments.confirm(
        core, intent, method, off_session=off_session, authenticated=authenticated
    )
    absorb(core, invoice, outcome, automatic=automatic)
    return outcome


def absorb(core: Core, invoice: Thing, outcome: str, *, automatic: bool) -> None:
    """What the outcome of its payment means for the invoice."""
    if outcome == "succeeded":
        mark_paid(core, invoice, automatic=automatic)
    elif outcome == "processing":
        _count(core, invoice, automatic=automatic, again=False)
    else:
        _failed(core, invoice, automatic=automatic, action=outcome == "requires_action")


def _count(core: Core, invoice: Thing, *, automatic: bool, again: bool) -> Thing:
    """Count the attempt (the first, then automatic ones only) and set the next.

    Returns the former values.
    """
    first = invoice["attempt_count"] == 0
    fields: Thing = {"attempted": True}
    if first or automatic:
        count = invoice["attempt_count"] + 1
        following = _next_attempt(core, invoice, count) if again else None
        fields |= {"attempt_count": count, "next_payment_attempt": following}
        core.schedule(invoice, collect=following)
    return core.change(invoice, **fields)


def _next_attempt(core: Core, invoice: Thing, count: int) -> int | None:
    days = core.settings["retry_days"]
    wanted = invoice["auto_advance"] and invoice["billing_reason"] != "subscription_create"
    return core.now + days[count - 1] * DAY if wanted and count <= len(days) else None


def _failed(core: Core, invoice: Thing, *, automatic: bool, action: bool) -> None:
    former = _count(core, invoice, automatic=automatic, again=True)
    customer = core.find("customer", invoice["customer"])
    core.change(customer, delinquent=True)
    if action:
        core.emit("invoice.payment_action_required", invoice)
    core.emit("invoice.payment_failed", invoice)
    core.emit("invoice.updated", invoice, former or None)
    standing.after_failure(core, invoice)
    later = invoice["billing_reason"] != "subscription_create"
    over = invoice["next_payment_attempt"] is None and invoice["auto_advance"]
    if automatic and later and over:
        standing.give_up(core, invoice)


def collect(core: Core, invoice: Thing) -> None:
    """The provider's own attempt, when it is due."""
    core.schedule(invoice, collect=None)
    if invoice["status"] != "open" or not invoice["auto_advance"]:
        return
    method = method_for(core, invoice)
    if method is None:
        _failed(core, invoice, automatic=True, action=False)
    elif _hopeless(core, invoice, method):
        _skip(core, invoice)
    else:
        charge(core, invoice, method, off_session=True, automatic=True)


def _hopeless(core: Core, invoice: Thing, method: Thing) -> bool:
    """After a hard decline the same card is not charged again, though retries are counted."""
    intent = core.find("payment_intent", invoice[HIDDEN]["intent"])
    last = core.get(intent["latest_charge"] or "")
    if last is None or last["payment_method"] != method["id"] or last["status"] != "failed":
        return bool(intent["status"] == "processing")
    return last["outcome"]["reason"] in HARD


def _skip(core: Core, invoice: Thing) -> None:
    former = _count(core, invoice, automatic=True, again=True)
    core.emit("invoice.updated", invoice, former or None)
    if invoice["next_payment_attempt"] is None:
        standing.give_up(core, invoice)


def mark_paid(
    core: Core,
    invoice: Thing,
    *,
    automatic: bool = False,
    out_of_band: bool = False,
    nobody_paid: bool = False,
) -> None:
    """Money is in, or none was due, or it came by another way, or a credit note left nothing."""
    core.schedule(invoice, collect=None, finalize=None)
    charged = invoice["amount_due"] > 0 and not (out_of_band or nobody_paid)
    if out_of_band:
        core.hide(invoice, elsewhere=invoice["amount_remaining"])
    if charged and (automatic or invoice["attempt_count"] == 0):
        core.change(invoice, attempt_count=invoice["attempt_count"] + 1)
    former = core.change(
        invoice,
        status="paid",
        attempted=True,
        auto_advance=False,
        amount_paid=invoice["amount_due"],
        amount_remaining=0,
        next_payment_attempt=None,
        status_transitions=stamps(invoice, paid_at=core.now),
    )
    core.change(core.find("customer", invoice["customer"]), delinquent=False)
    core.emit("invoice.updated", invoice, former)
    core.emit("invoice.paid", invoice)
    core.emit("invoice.payment_succeeded", invoice)
    _close_payment(core, invoice, charged=charged)
    standing.after_payment(core, invoice)
    for follow in core.when_paid:
        follow(core, invoice)


def pay_part(core: Core, invoice: Thing, intent: Thing) -> None:
    """A payment made elsewhere goes to this invoice: so much less is owed, the rest is asked for
    as before. More than is owed stays with the payment and is told as overpaid."""
    paid = min(intent["amount_received"], invoice["amount_remaining"])
    over = intent["amount_received"] - paid
    core.hide(intent, invoice=invoice["id"])
    payment = join_payment(core, invoice, intent, paid=paid)
    kept = [*invoice[HIDDEN].get("payments", []), payment["id"]]
    core.hide(invoice, payments=kept)
    former = core.change(
        invoice,
        amount_overpaid=invoice["amount_overpaid"] + over,
        amount_paid=invoice["amount_paid"] + paid,
        amount_remaining=invoice["amount_remaining"] - paid,
    )
    core.emit("invoice_payment.paid", payment)
    if not invoice["amount_remaining"]:
        mark_paid(core, invoice, nobody_paid=True)
    else:
        payments.ask_for(core, core.get(invoice[HIDDEN]["intent"]), invoice["amount_remaining"])
        core.emit("invoice.updated", invoice, former)
    if over:
        core.emit("invoice.overpaid", invoice)


def _close_payment(core: Core, invoice: Thing, *, charged: bool) -> None:
    for ident in invoice[HIDDEN].get("payments", []):
        payment = core.find("invoice_payment", ident)
        if payment["status"] != "open":
            continue
        if charged:
            times = {**payment["status_transitions"], "paid_at": core.now}
            intent = core.find("payment_intent", payment["payment"]["payment_intent"])
            core.change(
                payment, status="paid", amount_paid=intent["amount"], status_transitions=times
            )
            core.emit("invoice_payment.paid", payment)
        else:
            _drop_payment(core, payment)


def _drop_payment(core: Core, payment: Thing) -> None:
    times = {**payment["status_transitions"], "canceled_at": core.now}
    core.change(payment, status="canceled", status_transitions=times)
    intent = core.get(payment["payment"]["payment_intent"])
    if intent is not None:
        payments.cancel(core, intent, "void_invoice")


def void(core: Core, invoice: Thing) -> None:
    """Make as if the invoice had never been. Final."""
    core.schedule(invoice, collect=None, finalize=None)
    core.change(
        invoice,
        status="void",
        auto_advance=False,
        next_payment_attempt=None,
        status_transitions=stamps(invoice, voided_at=core.now),
    )
    for ident in invoice[HIDDEN].get("payments", []):
        _drop_payment(core, core.find("invoice_payment", ident))
    core.emit("invoice.voided", invoice)


def write_off(core: Core, invoice: Thing, why: str) -> None:
    """Mark as uncollectible; it can still be paid."""
    core.schedule(invoice, collect=None)
    core.change(
        invoice,
        status="uncollectible",
        auto_advance=False,
        next_payment_attempt=None,
        status_details={"uncollectible": {"reason": why}},
        status_transitions=stamps(invoice, marked_uncollectible_at=core.now),
    )
    core.emit("invoice.marked_uncollectible", invoice)


def settle(core: Core, intent: Thing) -> None:
    """A direct debit's end: tell its invoice, if it has one."""
    outcome = payments.settle(core, intent)
    invoice = core.get(intent[HIDDEN].get("invoice") or "")
    if invoice is not None and invoice["status"] in ("open", "uncollectible"):
        _debit_ended(core, invoice, outcome)


def _debit_ended(core: Core, invoice: Thing, outcome: str) -> None:
    if outcome == "succeeded":
        mark_paid(core, invoice)
        return
    following = _next_attempt(core, invoice, invoice["attempt_count"])
    core.schedule(invoice, collect=following)
    former = core.change(invoice, next_payment_attempt=following)
    core.emit("invoice.payment_failed", invoice)
    core.emit("invoice.updated", invoice, former or None)
    standing.after_failure(core, invoice)
    if following is None and invoice["auto_advance"]:
        standing.give_up(core, invoice)
