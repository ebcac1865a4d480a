"""The catalogue of outgoing events: each type, when it is told, and what its payload holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class EventType(StrEnum):
    """What can be told. Names are never reused; another payload is another version."""

    CASE_OPENED = "dunning.case.opened"
    CASE_HELD = "dunning.case.held"
    CASE_RELEASED = "dunning.case.released"
    CASE_REOPENED = "dunning.case.reopened"
    CASE_RECOVERED = "dunning.case.recovered"
    CASE_EXHAUSTED = "dunning.case.exhausted"
    CASE_STOPPED = "dunning.case.stopped"
    CASE_PARKED = "dunning.case.parked"
    CASE_CLOSED = "dunning.case.closed"
    ATTEMPT_SCHEDULED = "dunning.attempt.scheduled"
    ATTEMPT_SUCCEEDED = "dunning.attempt.succeeded"
    ATTEMPT_FAILED = "dunning.attempt.failed"
    MESSAGE_SENT = "dunning.message.sent"
    MESSAGE_CLICKED = "dunning.message.clicked"
    METHOD_UPDATED = "dunning.method.updated"
    REVENUE_ENTERED = "recovered_revenue.entered"
    REVENUE_RESTATED = "recovered_revenue.restated"
    SUBSCRIPTION_ENDED = "subscription.ended"
    CHURN_RECORDED = "churn.recorded"
    CHURN_REVERSED = "churn.reversed"
    CHURN_RESTATED = "churn.restated"
    SAVE_CONFIRMED = "save.confirmed"
    SAVE_LOST = "save.lost"
    ACCESS_CHANGED = "access.changed"
    LEAVING_STARTED = "cancel.session.started"
    LEAVING_STEP_VIEWED = "cancel.step.viewed"
    LEAVING_REASON_SELECTED = "cancel.reason.selected"
    LEAVING_OFFER_SHOWN = "cancel.offer.shown"
    LEAVING_OFFER_ACCEPTED = "cancel.offer.accepted"
    LEAVING_OFFER_APPLIED = "cancel.offer.applied"
    LEAVING_OFFER_FAILED = "cancel.offer.failed"
    LEAVING_ABANDONED = "cancel.abandoned"
    LEAVING_CANCELLED = "cancel.cancelled"
    LEAVING_UNCANCELLED = "cancel.uncancelled"
    ACCOUNT_PAUSED = "account.paused"
    ACCOUNT_RESUMED = "account.resumed"
    ENDPOINT_TESTED = "endpoint.tested"


@dataclass(frozen=True, slots=True)
class EventKind:
    """A row of the catalogue. `subject` says within what its events are numbered and ordered;
    `fields` are the names in `data`, each explained in `FIELDS`."""

    when: str
    subject: str
    fields: tuple[str, ...]
    version: int = 1


# Money in minor units of `currency`, time in UTC. No name, no mail address, no card number.
FIELDS: Mapping[str, str] = {
    "account": "The provider account, `acc_…`.",
    "case": "The case, `case_…`.",
    "invoice": "The invoice at the provider.",
    "customer": "The customer at the provider.",
    "subscription": "The subscription at the provider.",
    "state": "The case's state.",
    "waits": "What an active case waits for.",
    "reason": "Why, in words for people; `credited` where a credit note left nothing to be paid.",
    "currency": "ISO 4217, lower case.",
    "amount_minor": "The amount of the attempt or line; of a case, what was owed at first.",
    "due_minor": "What is owed now.",
    "recovered_minor": "What came back so far.",
    "decline_kind": "What the latest refusal means; null where none is known.",
    "decline_code": "The provider's word for the refusal.",
    "opened_at": "The first refusal.",
    "window_ends_at": "The end of the window.",
    "closed_at": "When the case ended.",
    "cause": "Why the money came back, null while that is being read; what brought an end about.",
    "next_attempt_at": "When the invoice is charged next.",
    "attempt": "The attempt, `att_…`.",
    "number": "Counts the case's attempts from 1, over all triggers.",
    "trigger": "By whom the attempt was made.",
    "outcome": "How the attempt ended.",
    "message": "The message, `msg_…`.",
    "template": "Which letter it was.",
    "channel": "Which way it went, such as `mail`.",
    "language": "The language it was written in.",
    "link": "The payment link, `lnk_…`; not its address.",
    "page": "Which page of the provider the customer went to, `card` or `invoice`.",
    "method": "The payment method at the provider; null where only its data changed.",
    "source": "Who brought the new method, `customer` or `account_updater`.",
    "entry": "The ledger line: of money `rec_…`, of churn `chu_…`.",
    "kind": "The ledger line's kind. Money taken back is negative.",
    "occurred_at": "When the money moved, access ended or the customer was back.",
    "while_past_due": "Whether something was owed when the end came.",
    "status": "The subscription's status at the provider.",
    "churn": "The kind of churn, as in the ledger of MRR; null where no MRR was lost.",
    "mrr_minor": "MRR that ended or was kept; in a line that takes one back, negative.",
    "plan": "The plan's name.",
    "access": "What the customer may use now.",
    "was": "What the customer could use before.",
    "until": "Until when this access holds; null where nothing ends it.",
    "session": "The cancel session, `cxs_…`; null where there was none.",
    "step": "The step of the policy's message table, or of the cancel flow.",
    "because": "The reason chosen in the survey.",
    "rung": "The rung of the save ladder that was judged.",
    "offer": "The kind of offer that was accepted.",
    "choice": "How it ends: `now`, `period_end`, `withdrawal`; null where the provider was told.",
    "endpoint": "The endpoint, `end_…`.",
}

PARTIES = ("account", "case", "invoice", "customer", "subscription")
CASE = (
    *PARTIES,
    "state",
    "waits",
    "currency",
    "amount_minor",
    "due_minor",
    "recovered_minor",
    "decline_kind",
    "opened_at",
    "window_ends_at",
)
END = (*CASE, "closed_at", "cause", "reason")
ATTEMPT = (
    *PARTIES,
    "attempt",
    "number",
    "trigger",
    "outcome",
    "currency",
    "amount_minor",
    "decline_kind",
    "decline_code",
)
REVENUE = (*PARTIES, "entry", "kind", "cause", "currency", "amount_minor", "occurred_at")
CHURN = (
    "account",
    "subscription",
    "customer",
    "entry",
    "kind",
    "cause",
    "while_past_due",
    "because",
    "currency",
    "mrr_minor",
    "plan",
    "occurred_at",
)
LEAVING = ("account", "subscription", "customer", "session")
T = EventType

CATALOGUE: Mapping[EventType, EventKind] = {
    T.CASE_OPENED: EventKind("An automatic payment was refused and a case opened.", "case", CASE),
    T.CASE_HELD: EventKind("The case was put on hold: nothing is charged or sent.", "case", CASE),
    T.CASE_RELEASED: EventKind("The hold was lifted.", "case", CASE),
    T.CASE_REOPENED: EventKind("A stopped or parked case is worked again.", "case", CASE),
    T.CASE_RECOVERED: EventKind("The invoice is paid, be it after the end.", "case", END),
    T.CASE_EXHAUSTED: EventKind("The case was given up, as the policy says.", "case", END),
    T.CASE_STOPPED: EventKind("The case was ended by somebody else's decision.", "case", END),
    T.CASE_PARKED: EventKind("The case waits for a person.", "case", CASE),
    T.CASE_CLOSED: EventKind(
        "The case was recovered, exhausted or stopped: the same in one type.", "case", END
    ),
    T.ATTEMPT_SCHEDULED: EventKind(
        "Our next attempt has an instant. A later one replaces it.",
        "case",
        (*PARTIES, "currency", "due_minor", "next_attempt_at"),
    ),
    T.ATTEMPT_SUCCEEDED: EventKind("An attempt, by whomever, brought money.", "case", ATTEMPT),
    T.ATTEMPT_FAILED: EventKind(
        "An attempt, by whomever, was refused or needs the customer.", "case", ATTEMPT
    ),
    T.MESSAGE_SENT: EventKind(
        "A message left for the customer.",
        "case",
        (*PARTIES, "message", "step", "template", "channel", "language"),
    ),
    T.MESSAGE_CLICKED: EventKind(
        "The customer went through a payment link to the provider's page.",
        "case",
        (*PARTIES, "link", "message", "page"),
    ),
    T.METHOD_UPDATED: EventKind(
        "A customer with an open case has a new payment method.",
        "case",
        (*PARTIES, "method", "source"),
    ),
    T.REVENUE_ENTERED: EventKind(
        "Money came back on a failed invoice: a line of the ledger.", "case", REVENUE
    ),
    T.REVENUE_RESTATED: EventKind(
        "Recovered money was refunded, or moved by a dispute: a further line.", "case", REVENUE
    ),
    T.SUBSCRIPTION_ENDED: EventKind(
        "A subscription that we knew has ended, whoever ended it.",
        "subscription",
        ("account", "subscription", "customer", "status", "churn", "currency", "mrr_minor", "plan"),
    ),
    T.CHURN_RECORDED: EventKind(
        "A line of churn: access ended at the provider, or was given up there.",
        "subscription",
        CHURN,
    ),
    T.CHURN_REVERSED: EventKind(
        "The customer is back: a further line takes the loss back.", "subscription", CHURN
    ),
    T.CHURN_RESTATED: EventKind(
        "More is known of an end: a further line takes the former one back, a new one follows.",
        "subscription",
        CHURN,
    ),
    T.SAVE_CONFIRMED: EventKind(
        "Who accepted an offer is still there, 24 hours, 30 or 90 days later.",
        "subscription",
        (*LEAVING, "rung", "offer", "currency", "mrr_minor"),
    ),
    T.SAVE_LOST: EventKind(
        "Who accepted an offer is leaving after all, or has left.",
        "subscription",
        (*LEAVING, "rung", "offer", "currency", "mrr_minor", "reason"),
    ),
    T.ACCESS_CHANGED: EventKind(
        "What a customer may use has changed.",
        "subscription",
        ("account", "subscription", "customer", "case", "access", "was", "until", "reason"),
    ),
    T.LEAVING_STARTED: EventKind("A cancel session was opened.", "subscription", LEAVING),
    T.LEAVING_STEP_VIEWED: EventKind(
        "A step was shown for the first time.", "subscription", (*LEAVING, "step")
    ),
    T.LEAVING_REASON_SELECTED: EventKind(
        "A reason was chosen, or another one.", "subscription", (*LEAVING, "step", "because")
    ),
    T.LEAVING_OFFER_SHOWN: EventKind("An offer was shown.", "subscription", (*LEAVING, "step")),
    T.LEAVING_OFFER_ACCEPTED: EventKind(
        "An offer was accepted; it is being applied.", "subscription", (*LEAVING, "step")
    ),
    T.LEAVING_OFFER_APPLIED: EventKind(
        "An accepted offer was applied, and read back.", "subscription", (*LEAVING, "step")
    ),
    T.LEAVING_OFFER_FAILED: EventKind(
        "An accepted offer could not be applied; nothing of it stands.",
        "subscription",
        (*LEAVING, "step"),
    ),
    T.LEAVING_ABANDONED: EventKind(
        "A session was left without an outcome.", "subscription", (*LEAVING, "step")
    ),
    T.LEAVING_CANCELLED: EventKind(
        "The customer cancelled, here or at the provider; it ends then.",
        "subscription",
        (*LEAVING, "choice", "until"),
    ),
    T.LEAVING_UNCANCELLED: EventKind(
        "A cancellation was taken back before the end.", "subscription", LEAVING
    ),
    T.ACCOUNT_PAUSED: EventKind(
        "A provider account was paused: no call, no charge, no message.",
        "account",
        ("account", "reason"),
    ),
    T.ACCOUNT_RESUMED: EventKind("A paused provider account works again.", "account", ("account",)),
    T.ENDPOINT_TESTED: EventKind(
        "You asked for a test of the endpoint.", "endpoint", ("endpoint",)
    ),
}
