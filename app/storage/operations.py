"""The inbox, the audit log, alerts, the keys of commands."""

from sqlalchemy import BigInteger, Column, Identity

from app.domain.operations import SHARES, Alert, AuditEntry, IdempotencyKey, InboxEvent
from app.storage.merchants import MERCHANT
from app.storage.tables import check, index, refers, table_of

# No foreign key here: it would lock one row of the account for each webhook, on the hottest path
# of all, and the account was just looked up to check the signature.
INBOX = table_of(
    InboxEvent,
    "inbox",
    Column("seq", BigInteger(), Identity(always=True), nullable=False),
    check("inbox_share", f"share between 0 and {SHARES - 1}"),
    index("inbox_pending_by_share", "share seq", where="state = 'pending'"),
    index("inbox_handled", "handled_at", where="handled_at is not null and body is not null"),
    index("inbox_heard", "merchant_id handled_at account_id", where="handled_at is not null"),
)
AUDIT_LOG = table_of(
    AuditEntry,
    "audit_log",
    refers(MERCHANT, "merchants"),
    index("audit_log_by_time", "merchant_id at audit_id"),
)
ALERTS = table_of(
    Alert,
    "alerts",
    refers(MERCHANT, "merchants"),
    index("alerts_open", "merchant_id at", where="resolved_at is null"),
    index("alerts_untold", "at", where="told_at is null and resolved_at is null"),
)
IDEMPOTENCY_KEYS = table_of(
    IdempotencyKey,
    "idempotency_keys",
    refers(MERCHANT, "merchants"),
    index("idempotency_keys_by_time", "merchant_id at"),
)
