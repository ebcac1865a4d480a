"""Events of every API version, snapshot or thin, in our words."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from app.domain.notices import Notice, NoticeKind
from app.providers.stripe.credit_notes import credit_note_notice
from app.providers.stripe.envelope import Event, open_event
from app.providers.stripe.invoices import invoice_notice, subscription_of
from app.providers.stripe.methods import (
    checkout_notice,
    customer_notice,
    method_notice,
    setup_notice,
)
from app.providers.stripe.payments import (
    charge_notice,
    dispute_notice,
    fraud_warning_notice,
    intent_notice,
    invoice_payment_notice,
)
from app.providers.stripe.reading import currency, first_ref, ref, whole
from app.providers.stripe.refunds import refund_notice
from app.providers.stripe.subscriptions import schedule_notice, subscription_notice
from app.providers.stripe.thin import thin_notice

Reader = Callable[[Event, NoticeKind], list[Notice]]
K = NoticeKind

READERS: Mapping[Reader, Mapping[str, NoticeKind]] = {
    invoice_notice: {
        "invoice.created": K.INVOICE_CREATED,
        "invoice.upcoming": K.INVOICE_UPCOMING,
        "invoice.finalized": K.INVOICE_FINALIZED,
        "invoice.finalization_failed": K.INVOICE_UPDATED,
        "invoice.updated": K.INVOICE_UPDATED,
        "invoice.sent": K.INVOICE_UPDATED,
        "invoice.overpaid": K.INVOICE_UPDATED,
        "invoice.will_be_due": K.INVOICE_UPDATED,
        "invoice.payment_attempt_required": K.INVOICE_UPDATED,
        "invoice.payment_failed": K.INVOICE_FAILED,
        "invoice.payment_action_required": K.INVOICE_ACTION_REQUIRED,
        "invoice.paid": K.INVOICE_PAID,
        "invoice.payment_succeeded": K.INVOICE_PAID,
        "invoice.voided": K.INVOICE_VOIDED,
        "invoice.marked_uncollectible": K.INVOICE_UNCOLLECTIBLE,
        "invoice.overdue": K.INVOICE_OVERDUE,
        "invoice.deleted": K.INVOICE_DELETED,
    },
    invoice_payment_notice: {"invoice_payment.paid": K.PAYMENT_SUCCEEDED},
    charge_notice: {
        "charge.failed": K.PAYMENT_FAILED,
        "charge.succeeded": K.PAYMENT_SUCCEEDED,
        "charge.refunded": K.PAYMENT_REFUNDED,
        "charge.captured": K.OTHER,
        "charge.expired": K.OTHER,
        "charge.pending": K.OTHER,
        "charge.updated": K.OTHER,
    },
    intent_notice: {
        "payment_intent.payment_failed": K.PAYMENT_FAILED,
        "payment_intent.succeeded": K.PAYMENT_SUCCEEDED,
        "payment_intent.requires_action": K.PAYMENT_ACTION_REQUIRED,
        "payment_intent.canceled": K.PAYMENT_CANCELLED,
        "payment_intent.processing": K.OTHER,
        "payment_intent.created": K.OTHER,
    },
    refund_notice: {
        "charge.refund.updated": K.OTHER,
        "refund.created": K.OTHER,
        "refund.updated": K.OTHER,
        "refund.failed": K.OTHER,
    },
    credit_note_notice: {
        "credit_note.created": K.CREDIT_NOTED,
        "credit_note.updated": K.CREDIT_NOTED,
        "credit_note.voided": K.CREDIT_NOTED,
    },
    dispute_notice: {
        "charge.dispute.created": K.DISPUTE_OPENED,
        "charge.dispute.updated": K.DISPUTE_UPDATED,
        "charge.dispute.funds_withdrawn": K.DISPUTE_FUNDS_WITHDRAWN,
        "charge.dispute.funds_reinstated": K.DISPUTE_FUNDS_REINSTATED,
        "charge.dispute.closed": K.DISPUTE_UPDATED,
    },
    fraud_warning_notice: {
        "radar.early_fraud_warning.created": K.FRAUD_WARNING,
        "radar.early_fraud_warning.updated": K.FRAUD_WARNING,
        "issuer_fraud_record.created": K.FRAUD_WARNING,
    },
    subscription_notice: {
        "customer.subscription.created": K.SUBSCRIPTION_STARTED,
        "customer.subscription.updated": K.SUBSCRIPTION_CHANGED,
        "customer.subscription.pending_update_applied": K.SUBSCRIPTION_CHANGED,
        "customer.subscription.pending_update_expired": K.SUBSCRIPTION_CHANGED,
        "customer.subscription.deleted": K.SUBSCRIPTION_ENDED,
        "customer.subscription.paused": K.SUBSCRIPTION_PAUSED,
        "customer.subscription.resumed": K.SUBSCRIPTION_RESUMED,
        "customer.subscription.trial_will_end": K.TRIAL_ENDING,
    },
    schedule_notice: {
        f"subscription_schedule.{what}": K.SCHEDULE_CHANGED
        for what in (
            "aborted",
            "canceled",
            "completed",
            "created",
            "expiring",
            "released",
            "updated",
        )
    },
    customer_notice: {
        "customer.created": K.CUSTOMER_CHANGED,
        "customer.updated": K.CUSTOMER_CHANGED,
        "customer.deleted": K.CUSTOMER_DELETED,
    },
    method_notice: {
        "payment_method.attached": K.METHOD_ADDED,
        "payment_method.updated": K.METHOD_CHANGED,
        "payment_method.automatically_updated": K.METHOD_UPDATED_BY_NETWORK,
        "payment_method.card_automatically_updated": K.METHOD_UPDATED_BY_NETWORK,
        "payment_method.detached": K.METHOD_REMOVED,
        "customer.source.created": K.METHOD_ADDED,
        "customer.source.updated": K.METHOD_CHANGED,
        "customer.source.deleted": K.METHOD_REMOVED,
        "customer.source.expiring": K.CARD_EXPIRING,
        "customer.card.created": K.METHOD_ADDED,
        "customer.card.updated": K.METHOD_CHANGED,
        "customer.card.deleted": K.METHOD_REMOVED,
        "customer.bank_account.created": K.METHOD_ADDED,
        "customer.bank_account.updated": K.METHOD_CHANGED,
        "customer.bank_account.deleted": K.METHOD_REMOVED,
    },
    setup_notice: {"setup_intent.succeeded": K.CARD_COLLECTED},
    checkout_notice: {"checkout.session.completed": K.OTHER},
}
READER_OF: Mapping[str, tuple[Reader, NoticeKind]] = {
    name: (reader, kind) for reader, kinds in READERS.items() for name, kind in kinds.items()
}
# Notices that may be about nothing that has an id.
WITHOUT_OBJECT = frozenset({K.INVOICE_UPCOMING, K.READ, K.OTHER})


def translate(body: str | bytes) -> list[Notice]:
    """The notices of one event. Raises `BadEvent` only for what is no event.

    A type that concerns us not, or that nobody has heard of yet, gives one notice of kind `OTHER`
    with the ids that could be read; so does an event of ours that shows no object.
    """
    return notices_of(open_event(body))


def notices_of(event: Event) -> list[Notice]:
    """The notices of an opened event."""
    if event.thin:
        return thin_notice(event)
    reader, kind = READER_OF.get(event.type, (_other, K.OTHER))
    return [
        notice
        if notice.object or notice.kind in WITHOUT_OBJECT
        else replace(notice, kind=K.OTHER, snapshot=None)
        for notice in reader(event, kind)
    ]


def _other(event: Event, kind: NoticeKind) -> list[Notice]:
    """Read as far as it goes."""
    obj = event.object
    return [
        event.notice(
            kind,
            object=ref(obj),
            customer=ref(obj.get("customer")),
            invoice=_own_or_named(obj, "invoice"),
            subscription=_own_or_named(obj, "subscription") or subscription_of(obj),
            payment=_own_or_named(obj, "payment_intent"),
            charge=_own_or_named(obj, "charge"),
            method=_own_or_named(obj, "payment_method"),
            amount_minor=whole(obj.get("amount")),
            currency=currency(obj.get("currency")),
        )
    ]


def _own_or_named(obj: dict[str, object], name: str) -> str | None:
    """The id of the object itself where it is a `name`, else of the one it names."""
    return ref(obj) if obj.get("object") == name else first_ref(obj.get(name))
