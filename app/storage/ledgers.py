"""What finance reads. Append-only by trigger: a correction is a new row."""

from app.domain.exchange import ExchangeRate
from app.domain.first_payments import FirstPayment
from app.domain.mrr import MrrMovement
from app.domain.recovery import Failure, RecoveryEntry
from app.domain.takings import Taking
from app.storage.merchants import ACCOUNT
from app.storage.tables import belongs, check, index, refers, table_of

SIGNS = """
case when kind in ('refunded', 'dispute_lost', 'credit_voided') then amount_minor <= 0
else amount_minor >= 0 end
"""

FAILURES = table_of(
    Failure,
    "failures",
    belongs(ACCOUNT, "provider_accounts"),
    belongs("case_id", "cases"),
    index("failures_by_time", "merchant_id failed_at"),
    index("failures_by_record", "merchant_id recorded_at"),
)
FIRST_PAYMENTS = table_of(
    FirstPayment,
    "first_payments",
    belongs(ACCOUNT, "provider_accounts"),
    index("first_payments_by_time", "merchant_id paid_at"),
    index("first_payments_by_record", "merchant_id recorded_at"),
)
TAKINGS = table_of(
    Taking,
    "takings",
    belongs(ACCOUNT, "provider_accounts"),
    index("takings_by_invoice", "invoice_id account_id"),
    index("takings_by_subscription", "subscription_id account_id occurred_at"),
    index("takings_by_record", "merchant_id recorded_at"),
)
RECOVERY_ENTRIES = table_of(
    RecoveryEntry,
    "recovery_entries",
    refers(ACCOUNT, "provider_accounts"),
    refers("case_id", "cases"),
    check("recovery_entries_sign", SIGNS.strip()),
    index("recovery_entries_by_time", "merchant_id occurred_at entry_id"),
    index("recovery_entries_by_invoice", "invoice_id account_id"),
    index("recovery_entries_by_record", "merchant_id recorded_at"),
)
MRR_MOVEMENTS = table_of(
    MrrMovement,
    "mrr_movements",
    belongs(ACCOUNT, "provider_accounts"),
    index("mrr_movements_by_time", "merchant_id occurred_at movement_id"),
    index("mrr_movements_by_customer", "customer_id account_id"),
    index("mrr_movements_by_record", "merchant_id recorded_at"),
)
RATE = "rate ~ '^[0-9]{1,12}(\\.[0-9]{1,12})?$' and rate::numeric > 0"
EXCHANGE_RATES = table_of(
    ExchangeRate,
    "exchange_rates",
    refers("merchant_id", "merchants"),
    check("exchange_rates_rate_number", RATE),
    index("exchange_rates_by_day", "merchant_id reporting day"),
)
