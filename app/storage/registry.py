"""Which table holds which record, in the order in which rows may refer to each other."""

from typing import Any

from sqlalchemy import Table

from app.domain.access import AccessState
from app.domain.actions import Action
from app.domain.afterwards import AfterLetters, ExitFeedback, MailPermission, MendedReason
from app.domain.cancellations import CancelRequest
from app.domain.churn import ChurnRecord
from app.domain.comparing import ComparedLine, Comparison
from app.domain.correspondence import (
    Channels,
    Letterhead,
    MessageEvent,
    Suppression,
    TemplateVersion,
)
from app.domain.declarations import Declaration
from app.domain.dunning import Attempt, CardUse, Case, CaseEvent
from app.domain.events import (
    DeliveryTry,
    EventDelivery,
    EventEndpoint,
    EventSubject,
    OutgoingEvent,
)
from app.domain.evidence import Evidence
from app.domain.exchange import ExchangeRate
from app.domain.experiments import Assignment
from app.domain.first_payments import FirstPayment
from app.domain.flows import FlowVersion
from app.domain.imports import ImportedSession
from app.domain.jumps import AttemptDay
from app.domain.merchants import ApiKey, CustomerTokenKey, Merchant, ProviderAccount, Reader
from app.domain.messages import LinkEvent, Message, PaymentLink
from app.domain.mirror import Customer, Dispute, Invoice, Payment, PaymentMethod, Subscription
from app.domain.mrr import MrrMovement
from app.domain.operations import Alert, AuditEntry, IdempotencyKey, InboxEvent
from app.domain.policies import PolicyVersion
from app.domain.recovery import Failure, RecoveryEntry
from app.domain.redemptions import Redemption, RedemptionStep
from app.domain.rollups import (
    ArmCell,
    ArmStep,
    CohortCell,
    CohortStep,
    FlowCell,
    RollupMark,
    StandingCell,
    StandingMark,
)
from app.domain.saves import SaveStep
from app.domain.sessions import CancelSession
from app.domain.survey import SurveyAnswer
from app.domain.takings import Taking
from app.domain.usage import UsageFact
from app.domain.withdrawals import Consent
from app.storage import (
    afterwards,
    cancelling,
    churn,
    comparisons,
    dunning,
    events,
    ledgers,
    merchants,
    messages,
    mirror,
    operations,
    redemptions,
    rollups,
)

