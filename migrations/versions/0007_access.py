"""What customers may use: the level told last, the clock of a hold, keys of customer tokens."""

from alembic import op

revision = "0007"
down_revision = "0006"

IS_OURS = """
merchant_id = any ((
    select string_to_array(nullif(current_setting('holdfast.merchants', true), ''), ',')
)::text[])
"""
TABLES = ("access_states", "customer_token_keys")
STATEMENTS = (
    """
    alter table cases
        add column hold_began timestamptz,
        add column held_s bigint not null default 0
    """,
    "alter table cases alter column held_s drop default",
    """
    create table access_states (
        merchant_id text collate "C" not null,
        account_id text collate "C" not null,
        subscription_id text collate "C" not null,
        customer_id text collate "C",
        case_id text collate "C",
        level text collate "C" not null,
        until timestamptz,
        reason text collate "C" not null,
        changed_at timestamptz not null,
        constraint access_states_key primary key (account_id, subscription_id),
        constraint access_states_merchant_id_account_id_refers
            foreign key (merchant_id, account_id) references provider_accounts (merchant_id,
                account_id) deferrable initially deferred,
        constraint access_states_case_id_refers
            foreign key (case_id) references cases (case_id) deferrable initially deferred,
        constraint access_states_level_words
            check (level in ('full', 'grace', 'restricted', 'blocked', 'ended'))
    )
    """,
    """
    create table customer_token_keys (
        key_id text collate "C" not null,
        merchant_id text collate "C" not null,
        account_id text collate "C" not null,
        name text collate "C" not null,
        algorithm text collate "C" not null,
        material_sealed text collate "C" not null,
        origins jsonb not null,
        created_at timestamptz not null,
        revoked_at timestamptz,
        constraint customer_token_keys_key primary key (key_id),
        constraint customer_token_keys_merchant_id_account_id_refers
            foreign key (merchant_id, account_id) references provider_accounts (merchant_id,
                account_id) deferrable initially deferred,
        constraint customer_token_keys_algorithm_words
            check (algorithm in ('HS256', 'EdDSA'))
    )
    """,
    """
    create index customer_token_keys_by_merchant
        on customer_token_keys (merchant_id, created_at, key_id)
    """,
    # A customer is asked for without the account as well.
    "drop index subscriptions_by_customer",
    "create index subscriptions_by_customer on subscriptions (customer_id, account_id)",
    "drop index cases_by_customer",
    "create index cases_by_customer on cases (customer_id, account_id)",
    "alter table actions drop constraint actions_kind_words",
    """
    alter table actions add constraint actions_kind_words
        check (kind in ('assess', 'retry', 'resolve', 'watch', 'end', 'send', 'new_card', 'read',
            'remind', 'card_look', 'deliver_event', 'give_back', 'access_change'))
    """,
    "grant select on customer_token_keys to holdfast_system",
    """
    create policy system_of_customer_token_keys on customer_token_keys to holdfast_system
        using (true) with check (true)
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
        op.execute(f"grant select, insert, update on {table} to holdfast_app")
