"""Cancel flows, the sessions on their way through them, what was asked for and what was shown."""

from app.domain.cancellations import CancelRequest
from app.domain.declarations import Declaration
from app.domain.evidence import Evidence
from app.domain.flows import FlowVersion
from app.domain.sessions import CancelSession
from app.domain.survey import SurveyAnswer
from app.domain.usage import UsageFact
from app.domain.withdrawals import Consent
from app.storage.merchants import ACCOUNT, MERCHANT
from app.storage.tables import check, index, refers, table_of, unique_index

CANCEL_FLOWS = table_of(
    FlowVersion,
    "cancel_flows",
    refers(MERCHANT, "merchants"),
    check("cancel_flows_count_from_one", "version >= 1"),
    unique_index("cancel_flows_in_force", "merchant_id name", where="state = 'published'"),
)
CANCEL_SESSIONS = table_of(
    CancelSession,
    "cancel_sessions",
    refers(ACCOUNT, "provider_accounts"),
    # Two tabs are one session.
    unique_index(
        "cancel_sessions_under_way",
        "account_id subscription_id",
        where="state in ('open', 'applying', 'cancelling')",
    ),
    index("cancel_sessions_by_opening", "merchant_id opened_at session_id"),
    index("cancel_sessions_by_subscription", "account_id subscription_id"),
)
SURVEY_ANSWERS = table_of(
    SurveyAnswer,
    "survey_answers",
    refers(MERCHANT, "merchants"),
    refers("session_id", "cancel_sessions"),
    check("survey_answers_rating_range", "rating between 0 and 10"),
    check("survey_answers_likely_range", "likely between 0 and 10"),
    index("survey_answers_by_time", "merchant_id at session_id"),
)
CANCEL_REQUESTS = table_of(
    CancelRequest,
    "cancel_requests",
    refers(ACCOUNT, "provider_accounts"),
    refers("session_id", "cancel_sessions"),
    # Whoever asks twice, by whatever way, has asked once.
    unique_index(
        "cancel_requests_standing",
        "account_id subscription_id",
        where="state in ('asked', 'standing')",
    ),
    index("cancel_requests_by_subscription", "account_id subscription_id"),
    index("cancel_requests_by_time", "merchant_id requested_at request_id"),
    index("cancel_requests_asked", "merchant_id requested_at", where="state = 'asked'"),
)
EVIDENCE = table_of(
    Evidence,
    "evidence",
    refers(ACCOUNT, "provider_accounts"),
    index("evidence_by_session", "session_id at"),
    index("evidence_by_subscription", "subscription_id account_id at"),
    index("evidence_refunds", "account_id at", where="kind = 'refund_asked'"),
)
DECLARATIONS = table_of(
    Declaration,
    "declarations",
    refers(MERCHANT, "merchants"),
    index("declarations_by_time", "merchant_id received_at declaration_id"),
    index("declarations_by_address", "merchant_id email_hash received_at"),
    index("declarations_by_customer", "customer_id account_id"),
)
CONSENTS = table_of(
    Consent,
    "consents",
    refers(ACCOUNT, "provider_accounts"),
)
USAGE_FACTS = table_of(
    UsageFact,
    "usage_facts",
    refers(ACCOUNT, "provider_accounts"),
    check("usage_facts_place_range", "place between 0 and 99"),
)
