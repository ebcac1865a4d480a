"""Rates by which figures are told in a reporting currency; a correction is a new line."""

from alembic import op

revision = "0037"
down_revision = "0036"

IS_OURS = """
merchant_id = any ((
    select string_to_array(nullif(current_setting('holdfast.merchants', true), ''), ',')
)::text[])
"""
STATEMENTS = (
    """
    create table exchange_rates (
        rate_id text collate "C" not null,
        merchant_id text collate "C" not null,
        currency text collate "C" not null,
        reporting text collate "C" not null,
        day text collate "C" not null,
        rate text collate "C" not null,
        recorded_by text collate "C" not null,
        recorded_at timestamptz not null,
        constraint exchange_rates_key primary key (rate_id),
        constraint exchange_rates_merchant_id_refers
            foreign key (merchant_id) references merchants (merchant_id)
            deferrable initially deferred,
        constraint exchange_rates_rate_number
            check (rate ~ '^[0-9]{1,12}(\\.[0-9]{1,12})?$' and rate::numeric > 0),
        constraint exchange_rates_currency_code check (currency ~ '^[a-z]{3,}$')
    )
    """,
    "create index exchange_rates_by_day on exchange_rates (merchant_id, reporting, day)",
    "alter table exchange_rates enable row level security",
    "alter table exchange_rates force row level security",
    f"""
    create policy merchants_of_exchange_rates on exchange_rates to holdfast_app
        using ({IS_OURS}) with check ({IS_OURS})
    """,
    "grant select, insert on exchange_rates to holdfast_app",
    """
    create trigger exchange_rates_append_only before update or delete or truncate on exchange_rates
        for each statement execute function holdfast_append_only()
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
