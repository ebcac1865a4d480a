"""Attributes that a merchant names, in the lines of the ledgers, and by how many a line of MRR
changes the number of those who pay."""

from alembic import op

revision = "0036"
down_revision = "0035"
STATEMENTS = (
    """
    alter table merchants add column attributes jsonb not null default '[]',
        add column past_attributes jsonb not null default '[]'
    """,
    """
    alter table mrr_movements add column attributes text collate "C", add column paying bigint
    """,
    'alter table churn_records add column attributes text collate "C"',
    "set local role holdfast_reporting",
    """
    create or replace view reporting.mrr_movements as
    select
        movement_id, merchant_id, account_id, subscription_id, customer_id, kind, currency,
        delta_minor, plan, interval, country, occurred_at, effective_at, recorded_at, attributes
    from public.mrr_movements
    """,
    """
    create or replace view reporting.churn_records as
    select
        record_id, merchant_id, account_id, subscription_id, customer_id, entry, kind, cause,
        origin, while_past_due, trial, decline_class, reason, feedback, currency, mrr_minor, count,
        plan, interval, segment, country, tenure_days, started_at, requested_at, ends_at,
        occurred_at, recorded_at, about, case_id, session_id, replaced_by, attributes
    from public.churn_records
    """,
    "set local role none",
    # They are made anew out of the ledgers.
    "truncate rollup_marks, cohort_cells, cohort_steps, flow_cells, arm_cells, arm_steps",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
