"""Steps: what any window of days counts, not only one that is kept. All rollups begin anew."""

from alembic import op

revision = "0034"
down_revision = "0033"

IS_OURS = """
merchant_id = any ((
    select string_to_array(nullif(current_setting('holdfast.merchants', true), ''), ',')
)::text[])
"""
TABLES = (
    """
    create table cohort_steps (
        merchant_id text collate "C" not null,
        layer text collate "C" not null,
        failed text collate "C" not null,
        recorded text collate "C" not null,
        currency text collate "C" not null,
        plan text collate "C" not null,
        interval text collate "C" not null,
        trial_conversion boolean not null,
        open boolean not null,
        days bigint not null,
        cash_minor bigint not null,
        other_minor bigint not null,
        credited_minor bigint not null,
        constraint cohort_steps_key primary key (merchant_id, layer, failed, recorded, currency,
            plan, interval, trial_conversion, open, days),
        constraint cohort_steps_currency_code check (currency ~ '^[a-z]{3,}$')
    ) with (fillfactor = 80)
    """,
    """
    create table arm_steps (
        merchant_id text collate "C" not null,
        failed text collate "C" not null,
        since text collate "C" not null,
        recorded text collate "C" not null,
        currency text collate "C" not null,
        arm text collate "C" not null,
        days bigint not null,
        cash_minor bigint not null,
        failed_cash numeric not null,
        cash_cash numeric not null,
        constraint arm_steps_key primary key (merchant_id, failed, since, recorded, currency, arm,
            days),
        constraint arm_steps_currency_code check (currency ~ '^[a-z]{3,}$')
    ) with (fillfactor = 80)
    """,
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
    for table in ("cohort_steps", "arm_steps"):
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"alter table {table} force row level security")
        op.execute(
            f"create policy merchants_of_{table} on {table} to holdfast_app"
            f" using ({IS_OURS}) with check ({IS_OURS})"
        )
        op.execute(f"grant select, insert, update, delete on {table} to holdfast_app")
    op.execute("truncate rollup_marks, cohort_cells, flow_cells, arm_cells")
