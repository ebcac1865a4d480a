"""What nights found: comparisons of the ledger with the provider, and days of first attempts."""

from app.domain.comparing import ComparedLine, Comparison
from app.domain.jumps import AttemptDay
from app.storage.merchants import ACCOUNT, MERCHANT
from app.storage.tables import check, index, refers, table_of

COMPARISONS = table_of(
    Comparison,
    "comparisons",
    refers(ACCOUNT, "provider_accounts"),
    check("comparisons_span", "since < until"),
    check("comparisons_counts", "lines >= mended + differing and mended >= 0 and differing >= 0"),
    index("comparisons_by_account", "account_id asked_by until"),
    index("comparisons_by_time", "merchant_id began_at comparison_id"),
)
COMPARED_LINES = table_of(
    ComparedLine,
    "compared_lines",
    refers(MERCHANT, "merchants"),
    refers("comparison_id", "comparisons"),
    index("compared_lines_by_invoice", "comparison_id invoice_id"),
)
ATTEMPT_DAYS = table_of(
    AttemptDay,
    "attempt_days",
    refers(ACCOUNT, "provider_accounts"),
    check("attempt_days_counts", "failed >= 0 and attempts >= failed"),
)
