"""Rollups of every ledger, and movements of MRR that say where they moved it."""

from alembic import op

revision = "0019"
down_revision = "0018"

IS_OURS = """
merchant_id = any ((
    select string_to_array(nullif(current_setting('holdfast.merchants', true), ''), ',')
)::text[])
"""
READ = ("mrr_movements", "subscriptions", "customers")
STATEMENTS = (
    # Rollups are made anew out of the ledgers.
    "truncate rollup_marks, cohort_cells",
    "alter table cohort_cells drop constraint cohort_cells_merchant_id_refers",
    "drop table flow_cells",
    """
    create table flow_cells (
        merchant_id text collate "C" not null,
        ledger text collate "C" not null,
        layer text collate "C" not null,
        happened text collate "C" not null,
        since text collate "C" not null,
        recorded text collate "C" not null,
        currency text collate "C" not null,
        kind text collate "C" not null,
        named text collate "C" not null,
        n bigint not null,
        minor bigint not null,
        constraint flow_cells_key primary key (merchant_id, ledger, layer, happened, since,
            recorded, currency, kind, named),
        constraint flow_cells_currency_code check (currency ~ '^[a-z]{3,}$')
    )
    """,
    "alter table flow_cells enable row level security",
    "alter table flow_cells force row level security",
    f"""
    create policy merchants_of_flow_cells on flow_cells to holdfast_app
        using ({IS_OURS}) with check ({IS_OURS})
    """,
    "grant select, insert, update, delete on flow_cells to holdfast_app",
    "create index churn_records_by_record on churn_records (merchant_id, recorded_at)",
    "create index save_steps_by_record on save_steps (merchant_id, recorded_at)",
    'alter table mrr_movements add column plan text collate "C"',
    'alter table mrr_movements add column interval text collate "C"',
    'alter table mrr_movements add column country text collate "C"',
    "alter table mrr_movements drop constraint mrr_movements_kind_words",
    """
    alter table mrr_movements add constraint mrr_movements_kind_words
        check (kind in ('opening', 'new', 'expansion', 'contraction', 'churn_voluntary',
            'churn_involuntary', 'churn_merchant', 'migration', 'reactivation', 'pause',
            'resume', 'fx', 'switch'))
    """,
    # What was written before is where its subscription is now.
    *(f"alter table {table} no force row level security" for table in READ),
    "alter table mrr_movements disable trigger mrr_movements_append_only",
    """
    update mrr_movements v set plan = s.plan, interval = s.interval, country = c.country
    from subscriptions s left join customers c using (account_id, customer_id)
    where s.account_id = v.account_id and s.subscription_id = v.subscription_id
    """,
    "alter table mrr_movements enable trigger mrr_movements_append_only",
    *(f"alter table {table} force row level security" for table in READ),
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
