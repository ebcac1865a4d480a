"""The ledger beside the provider: comparisons, their lines, and the action that makes them."""

from alembic import op

revision = "0020"
down_revision = "0019"

IS_OURS = """
merchant_id = any ((
    select string_to_array(nullif(current_setting('holdfast.merchants', true), ''), ',')
)::text[])
"""
TABLES = ("comparisons", "compared_lines")
ACTIONS = (
    "assess", "retry", "resolve", "watch", "end", "send", "new_card", "read", "remind",
    "card_look", "deliver_event", "give_back", "reconcile", "access_change", "resolve_redemption",
    "release", "collection", "forgive",
    "end_pause", "tell_of_resuming",
    "cancel", "settle", "confirm", "close_session", "forget",
    "check_save", "forget_imported",
    "plan_after", "after_letter", "tell_mended", "forget_feedback",
    "declare", "refund",
    "compare",
)  # fmt: skip
STATEMENTS = (
    """
    create table comparisons (
        comparison_id text collate "C" not null,
        merchant_id text collate "C" not null,
        account_id text collate "C" not null,
        asked_by text collate "C" not null,
        since timestamptz not null,
        until timestamptz not null,
        began_at timestamptz not null,
        ended_at timestamptz,
        part text collate "C" not null,
        after text collate "C",
        asked bigint not null,
        lines bigint not null,
        mended bigint not null,
        differing bigint not null,
        totals jsonb,
        constraint comparisons_key primary key (comparison_id),
        constraint comparisons_merchant_id_account_id_refers
            foreign key (merchant_id, account_id) references provider_accounts (merchant_id,
                account_id) deferrable initially deferred,
        constraint comparisons_span check (since < until),
        constraint comparisons_counts
            check (lines >= mended + differing and mended >= 0 and differing >= 0)
    )
    """,
    """
    create table compared_lines (
        comparison_id text collate "C" not null,
        kind text collate "C" not null,
        ref text collate "C" not null,
        merchant_id text collate "C" not null,
        account_id text collate "C" not null,
        invoice_id text collate "C" not null,
        payment_id text collate "C",
        currency text collate "C" not null,
        ours_minor bigint not null,
        theirs_minor bigint,
        state text collate "C" not null,
        looked_at timestamptz not null,
        constraint compared_lines_key primary key (comparison_id, kind, ref),
        constraint compared_lines_merchant_id_refers
            foreign key (merchant_id) references merchants (merchant_id)
            deferrable initially deferred,
        constraint compared_lines_comparison_id_refers
            foreign key (comparison_id) references comparisons (comparison_id)
            deferrable initially deferred,
        constraint compared_lines_kind_words
            check (kind in ('paid', 'given_back', 'lost', 'owed')),
        constraint compared_lines_state_words
            check (state in ('unmet', 'agrees', 'mended', 'differs')),
        constraint compared_lines_currency_code check (currency ~ '^[a-z]{3,}$')
    )
    """,
    "create index comparisons_by_account on comparisons (account_id, asked_by, until)",
    "create index comparisons_by_time on comparisons (merchant_id, began_at, comparison_id)",
    "create index compared_lines_by_invoice on compared_lines (comparison_id, invoice_id)",
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
