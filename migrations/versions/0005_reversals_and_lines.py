"""A refund that failed has a line of its own in the ledger; lines of a timeline are counted; an
invoice may be given back to the provider."""

from alembic import op

revision = "0005"
down_revision = "0004"

ACTIONS = (
    "assess", "retry", "resolve", "watch", "end", "send", "new_card", "read", "deliver_event",
    "give_back",
)  # fmt: skip
KINDS = "recovered", "settled_other", "refunded", "refund_failed", "dispute_lost", "dispute_won"


def upgrade() -> None:
    for table, words in (("recovery_entries", KINDS), ("actions", ACTIONS)):
        op.drop_constraint(f"{table}_kind_words", table)
        op.create_check_constraint(f"{table}_kind_words", table, f"kind in {words}")
    for table, column in (("cases", "lines"), ("case_events", "seq")):
        op.execute(f"alter table {table} add column {column} bigint not null default 0")
        op.execute(f"alter table {table} alter column {column} drop default")
    op.execute("drop index case_events_by_case")
    op.execute("create index case_events_by_case on case_events (case_id, at, seq)")
    op.create_check_constraint("cases_kind_words", "cases", "kind in ('payment', 'invoice')")
