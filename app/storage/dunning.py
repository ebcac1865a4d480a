"""Cases, their attempts and timeline, and what must be done when."""

from app.domain.access import AccessState
from app.domain.actions import Action
from app.domain.dunning import Attempt, Case, CaseEvent
from app.storage.merchants import ACCOUNT, MERCHANT
from app.storage.tables import belongs, check, index, refers, table_of

CASES = table_of(
    Case,
    "cases",
    belongs(ACCOUNT, "provider_accounts"),
    index("cases_by_state", "merchant_id state opened_at case_id"),
    index("cases_by_opening", "merchant_id opened_at case_id"),
    index("cases_by_customer", "customer_id account_id"),
    index("cases_by_subscription", "subscription_id account_id"),
)
ATTEMPTS = table_of(
    Attempt,
    "attempts",
    refers(ACCOUNT, "provider_accounts"),
    refers("case_id", "cases"),
    check("attempts_count_from_one", "number >= 1"),
    index("attempts_by_intent", "merchant_id intent_at"),
    index("attempts_in_doubt", "merchant_id intent_at", where="state in ('sent', 'unknown')"),
    index("attempts_by_refusal", "merchant_id refused_at", where="number = 1"),
)
CASE_EVENTS = table_of(
    CaseEvent,
    "case_events",
    belongs(MERCHANT, "merchants"),
    belongs("case_id", "cases"),
    index("case_events_by_case", "case_id at seq"),
    index(
        "case_events_of_moves",
        "merchant_id at",
        where="type in ('active', 'parked', 'recovered', 'exhausted', 'stopped')",
    ),
)
ACCESS_STATES = table_of(
    AccessState,
    "access_states",
    refers(ACCOUNT, "provider_accounts"),
    refers("case_id", "cases"),
)
ACTIONS = table_of(
    Action,
    "actions",
    belongs(ACCOUNT, "provider_accounts"),
    belongs("case_id", "cases"),
    check("actions_claims_count", "claims >= 0"),
    index("actions_due", "due_at key", where="state = 'pending' and leased_until is null"),
    index("actions_leased", "leased_until", where="state = 'pending' and leased_until is not null"),
    # Whether a customer has another action before this one, or one that is leased.
    index(
        "actions_pending_by_customer",
        "customer_id account_id due_at key",
        where="state = 'pending' and customer_id is not null",
    ),
    index("actions_by_case", "case_id state"),
    index("actions_parked", "customer_id account_id", where="state = 'parked'"),
)
