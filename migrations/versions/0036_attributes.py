"""Attributes that a merchant names, in the lines of the ledgers, and by how many a line of MRR
changes the number of those who pay."""

from alembic import op

revision = "0036"
down_revision = "0033"
STATEMENTS = (
    """
    alter table merchants add column attributes jsonb not null default '[]',
        add column past_attributes jsonb not null default '[]'
    """,
    """
    alter table mrr_movements add column attributes text collate "C", add column paying bigint
    """,
    'alter table churn_records add column attributes text collate "C"',
    # They are made anew out of the ledgers.
    "truncate rollup_marks, cohort_cells, flow_cells, arm_cells",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
