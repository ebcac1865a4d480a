"""Rollups of the ledgers, and what their folding looks for: lines by when they were recorded."""

from alembic import op

revision = "0016"
down_revision = "0015"

IS_OURS = """
merchant_id = any ((
    select string_to_array(nullif(current_setting('holdfast.merchants', true), ''), ',')
)::text[])
"""
TABLES = ("flow_cells", "cohort_cells", "rollup_marks")
STATEMENTS = (
    """
    create table flow_cells (
        merchant_id text collate "C" not null,
        ledger text collate "C" not null,
        layer text collate "C" not null,
        happened text collate "C" not null,
        recorded text collate "C" not null,
        currency text collate "C" not null,
        kind text collate "C" not null,
        cause text collate "C" not null,
        plan text collate "C" not null,
        interval text collate "C" not null,
        n bigint not null,
        minor bigint not null,
        constraint flow_cells_key primary key (merchant_id, ledger, layer, happened,
            recorded, currency, kind, cause, plan, interval),
        constraint flow_cells_merchant_id_refers foreign key (merchant_id)
            references merchants (merchant_id) deferrable initially deferred,
        constraint flow_cells_currency_code check (currency ~ '^[a-z]{3,}$')
    )
    """,
    """
    create table cohort_cells (
        merchant_id text collate "C" not null,
        layer text collate "C" not null,
        failed text collate "C" not null,
        recorded text collate "C" not null,
        currency text collate "C" not null,
        plan text collate "C" not null,
        interval text collate "C" not null,
        trial_conversion boolean not null,
        open boolean not null,
        n bigint not null,
        n_excluded bigint not null,
        failed_minor bigint not null,
        excluded_minor bigint not null,
        owed_minor bigint not null,
        cash_7_minor bigint not null,
        cash_14_minor bigint not null,
        cash_30_minor bigint not null,
        cash_60_minor bigint not null,
        cash_90_minor bigint not null,
        other_7_minor bigint not null,
        other_14_minor bigint not null,
        other_30_minor bigint not null,
        other_60_minor bigint not null,
        other_90_minor bigint not null,
        credited_7_minor bigint not null,
        credited_14_minor bigint not null,
        credited_30_minor bigint not null,
        credited_60_minor bigint not null,
        credited_90_minor bigint not null,
        constraint cohort_cells_key primary key (merchant_id, layer, failed, recorded,
            currency, plan, interval, trial_conversion, open),
        constraint cohort_cells_merchant_id_refers foreign key (merchant_id)
            references merchants (merchant_id) deferrable initially deferred,
        constraint cohort_cells_currency_code check (currency ~ '^[a-z]{3,}$')
    )
    """,
    """
    create table rollup_marks (
        merchant_id text collate "C" not null,
        time_zone text collate "C" not null,
        folded_until timestamptz not null,
        constraint rollup_marks_key primary key (merchant_id),
        constraint rollup_marks_merchant_id_refers foreign key (merchant_id)
            references merchants (merchant_id) deferrable initially deferred
    )
    """,
    "create index failures_by_record on failures (merchant_id, recorded_at)",
    "create index recovery_entries_by_record on recovery_entries (merchant_id, recorded_at)",
    "create index mrr_movements_by_record on mrr_movements (merchant_id, recorded_at)",
    """
    create index case_events_of_moves on case_events (merchant_id, at)
        where type in ('active', 'parked', 'recovered', 'exhausted', 'stopped')
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    for table in TABLES:
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"alter table {table} force row level security")
        op.execute(
            f"create policy merchants_of_{table} on {table} to holdfast_app"
            f" using ({IS_OURS}) with check ({IS_OURS})"
        )
        op.execute(f"grant select, insert, update, delete on {table} to holdfast_app")
