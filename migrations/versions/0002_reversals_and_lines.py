"""A refund that failed has a line of its own in the ledger; lines of a timeline are counted."""

from alembic import op

revision = "0002"
down_revision = "0001"

KINDS = "recovered", "settled_other", "refunded", "refund_failed", "dispute_lost", "dispute_won"


def upgrade() -> None:
    rule = "recovery_entries_kind_words"
    op.drop_constraint(rule, "recovery_entries")
    op.create_check_constraint(rule, "recovery_entries", f"kind in {KINDS}")
    for table, column in (("cases", "lines"), ("case_events", "seq")):
        op.execute(f"alter table {table} add column {column} bigint not null default 0")
        op.execute(f"alter table {table} alter column {column} drop default")
    op.execute("drop index case_events_by_case")
    op.execute("create index case_events_by_case on case_events (case_id, at, seq)")
