"""Credit notes: what they took off an invoice, and their lines in the ledger."""

from alembic import op

revision = "0009"
down_revision = "0008"

KINDS = (
    "recovered", "settled_other", "refunded", "refund_failed", "dispute_lost", "dispute_won",
    "credited", "credit_voided",
)  # fmt: skip
SIGN = """
case when kind in ('refunded', 'dispute_lost', 'credit_voided') then amount_minor <= 0
else amount_minor >= 0 end
"""


def upgrade() -> None:
    for column in ("credited_minor", "credited_after_minor"):
        op.execute(f"alter table invoices add column {column} bigint not null default 0")
        op.execute(f"alter table invoices alter column {column} drop default")
    entries = "recovery_entries"
    for name in ("kind_words", "sign"):
        op.drop_constraint(f"{entries}_{name}", entries)
    op.create_check_constraint(f"{entries}_kind_words", entries, f"kind in {KINDS}")
    op.create_check_constraint(f"{entries}_sign", entries, SIGN)
