"""Money going back: refunds and disputes."""

from app.providers.sandbox.calendar import DAY
from app.providers.sandbox.core import Core
from app.providers.sandbox.errors import Thing, missing_parameter, refused
from app.providers.sandbox.params import (
    anything,
    clearable,
    flag,
    labels,
    merged_labels,
    text,
    whole,
)
from app.providers.sandbox.records import HIDDEN
from app.providers.sandbox.render import page
from app.providers.sandbox.routing import PAGING, Route

OPEN_DISPUTES = ("needs_response", "under_review", "warning_needs_response", "warning_under_review")
ANSWER_WITHIN = 9 * DAY


def refund(core: Core, charge: Thing, amount: int | None, **fields: str | Thing | None) -> Thing:
    """Give back all that is left of a charge, or a part; `amount_refunded` adds up.

    Raises:
        ApiError: more than is left, or nothing is left.
    """
    left = charge["amount_captured"] - charge["amount_refunded"]
    if left <= 0:
        raise refused(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    wanted = left if amount is None else amount
    if wanted > left:
        raise refused(
            f"Refund amount ({wanted}) is greater than unrefunded amount on charge ({left})",
            code="amount_too_large",
            param="amount",
        )
    made = core.add(
        {
            "id": core.new_id("re", charge["id"]),
            "object": "refund",
            "amount": wanted,
            "balance_transaction": None,
            "charge": charge["id"],
            "created": core.now,
            "currency": charge["currency"],
            "metadata": fields.get("metadata") or {},
            "payment_intent": charge["payment_intent"],
            "reason": fields.get("reason"),
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": "succeeded",
            "transfer_reversal": None,
        }
    )
    total = charge["amount_refunded"] + wanted
    former = core.change(charge, amount_refunded=total, refunded=total == charge["amount_captured"])
    core.emit("refund.created", made)
    core.emit("charge.refunded", charge, former)
    return made


def fail_refund(core: Core, made: Thing) -> Thing:
    """The bank sends a refund back: the card was closed. Once failed, it stays so."""
    if made["status"] == "failed":
        return made
    charge = core.find("charge", made["charge"])
    left = charge["amount_refunded"] - made["amount"]
    core.change(charge, amount_refunded=left, refunded=False)
    former = core.change(made, status="failed", failure_reason="expired_or_canceled_card")
    core.emit("refund.updated", made, former)
    core.emit("charge.refund.updated", made, former)
    core.emit("refund.failed", made, former)
    return made


def charge_of(core: Core, given: Thing) -> Thing:
    """The charge named directly or through its payment intent."""
    if given.get("charge"):
        return core.find("charge", given["charge"], "charge")
    if not given.get("payment_intent"):
        raise missing_parameter("charge")
    intent = core.find("payment_intent", given["payment_intent"], "payment_intent")
    return core.find("charge", intent["latest_charge"], "payment_intent")


def _create_refund(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return refund(
        core,
        charge_of(core, given),
        given.get("amount"),
        reason=given.get("reason"),
        metadata=given.get("metadata"),
    )


def _list_refunds(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    found = [r for r in core.all("refund") if _matches(r, given, "charge", "payment_intent")]
    return page(core, found, given, "/v1/refunds")


def _matches(thing: Thing, given: Thing, *names: str) -> bool:
    return all(given.get(name) in (None, thing.get(name)) for name in names)


def _get_refund(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return core.find("refund", ids[0])


def _update_refund(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    made = core.find("refund", ids[0])
    former = core.change(made, metadata=merged_labels(made["metadata"], given.get("metadata")))
    core.emit("refund.updated", made, former)
    core.emit("charge.refund.updated", made, former)
    return made


def dispute(
    core: Core, charge: Thing, *, reason: str = "fraudulent", inquiry: bool = False
) -> Thing:
    """The cardholder's bank takes the money back, or only asks (an inquiry)."""
    made = core.add(
        {
            "id": core.new_id("dp", charge["id"]),
            "object": "dispute",
            "amount": charge["amount_captured"],
            "balance_transactions": [],
            "charge": charge["id"],
            "created": core.now,
            "currency": charge["currency"],
            "enhanced_eligibility_types": [],
            "evidence": {},
            "evidence_details": {
                "due_by": core.now + ANSWER_WITHIN,
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
            },
            "is_charge_refundable": inquiry,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "payment_method_details": {"type": "card"},
            "reason": reason,
            "status": "warning_needs_response" if inquiry else "needs_response",
        }
    )
    core.change(charge, disputed=True, dispute=made["id"])
    core.emit("charge.dispute.created", made)
    if not inquiry:
        core.emit("charge.dispute.funds_withdrawn", made)
    return made


def close_dispute(core: Core, found: Thing, *, won: bool) -> None:
    """The bank has decided; money comes back only when the dispute is won.

    Raises:
        ApiError: it is closed already.
    """
    if found["status"] not in OPEN_DISPUTES:
        raise refused("This dispute is already closed.")
    inquiry = found["status"].startswith("warning")
    status = "warning_closed" if inquiry else ("won" if won else "lost")
    core.change(found, status=status)
    core.emit("charge.dispute.closed", found)
    if won and not inquiry:
        core.emit("charge.dispute.funds_reinstated", found)


def after_charge(core: Core, charge: Thing) -> None:
    """A card made for it disputes its charge at once."""
    method = core.get(charge["payment_method"]) or {HIDDEN: {}}
    behaviour = method[HIDDEN].get("behaviour", {})
    if behaviour.get("kind") == "dispute":
        dispute(
            core,
            charge,
            reason=behaviour.get("reason", "fraudulent"),
            inquiry=bool(behaviour.get("inquiry")),
        )


def _list_disputes(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    found = [d for d in core.all("dispute") if _matches(d, given, "charge", "payment_intent")]
    return page(core, found, given, "/v1/disputes")


def _get_dispute(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return core.find("dispute", ids[0])


EVIDENCE_ENDS = {"winning_evidence": True, "losing_evidence": False}


def _update_dispute(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    found = core.find("dispute", ids[0])
    fields: Thing = {"evidence": {**found["evidence"], **(given.get("evidence") or {})}}
    if "metadata" in given:
        fields["metadata"] = merged_labels(found["metadata"], given["metadata"])
    former = core.change(found, **fields)
    core.emit("charge.dispute.updated", found, former)
    says = found["evidence"].get("uncategorized_text")
    if says in EVIDENCE_ENDS:
        close_dispute(core, found, won=EVIDENCE_ENDS[says])
    return found


def _close(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    found = core.find("dispute", ids[0])
    close_dispute(core, found, won=False)
    return found


def _list_charges(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    owner = given.get("customer")
    found = [c for c in core.all("charge", owner) if _matches(c, given, "payment_intent")]
    return page(core, found, given, "/v1/charges")


def _get_charge(core: Core, given: Thing, ids: tuple[str, ...]) -> Thing:
    return core.find("charge", ids[0])


LINKS = {"charge": text, "payment_intent": text}

ROUTES = (
    Route("GET", "/v1/charges", _list_charges, {**PAGING, "customer": text, **LINKS}),
    Route("GET", "/v1/charges/{id}", _get_charge),
    Route("GET", "/v1/refunds", _list_refunds, {**PAGING, **LINKS}),
    Route(
        "POST",
        "/v1/refunds",
        _create_refund,
        {**LINKS, "amount": whole, "reason": text, "metadata": labels}
        | {"refund_application_fee": flag, "reverse_transfer": flag},
    ),
    Route("GET", "/v1/refunds/{id}", _get_refund),
    Route("POST", "/v1/refunds/{id}", _update_refund, {"metadata": clearable(labels)}),
    Route("GET", "/v1/disputes", _list_disputes, {**PAGING, **LINKS}),
    Route("GET", "/v1/disputes/{id}", _get_dispute),
    Route(
        "POST",
        "/v1/disputes/{id}",
        _update_dispute,
        {"evidence": anything, "metadata": clearable(labels), "submit": flag},
    ),
    Route("POST", "/v1/disputes/{id}/close", _close),
)
