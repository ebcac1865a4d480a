"""Accepted offers, the provider calls they consist of, and the look that finishes them."""

from alembic import op

revision = "0012"
down_revision = "0011"

IS_OURS = """
merchant_id = any ((
    select string_to_array(nullif(current_setting('holdfast.merchants', true), ''), ',')
)::text[])
"""
TABLES = ("redemptions", "redemption_steps")
ACTIONS = (
    "assess", "retry", "resolve", "watch", "end", "send", "new_card", "read", "remind",
    "card_look", "deliver_event", "give_back", "reconcile", "access_change", "resolve_redemption",
    "release", "collection", "forgive",
    "end_pause", "tell_of_resuming",
    "cancel", "settle", "confirm", "close_session", "forget",
)  # fmt: skip
STATEMENTS = (
    """
    create table redemptions (
        redemption_id text collate "C" not null,
        merchant_id text collate "C" not null,
        account_id text collate "C" not null,
        customer_id text collate "C",
        subscription_id text collate "C" not null,
        session_id text collate "C" not null,
        offer_id text collate "C" not null,
        kind text collate "C" not null,
        terms jsonb not null,
        state text collate "C" not null,
        cost_minor bigint not null,
        currency text collate "C" not null,
        claimed_at timestamptz not null,
        settled_at timestamptz,
        resumes_at timestamptz,
        looks bigint not null,
        reason text collate "C",
        constraint redemptions_key primary key (redemption_id),
        constraint redemptions_merchant_id_session_id_unique unique (merchant_id, session_id),
        constraint redemptions_merchant_id_account_id_refers
            foreign key (merchant_id, account_id) references provider_accounts (merchant_id,
                account_id) deferrable initially deferred,
        constraint redemptions_state_words
            check (state in ('applying', 'waiting', 'applied', 'undoing', 'failed', 'parked')),
        constraint redemptions_currency_code check (currency ~ '^[a-z]{3,}$'),
        constraint redemptions_cost_count check (cost_minor >= 0)
    )
    """,
    """
    create table redemption_steps (
        redemption_id text collate "C" not null,
        number bigint not null,
        merchant_id text collate "C" not null,
        change jsonb not null,
        undo jsonb,
        state text collate "C" not null,
        tries bigint not null,
        sent_at timestamptz,
        done_at timestamptz,
        note text collate "C",
        constraint redemption_steps_key primary key (redemption_id, number),
        constraint redemption_steps_merchant_id_refers
            foreign key (merchant_id) references merchants (merchant_id)
            deferrable initially deferred,
        constraint redemption_steps_redemption_id_refers
            foreign key (redemption_id) references redemptions (redemption_id)
            deferrable initially deferred,
        constraint redemption_steps_state_words check (state in ('planned', 'sent', 'done',
            'refused', 'undo_sent', 'undone')),
        constraint redemption_steps_count_from_one check (number >= 1 and tries >= 1)
    )
    """,
    """
    create index redemptions_by_customer
        on redemptions (account_id, customer_id, claimed_at)
    """,
    "create index redemptions_by_offer on redemptions (merchant_id, offer_id, claimed_at)",
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
    kinds = ", ".join(f"'{kind}'" for kind in ACTIONS)
    op.execute("alter table actions drop constraint actions_kind_words")
    op.execute(f"alter table actions add constraint actions_kind_words check (kind in ({kinds}))")
