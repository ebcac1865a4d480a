"""Every alert there is: what it means, and what a person does about it. The desk shows it, and
docs/runbook.md is compared with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.ids import derive_id
from app.domain.operations import Alert


class AlertKind(StrEnum):
    """What a person is told of. Kinds are kept in rows: one may be added, none renamed."""

    ACCOUNT_PAUSED = "account_paused"
    ACTION_PARKED = "action_parked"
    CANCEL_DELAYED = "cancel_delayed"
    CANCEL_REFUSED = "cancel_refused"
    CHARGE_VOLUME = "charge_volume"
    COLLECTED_AFTER_CANCEL = "collected_after_cancel"
    CURRENCY = "currency"
    DECLARATION = "declaration"
    EVENT_ENDPOINT_DISABLED = "event_endpoint_disabled"
    INVARIANT_BROKEN = "invariant_broken"
    LEDGER_DIFFERS = "ledger_differs"
    MAIL_VOLUME = "mail_volume"
    MISSED_WEBHOOKS = "missed_webhooks"
    PAYMENT_FAILURES_JUMPED = "payment_failures_jumped"
    PROVIDER_CHARGED = "provider_charged"
    PROVIDER_RETRIES = "provider_retries"
    RED_FLAG = "red_flag"
    REDEMPTION_PARKED = "redemption_parked"
    REFUND_VOLUME = "refund_volume"
    TEMPLATE = "template"
    WEBHOOK_QUARANTINED = "webhook_quarantined"
    WITHDRAWAL = "withdrawal"


# What stands until it is over, and is settled then: told once. Of the rest each says that something
# happened, and nobody settles it.
STANDING = frozenset(
    {
        AlertKind.ACCOUNT_PAUSED,
        AlertKind.ACTION_PARKED,
        AlertKind.CHARGE_VOLUME,
        AlertKind.DECLARATION,
        AlertKind.EVENT_ENDPOINT_DISABLED,
        AlertKind.INVARIANT_BROKEN,
        AlertKind.LEDGER_DIFFERS,
        AlertKind.MAIL_VOLUME,
        AlertKind.MISSED_WEBHOOKS,
        AlertKind.PAYMENT_FAILURES_JUMPED,
        AlertKind.REFUND_VOLUME,
    }
)


def alert(at: datetime, merchant_id: str, kind: AlertKind, subject: str, text: str) -> Alert:
    """An alert row; the same kind and subject is one alert however often it happens."""
    return Alert(
        alert_id=derive_id("alert", at, merchant_id, kind, subject),
        merchant_id=merchant_id,
        kind=kind,
        subject=subject,
        text=text[:500],
        at=at,
    )


@dataclass(frozen=True, slots=True)
class Words:
    """`meaning`: what has happened. `advice`: what to do, most urgent first."""

    meaning: str
    advice: str


K = AlertKind
ALERTS: Mapping[AlertKind, Words] = {
    K.ACCOUNT_PAUSED: Words(
        "The provider refuses our key: nothing of this account is charged or written.",
        "Give it a key that is allowed: `holdfast accounts key`. Work goes on by itself.",
    ),
    K.ACTION_PARKED: Words(
        "Something went wrong five times and was set aside, its case with it.",
        "Read why, put it right, then `holdfast accounts again`; release the case at the desk.",
    ),
    K.CANCEL_DELAYED: Words(
        "Somebody left and the provider could not be told at once. It is tried on.",
        "Look whether the provider is away. After an hour end the subscription there by hand.",
    ),
    K.CANCEL_REFUSED: Words(
        "Somebody left and the provider refuses to end the subscription.",
        "End it at the provider by hand today: the customer was told it ends.",
    ),
    K.CHARGE_VOLUME: Words(
        "Charges of an hour exceed three times what is due. All accounts are paused.",
        "Look whether the charges are right, then `holdfast accounts resume`.",
    ),
    K.COLLECTED_AFTER_CANCEL: Words(
        "Money was collected from somebody who had left.",
        "Read whether it went back by itself; else give it back by hand, and tell the customer.",
    ),
    K.CURRENCY: Words(
        "Money came or was lost in another currency than the invoice's: it is not entered, and the "
        "case is stopped or parked.",
        "Compare invoice and payment at the provider, and settle it there.",
    ),
    K.DECLARATION: Words(
        "Something said on a public form could not be carried out by itself.",
        "Look at it under Declarations: carry it out, or put it away with a note. It counts from "
        "when it was sent.",
    ),
    K.EVENT_ENDPOINT_DISABLED: Words(
        "An endpoint of yours took no event for five days, or said it is gone.",
        "Mend it and enable it again; its events can be sent once more.",
    ),
    K.INVARIANT_BROKEN: Words(
        "Rows break a rule that must always hold. The text names the rule and the first rows.",
        "See the section of that rule below. Where money may be charged, pause the account first: "
        "`holdfast accounts pause`.",
    ),
    K.LEDGER_DIFFERS: Words(
        "The ledger and the provider's own lists disagree.",
        "Read the lines: `holdfast reconcile show`. What a lost webhook left out was mended by "
        "reading already; look up the rest at the provider, and report it to us.",
    ),
    K.MAIL_VOLUME: Words(
        "Letters of an hour exceed three times the mean of the week. All accounts are paused.",
        "Look whether the letters are right, then `holdfast accounts resume`.",
    ),
    K.MISSED_WEBHOOKS: Words(
        "Events were found by reading that no webhook told of.",
        "`holdfast doctor` looks at the endpoint. Nothing is lost, only later.",
    ),
    K.PAYMENT_FAILURES_JUMPED: Words(
        "More first payments of an account are refused than chance explains, by its own past.",
        "`GET /v1/finance/payment-failures` by decline kind, network and country: a bank, a change "
        "of the checkout, or card testing.",
    ),
    K.PROVIDER_CHARGED: Words(
        "The provider charged an invoice that we had taken over. It is left to it.",
        "Turn the provider's own retries off for this account; `holdfast doctor` says where.",
    ),
    K.PROVIDER_RETRIES: Words(
        "The provider plans to collect what we drive, hold or stopped.",
        "Turn the provider's own retries off for this account; `holdfast doctor` says where.",
    ),
    K.RED_FLAG: Words(
        "What somebody wrote on leaving asks for a person: harm, law, the press.",
        "Read it, and answer today.",
    ),
    K.REDEMPTION_PARKED: Words(
        "An accepted offer could be neither applied nor taken back.",
        "Look at the subscription at the provider, and give the customer what they accepted.",
    ),
    K.REFUND_VOLUME: Words(
        "Refunds exceed their bound. Those beyond it wait.",
        "Look whether the refunds are right, then `holdfast accounts again`.",
    ),
    K.TEMPLATE: Words(
        "A letter could not be written. Its case's money goes on.",
        "Put the template right. A final notice is tried again; nobody is ended without one.",
    ),
    K.WEBHOOK_QUARANTINED: Words(
        "A signed webhook was of another account or mode, and was set aside.",
        "Look at the endpoint at the provider: live and test have endpoints of their own.",
    ),
    K.WITHDRAWAL: Words(
        "Somebody withdrew from a contract, and a part of it needs a person.",
        "Read what is to be given back, and do it within 14 days.",
    ),
}
