"""What was paid without a refusal, as a ledger: the whole that failures are a share of."""

from alembic import op

revision = "0024"
down_revision = "0023"

IS_OURS = """
merchant_id = any ((
    select string_to_array(nullif(current_setting('holdfast.merchants', true), ''), ',')
)::text[])
"""
READ = ("first_payments", "invoices", "failures", "subscriptions", "customers")
STATEMENTS = (
    """
    create table first_payments (
        merchant_id text collate "C" not null,
        account_id text collate "C" not null,
        invoice_id text collate "C" not null,
        subscription_id text collate "C",
        currency text collate "C" not null,
        amount_minor bigint not null,
        plan text collate "C",
        interval text collate "C",
        country text collate "C",
        paid_at timestamptz not null,
        recorded_at timestamptz not null,
        constraint first_payments_key primary key (account_id, invoice_id),
        constraint first_payments_currency_code check (currency ~ '^[a-z]{3,}$')
    )
    """,
    "create index first_payments_by_time on first_payments (merchant_id, paid_at)",
    "create index first_payments_by_record on first_payments (merchant_id, recorded_at)",
    "alter table first_payments enable row level security",
    "alter table first_payments force row level security",
    f"""
    create policy merchants_of_first_payments on first_payments to holdfast_app
        using ({IS_OURS}) with check ({IS_OURS})
    """,
    "grant select, insert on first_payments to holdfast_app",
    # What was paid before there was this ledger.
    *(f"alter table {table} no force row level security" for table in READ),
    """
    insert into first_payments (merchant_id, account_id, invoice_id, subscription_id, currency,
        amount_minor, plan, interval, country, paid_at, recorded_at)
    select i.merchant_id, i.account_id, i.invoice_id, i.subscription_id, i.currency, i.paid_minor,
        coalesce(s.plan, i.label), s.interval, c.country, i.paid_at, i.paid_at
    from invoices i
    left join subscriptions s using (account_id, subscription_id)
    left join customers c on c.account_id = i.account_id and c.customer_id = i.customer_id
    where i.status = 'paid' and i.paid_minor > 0 and i.paid_at is not null
        and i.collection_method is distinct from 'send_invoice' and not exists (
            select from failures f
            where f.account_id = i.account_id and f.invoice_id = i.invoice_id
        )
    """,
    *(f"alter table {table} force row level security" for table in READ),
    """
    create trigger first_payments_append_only before update or delete or truncate on first_payments
        for each statement execute function holdfast_append_only()
    """,
    """
    create trigger first_payments_of_provider_accounts after insert on first_payments
        referencing new table as given for each statement
        execute function holdfast_in_provider_accounts()
    """,
    """
    create trigger first_payments_stays before update on first_payments
        for each row when (old.account_id is distinct from new.account_id
            or old.merchant_id is distinct from new.merchant_id)
        execute function holdfast_stays()
    """,
    "truncate rollup_marks, cohort_cells, flow_cells",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
