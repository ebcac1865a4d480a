"""Churn by tenure and MRR band is kept for whole periods."""

from alembic import op

revision = "0038"
down_revision = "0037"

IS_OURS = """
merchant_id = any ((
    select string_to_array(nullif(current_setting('holdfast.merchants', true), ''), ',')
)::text[])
"""
TABLES = (
    """
    create table standing_cells (
        merchant_id text collate "C" not null,
        starts_at timestamptz not null,
        ends_at timestamptz not null,
        currency text collate "C" not null,
        tenure text collate "C" not null,
        mrr_band text collate "C" not null,
        kind text collate "C" not null,
        young boolean not null,
        n bigint not null,
        minor bigint not null,
        constraint standing_cells_key primary key (merchant_id, starts_at, ends_at, currency,
            tenure, mrr_band, kind, young),
        constraint standing_cells_currency_code check (currency ~ '^[a-z]{3,}$')
    )
    """,
    """
    create table standing_marks (
        merchant_id text collate "C" not null,
        starts_at timestamptz not null,
        ends_at timestamptz not null,
        known_from timestamptz not null,
        known_until timestamptz not null,
        constraint standing_marks_key primary key (merchant_id, starts_at, ends_at)
    )
    """,
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
    for table in ("standing_cells", "standing_marks"):
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"alter table {table} force row level security")
        op.execute(
            f"create policy merchants_of_{table} on {table} to holdfast_app"
            f" using ({IS_OURS}) with check ({IS_OURS})"
        )
        op.execute(f"grant select, insert, update, delete on {table} to holdfast_app")
