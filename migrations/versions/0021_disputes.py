"""Disputes as we saw them last."""

from alembic import op

revision = "0021"
down_revision = "0020"

IS_OURS = """
merchant_id = any ((
    select string_to_array(nullif(current_setting('holdfast.merchants', true), ''), ',')
)::text[])
"""
DISPUTES = (
    """
    create table disputes (
        merchant_id text collate "C" not null,
        account_id text collate "C" not null,
        dispute_id text collate "C" not null,
        customer_id text collate "C",
        invoice_id text collate "C",
        charge_id text collate "C",
        payment_id text collate "C",
        amount_minor bigint not null,
        currency text collate "C" not null,
        status text collate "C" not null,
        seen_at timestamptz,
        constraint disputes_key primary key (account_id, dispute_id),
        constraint disputes_merchant_id_account_id_refers foreign key (merchant_id, account_id)
            references provider_accounts (merchant_id, account_id) deferrable initially deferred,
        constraint disputes_currency_code check (currency ~ '^[a-z]{3,}$')
    )
    """,
    "create index disputes_by_customer on disputes (customer_id, account_id)",
    "alter table disputes enable row level security",
    "alter table disputes force row level security",
    f"""
    create policy merchants_of_disputes on disputes to holdfast_app
        using ({IS_OURS}) with check ({IS_OURS})
    """,
    "grant select, insert, update on disputes to holdfast_app",
)


def upgrade() -> None:
    for statement in DISPUTES:
        op.execute(statement)
