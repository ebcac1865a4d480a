"""Letters after somebody left: the switch, the permission, the answer, what was put right."""

from alembic import op

revision = "0014"
down_revision = "0013"

IS_OURS = """
merchant_id = any ((
    select string_to_array(nullif(current_setting('holdfast.merchants', true), ''), ',')
)::text[])
"""
TABLES = ("after_letters", "mail_permissions", "mended_reasons", "exit_feedback")
ACTIONS = (
    "assess", "retry", "resolve", "watch", "end", "send", "new_card", "read", "remind",
    "card_look", "deliver_event", "give_back", "reconcile", "access_change", "resolve_redemption",
    "release", "collection", "forgive",
    "end_pause", "tell_of_resuming",
    "cancel", "settle", "confirm", "close_session", "forget",
    "check_save", "forget_imported",
    "plan_after", "after_letter", "tell_mended", "forget_feedback",
)  # fmt: skip
STATEMENTS = (
    """
    create table after_letters (
        merchant_id text collate "C" not null,
        since jsonb not null,
        feedback_hours bigint not null,
        before_end_days bigint not null,
        win_back_days jsonb not null,
        return_url text collate "C",
        constraint after_letters_key primary key (merchant_id),
        constraint after_letters_merchant_id_refers
            foreign key (merchant_id) references merchants (merchant_id)
            deferrable initially deferred,
        constraint after_letters_waits check (feedback_hours >= 1 and before_end_days >= 1)
    )
    """,
    """
    create table mail_permissions (
        merchant_id text collate "C" not null,
        account_id text collate "C" not null,
        customer_id text collate "C" not null,
        given boolean not null,
        at timestamptz not null,
        how text collate "C" not null,
        noted_at timestamptz not null,
        constraint mail_permissions_key primary key (account_id, customer_id),
        constraint mail_permissions_merchant_id_account_id_refers
            foreign key (merchant_id, account_id) references provider_accounts (merchant_id,
                account_id) deferrable initially deferred
    )
    """,
    """
    create table mended_reasons (
        mended_id text collate "C" not null,
        merchant_id text collate "C" not null,
        reason text collate "C" not null,
        note jsonb not null,
        at timestamptz not null,
        by text collate "C" not null,
        constraint mended_reasons_key primary key (mended_id),
        constraint mended_reasons_merchant_id_refers
            foreign key (merchant_id) references merchants (merchant_id)
            deferrable initially deferred
    )
    """,
    """
    create table exit_feedback (
        request_id text collate "C" not null,
        merchant_id text collate "C" not null,
        account_id text collate "C" not null,
        customer_id text collate "C",
        subscription_id text collate "C" not null,
        words text collate "C",
        flags jsonb not null,
        at timestamptz not null,
        forgotten_at timestamptz,
        constraint exit_feedback_key primary key (request_id),
        constraint exit_feedback_merchant_id_account_id_refers
            foreign key (merchant_id, account_id) references provider_accounts (merchant_id,
                account_id) deferrable initially deferred,
        constraint exit_feedback_request_id_refers
            foreign key (request_id) references cancel_requests (request_id)
            deferrable initially deferred
    )
    """,
    "create index mended_reasons_by_reason on mended_reasons (merchant_id, reason, at)",
    "create index exit_feedback_by_time on exit_feedback (merchant_id, at, request_id)",
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
