"""Messages: mail to a customer, each sent at most once."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from app.domain.ids import derive_id

# Every letter there is, and when it goes out by default. A test compares docs/messages.md and the
# folders of `email_templates` with it.
TEMPLATES = {
    "renewal_reminder": "28, 7, 3 and 2 days before a renewal of six months and more, 7 days "
    "before one of two months and more; 7, 3 and 2 days before a changed price or a card that "
    "will have expired",
    "card_expiring": "30 and 7 days before a card expires, if a charge falls after it",
    "pause_ending": "7 days before a pause ends and a charge follows",
    "payment_failed": "at once where only the customer can help; else at the second failure or "
    "on day 3",
    "payment_reminder": "days 3, 7, 12 and 20 while the case is active",
    "final_notice": "3 days before the end, and never less than 72 hours",
    "payment_recovered": "when it is paid, if we wrote about it",
    "subscription_ended": "after the final action",
    "cancellation_confirmed": "at once, in the transaction of the cancellation",
    "exit_feedback": "off; switched on: a day after somebody cancelled",
    "win_back_before_end": "off; switched on: 7 days before the end, a fortnight after the "
    "cancellation at the earliest",
    "win_back": "off; switched on: 30 to 90 days after the end, by the reason",
    "we_fixed_it": "off; switched on: within a day of the reason being put right",
    "withdrawal_confirmed": "at once, in the transaction of the withdrawal",
    "declaration_received": "at once, to the address on a public form",
}
# Those that go to nobody who has not agreed to them.
BY_PERMISSION = frozenset({"exit_feedback", "win_back_before_end", "win_back", "we_fixed_it"})


class MessageState(StrEnum):
    """`SENDING` is committed before the mail leaves; found again it is `UNKNOWN`, never resent."""

    PLANNED = "planned"
    SENDING = "sending"
    SENT = "sent"
    UNKNOWN = "unknown"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to one recipient, about a case or about a subscription. Unique per (case, step,
    channel, recipient) or (subscription, step, channel, recipient).

    `carried_by` is the message in whose mail this one went out as well. `reason` says why it was
    dropped, failed or put off. The body is rendered at sending and not kept.
    """

    KEY: ClassVar = ("message_id",)
    UNIQUE: ClassVar = (
        ("case_id", "step", "channel", "recipient"),
        ("subscription_id", "step", "channel", "recipient"),
    )
    message_id: str
    merchant_id: str
    account_id: str
    customer_id: str | None = None
    case_id: str | None = None
    subscription_id: str | None = None
    step: str
    template: str
    channel: str = "mail"
    recipient: str = ""
    language: str = "en"
    state: MessageState = MessageState.PLANNED
    due_at: datetime
    sent_at: datetime | None = None
    subject: str | None = None
    reason: str | None = None
    carried_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlsoOpen:
    """Another open payment that a merged letter tells of."""

    amount_minor: int
    currency: str
    invoice_number: str | None = None
    plan: str | None = None
    last_day: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A merchant's own words for a letter, in place of ours: templates over the named facts.

    `body` has a paragraph after each blank line. The table of facts, the button and the footer
    stay ours, so that no wording can leave out what must be said.
    """

    subject: str
    heading: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a merchant's letters look like. `colour` is `#rrggbb`; addresses are https."""

    colour: str | None = None
    logo_url: str | None = None
    support: str | None = None
    postal_address: str | None = None
    manage_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a template is rendered with: plain values only, the truth at sending time.

    `amount_minor` and `currency` are what is owed, was paid, or will be charged at `renews_at`.
    `reason_key` chooses the words for the cause and never reveals fraud, loss or theft. Instants
    are aware UTC and shown in `time_zone`. `next_retry_at` is None where none is planned;
    `last_day` is the day of the end. `end_action` is what happens then: `cancel_now`,
    `cancel_at_period_end`, `pause`, `leave`. `card` names a card (`Visa •••• 4242`), and
    `card_expires` (`YYYY-MM`) the last month it is good for, where that is the matter.
    `former_minor` is the price until now, where it changes. Of a cancellation: `reference` names
    it, `requested_at` is when it was said, `ends_at` when access ends (None: it has ended),
    `forgiven_minor` and `owed_minor` what need not and what must still be paid, `refunded_minor`
    what comes back of a withdrawal. To somebody who left and agreed to such letters: `left_for`
    chooses the words for why (`price`, `time`, `other`), `mended` says in the merchant's words what
    was put right since.
    """

    template: str
    language: str
    time_zone: str
    merchant_name: str
    customer_name: str | None
    plan: str | None
    invoice_number: str | None
    amount_minor: int
    currency: str
    reason_key: str = "unknown"
    link: str | None
    next_retry_at: datetime | None = None
    last_day: datetime | None = None
    end_action: str | None = None
    paid_at: datetime | None = None
    renews_at: datetime | None = None
    former_minor: int | None = None
    card: str | None = None
    card_expires: str | None = None
    reference: str | None = None
    requested_at: datetime | None = None
    ends_at: datetime | None = None
    forgiven_minor: int | None = None
    owed_minor: int | None = None
    left_for: str | None = None
    mended: str | None = None
    refunded_minor: int | None = None
    also: tuple[AlsoOpen, ...] = ()
    unsubscribe_url: str | None = None
    look: Look = Look()
    wording: Wording | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A finished letter: subject on one line, text and HTML with the same facts."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A letter with its addresses, ready to leave. `message_id` is ours and stable."""

    message_id: str
    sender: str
    sender_name: str
    recipient: str
    reply_to: str | None
    language: str
    body: Rendered
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentLink:
    """A link in a mail: `/p/{token}`, or `/u/{token}` to unsubscribe. The token itself is never
    stored, only its SHA-256. `purpose` is `pay` (about a case), `card`, `unsubscribe`, `feedback`
    (`/q/{token}`: one question after leaving) or `back` (`/b/{token}`: the way back).
    `currency` is what a card without a case is asked for."""

    KEY: ClassVar = ("link_id",)
    UNIQUE: ClassVar = (("token_hash",),)
    link_id: str
    token_hash: str
    merchant_id: str
    account_id: str
    customer_id: str | None
    case_id: str | None = None
    message_id: str | None = None
    purpose: str = "pay"
    currency: str | None = None
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEvent:
    """A step of the funnel: `sent`, `opened`, `went_to_provider`, `paid`."""

    KEY: ClassVar = ("event_id",)
    UNIQUE: ClassVar = ()
    event_id: str
    merchant_id: str
    link_id: str
    kind: str
    at: datetime
    data: dict[str, Any] | None = None


def link_event(link: PaymentLink, kind: str, at: datetime, *about: str, **data: str) -> LinkEvent:
    """A step of a link; the same step at the same instant about the same is one."""
    return LinkEvent(
        event_id=derive_id("link_event", at, link.link_id, kind, *about),
        merchant_id=link.merchant_id,
        link_id=link.link_id,
        kind=kind,
        at=at,
        data=dict(data) or None,
    )
