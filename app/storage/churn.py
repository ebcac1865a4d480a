"""Who left, who was kept, and what another product knew of it."""

from app.domain.churn import ChurnRecord
from app.domain.imports import ImportedSession
from app.domain.saves import SaveStep
from app.storage.merchants import ACCOUNT
from app.storage.tables import check, index, refers, table_of

COUNTS = """
case when entry in ('pending', 'churned') then count = 1 and mrr_minor >= 0
else count = -1 and mrr_minor <= 0 end
"""

CHURN_RECORDS = table_of(
    ChurnRecord,
    "churn_records",
    refers(ACCOUNT, "provider_accounts"),
    check("churn_records_sign", COUNTS.strip()),
    index("churn_records_by_time", "merchant_id occurred_at record_id"),
    index("churn_records_by_customer", "customer_id account_id"),
    index("churn_records_by_record", "merchant_id recorded_at"),
)
SAVE_STEPS = table_of(
    SaveStep,
    "save_steps",
    refers(ACCOUNT, "provider_accounts"),
    refers("session_id", "cancel_sessions"),
    check("save_steps_cost_count", "cost_minor >= 0"),
    index("save_steps_by_time", "merchant_id begun_at session_id"),
    index("save_steps_by_record", "merchant_id recorded_at"),
    index("save_steps_accepted", "subscription_id account_id", where="rung = 'accepted'"),
)
IMPORTED_SESSIONS = table_of(
    ImportedSession,
    "imported_sessions",
    refers(ACCOUNT, "provider_accounts"),
    index("imported_sessions_by_time", "merchant_id at import_id"),
    index("imported_sessions_by_subscription", "account_id subscription_id"),
)