TABLES: dict[type[Any], Table] = {
    Merchant: merchants.MERCHANTS,
    ProviderAccount: merchants.PROVIDER_ACCOUNTS,
    ApiKey: merchants.API_KEYS,
    CustomerTokenKey: merchants.CUSTOMER_TOKEN_KEYS,
    Reader: merchants.READERS,
    PolicyVersion: merchants.POLICIES,
    InboxEvent: operations.INBOX,
    Customer: mirror.CUSTOMERS,
    Subscription: mirror.SUBSCRIPTIONS,
    Invoice: mirror.INVOICES,
    PaymentMethod: mirror.PAYMENT_METHODS,
    Payment: mirror.PAYMENTS,
    Dispute: mirror.DISPUTES,
    CardUse: mirror.CARD_BUDGETS,
    Case: dunning.CASES,
    Attempt: dunning.ATTEMPTS,
    CaseEvent: dunning.CASE_EVENTS,
    AccessState: dunning.ACCESS_STATES,
    Assignment: merchants.ASSIGNMENTS,
    FlowVersion: cancelling.CANCEL_FLOWS,
    CancelSession: cancelling.CANCEL_SESSIONS,
    SurveyAnswer: cancelling.SURVEY_ANSWERS,
    CancelRequest: cancelling.CANCEL_REQUESTS,
    Evidence: cancelling.EVIDENCE,
    AfterLetters: afterwards.AFTER_LETTERS,
    MailPermission: afterwards.MAIL_PERMISSIONS,
    MendedReason: afterwards.MENDED_REASONS,
    ExitFeedback: afterwards.EXIT_FEEDBACK,
    Declaration: cancelling.DECLARATIONS,
    Consent: cancelling.CONSENTS,
    UsageFact: cancelling.USAGE_FACTS,
    Message: messages.MESSAGES,
    PaymentLink: messages.PAYMENT_LINKS,
    LinkEvent: messages.LINK_EVENTS,
    Letterhead: messages.LETTERHEADS,
    Channels: messages.CHANNELS,
    TemplateVersion: messages.TEMPLATE_VERSIONS,
    MessageEvent: messages.MESSAGE_EVENTS,
    Suppression: messages.SUPPRESSIONS,
    Action: dunning.ACTIONS,
    Redemption: redemptions.REDEMPTIONS,
    RedemptionStep: redemptions.REDEMPTION_STEPS,
    Failure: ledgers.FAILURES,
    FirstPayment: ledgers.FIRST_PAYMENTS,
    Taking: ledgers.TAKINGS,
    RecoveryEntry: ledgers.RECOVERY_ENTRIES,
    MrrMovement: ledgers.MRR_MOVEMENTS,
    ExchangeRate: ledgers.EXCHANGE_RATES,
    ChurnRecord: churn.CHURN_RECORDS,
    SaveStep: churn.SAVE_STEPS,
    ImportedSession: churn.IMPORTED_SESSIONS,
    Comparison: comparisons.COMPARISONS,
    ComparedLine: comparisons.COMPARED_LINES,
    AttemptDay: comparisons.ATTEMPT_DAYS,
    FlowCell: rollups.FLOW_CELLS,
    CohortCell: rollups.COHORT_CELLS,
    CohortStep: rollups.COHORT_STEPS,
    ArmCell: rollups.ARM_CELLS,
    ArmStep: rollups.ARM_STEPS,
    StandingCell: rollups.STANDING_CELLS,
    StandingMark: rollups.STANDING_MARKS,
    RollupMark: rollups.ROLLUP_MARKS,
    AuditEntry: operations.AUDIT_LOG,
    Alert: operations.ALERTS,
    IdempotencyKey: operations.IDEMPOTENCY_KEYS,
    EventEndpoint: events.EVENT_ENDPOINTS,
    EventSubject: events.EVENT_SUBJECTS,
    OutgoingEvent: events.OUTGOING_EVENTS,
    EventDelivery: events.EVENT_DELIVERIES,
    DeliveryTry: events.DELIVERY_TRIES,
}
# Never updated, never deleted: triggers and missing rights hold it.
APPEND_ONLY: frozenset[type[Any]] = frozenset(
    {
        Failure,
        FirstPayment,
        Taking,
        RecoveryEntry,
        MrrMovement,
        ExchangeRate,
        ChurnRecord,
        SaveStep,
        AuditEntry,
        TemplateVersion,
        Evidence,
        Consent,
    }
)
# Computed from ledgers, and deleted to be computed anew.
DERIVED: frozenset[type[Any]] = frozenset(
    {FlowCell, CohortCell, CohortStep, ArmCell, ArmStep, StandingCell, StandingMark, RollupMark}
)
# What the system role sees, of all merchants, to find out who is asking and what is due.
SYSTEM_SEES: frozenset[type[Any]] = frozenset(
    {
        InboxEvent,
        Action,
        ProviderAccount,
        ApiKey,
        CustomerTokenKey,
        PaymentLink,
        Alert,
        CancelSession,
    }
)


def table_for(kind: type[Any]) -> Table:
    """The table of a record type. Raises `KeyError` for a type that is not stored."""
    return TABLES[kind]


def in_order(kinds: "set[type[Any]]") -> list[type[Any]]:
    """Record types in the order of `TABLES`: every transaction writes tables in this order."""
    return [kind for kind in TABLES if kind in kinds]
