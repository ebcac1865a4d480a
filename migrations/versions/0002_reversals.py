"""A refund that failed has a line of its own in the ledger."""

from alembic import op

revision = "0002"
down_revision = "0001"

KINDS = "recovered", "settled_other", "refunded", "refund_failed", "dispute_lost", "dispute_won"


def upgrade() -> None:
    rule = "recovery_entries_kind_words"
    op.drop_constraint(rule, "recovery_entries")
    op.create_check_constraint(rule, "recovery_entries", f"kind in {KINDS}")
