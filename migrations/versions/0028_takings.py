"""What the provider took and gave back as a ledger, and rollups of what was read row by row."""

from alembic import op

revision = "0028"
down_revision = "0027"

IS_OURS = """
merchant_id = any ((
    select string_to_array(nullif(current_setting('holdfast.merchants', true), ''), ',')
)::text[])
"""
READ = ("takings", "payments", "invoices", "redemptions", "cancel_sessions", "subscriptions")
# Of a payment that was heard of before there was this ledger: when it was given back in part is
# not known, only when that was told last.
BEFORE = """
    insert into takings (taking_id, merchant_id, account_id, payment_id, invoice_id,
        subscription_id, currency, paid_minor, refunded_minor, occurred_at, recorded_at)
    select w.name || p.account_id || ':' || p.payment_id, p.merchant_id, p.account_id,
        p.payment_id, p.invoice_id, i.subscription_id, p.currency, w.paid, w.refunded,
        p.occurred_at, w.at
    from payments p
    left join invoices i on i.account_id = p.account_id and i.invoice_id = p.invoice_id
    cross join lateral (values
        ('tkn_paid:', p.amount_minor, 0, p.occurred_at),
        ('tkn_refunded:', 0, p.refunded_minor,
            greatest(p.occurred_at, coalesce(p.seen_at, p.occurred_at)))
    ) w (name, paid, refunded, at)
    where p.status = 'succeeded' and p.invoice_id is not null and p.occurred_at is not null
        and w.paid + w.refunded > 0
"""
ARMS = """
    create table arm_cells (
        merchant_id text collate "C" not null,
        failed text collate "C" not null,
        since text collate "C" not null,
        recorded text collate "C" not null,
        currency text collate "C" not null,
        arm text collate "C" not null,
        n bigint not null,
        customers bigint not null,
        failed_minor bigint not null,
        cash_7_minor bigint not null,
        cash_14_minor bigint not null,
        cash_30_minor bigint not null,
        cash_60_minor bigint not null,
        cash_90_minor bigint not null,
        failed_failed numeric not null,
        failed_cash_7 numeric not null,
        failed_cash_14 numeric not null,
        failed_cash_30 numeric not null,
        failed_cash_60 numeric not null,
        failed_cash_90 numeric not null,
        cash_cash_7 numeric not null,
        cash_cash_14 numeric not null,
        cash_cash_30 numeric not null,
        cash_cash_60 numeric not null,
        cash_cash_90 numeric not null,
        constraint arm_cells_key primary key (merchant_id, failed, since, recorded, currency,
            arm),
        constraint arm_cells_currency_code check (currency ~ '^[a-z]{3,}$')
    )
"""
TAKINGS = """
    create table takings (
        taking_id text collate "C" not null,
        merchant_id text collate "C" not null,
        account_id text collate "C" not null,
        payment_id text collate "C" not null,
        invoice_id text collate "C" not null,
        subscription_id text collate "C",
        currency text collate "C" not null,
        paid_minor bigint not null,
        refunded_minor bigint not null,
        occurred_at timestamptz not null,
        recorded_at timestamptz not null,
        constraint takings_key primary key (taking_id),
        constraint takings_currency_code check (currency ~ '^[a-z]{3,}$')
    )
"""
STATEMENTS = (
    TAKINGS,
    "create index takings_by_invoice on takings (invoice_id, account_id)",
    """
    create index takings_by_subscription on takings (subscription_id, account_id, occurred_at)
    """,
    "create index takings_by_record on takings (merchant_id, recorded_at)",
    ARMS,
    "create index assignments_by_customer on assignments (merchant_id, customer_id, experiment)",
    *(
        f'alter table redemptions add column {name} text collate "C"'
        for name in ("given_reason", "plan", "interval")
    ),
    "create index redemptions_by_subscription on redemptions (subscription_id, account_id)",
    "create index redemptions_by_claim on redemptions (merchant_id, claimed_at)",
    "create index redemptions_by_settlement on redemptions (merchant_id, settled_at)",
)
FORMER = (
    BEFORE,
    # What was accepted before is where its subscription is now.
    """
    update redemptions d set given_reason = x.reason
    from cancel_sessions x where x.session_id = d.session_id
    """,
    """
    update redemptions d set plan = s.plan, interval = s.interval
    from subscriptions s
    where s.account_id = d.account_id and s.subscription_id = d.subscription_id
    """,
)
GUARDS = (
    """
    create trigger takings_append_only before update or delete or truncate on takings
        for each statement execute function holdfast_append_only()
    """,
    """
    create trigger takings_of_provider_accounts after insert on takings
        referencing new table as given for each statement
        execute function holdfast_in_provider_accounts()
    """,
    """
    create trigger takings_stays before update on takings
        for each row when (old.account_id is distinct from new.account_id
            or old.merchant_id is distinct from new.merchant_id)
        execute function holdfast_stays()
    """,
    "grant select, insert on takings to holdfast_app",
    "grant select, insert, update, delete on arm_cells to holdfast_app",
    # They are made anew out of the ledgers.
    "truncate rollup_marks, cohort_cells, flow_cells",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    for table in ("takings", "arm_cells"):
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"alter table {table} force row level security")
        op.execute(
            f"create policy merchants_of_{table} on {table} to holdfast_app"
            f" using ({IS_OURS}) with check ({IS_OURS})"
        )
    for table in READ:
        op.execute(f"alter table {table} no force row level security")
    for statement in FORMER:
        op.execute(statement)
    for table in READ:
        op.execute(f"alter table {table} force row level security")
    for statement in GUARDS:
        op.execute(statement)
