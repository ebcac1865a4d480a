"""Credit notes of every API version: what they took off an invoice that was still to be paid."""

from app.domain.mirror import CreditNote
from app.domain.notices import Notice, NoticeKind
from app.providers.stripe.envelope import Event
from app.providers.stripe.reading import Json, currency, instant, ref, text, whole


def read_credit_note(obj: Json) -> CreditNote | None:
    """The note as shown; None without an id.

    `pre_payment_amount` says what it took off what was still to be paid; older versions have one
    amount, and a `type` that says before or after payment.
    """
    note_id = ref(obj)
    if note_id is None:
        return None
    amount = whole(obj.get("pre_payment_amount"))
    if amount is None:
        before = text(obj.get("type"), 40) == "pre_payment"
        amount = (whole(obj.get("amount")) or 0) if before else 0
    return CreditNote(
        id=note_id,
        invoice_id=ref(obj.get("invoice")),
        amount_minor=amount,
        currency=currency(obj.get("currency")) or "usd",
        voided=text(obj.get("status"), 40) == "void",
        created_at=instant(obj.get("created")),
        voided_at=instant(obj.get("voided_at")),
    )


def credit_note_notice(event: Event, kind: NoticeKind) -> list[Notice]:
    """One notice of a credit note, about the invoice it belongs to."""
    obj = event.object
    note = read_credit_note(obj)
    return [
        event.notice(
            kind,
            object=ref(obj),
            customer=ref(obj.get("customer")),
            invoice=ref(obj.get("invoice")),
            amount_minor=note.amount_minor if note else None,
            currency=currency(obj.get("currency")),
            snapshot=note,
        )
    ]


def notes_behind(rows: list[Json]) -> tuple[CreditNote, ...]:
    """The notes of a list."""
    return tuple(note for row in rows if (note := read_credit_note(row)) is not None)


def has_notes(invoice: Json) -> bool:
    """Whether an invoice shows that credit notes changed what is owed on it."""
    names = ("pre_payment_credit_notes_amount", "post_payment_credit_notes_amount")
    return any(whole(invoice.get(name)) for name in names)
