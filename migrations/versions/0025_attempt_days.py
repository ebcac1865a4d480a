"""Days of first attempts, and the action that looks whether more of them fail than usual."""

from alembic import op

revision = "0025"
down_revision = "0024"

IS_OURS = """
merchant_id = any ((
    select string_to_array(nullif(current_setting('holdfast.merchants', true), ''), ',')
)::text[])
"""
ACTIONS = (
    "assess", "retry", "resolve", "watch", "end", "send", "new_card", "read", "remind",
    "card_look", "deliver_event", "give_back", "reconcile", "access_change", "resolve_redemption",
    "release", "collection", "forgive",
    "end_pause", "tell_of_resuming",
    "cancel", "settle", "confirm", "close_session", "forget",
    "check_save", "forget_imported",
    "plan_after", "after_letter", "tell_mended", "forget_feedback",
    "declare", "refund",
    "compare", "check_invariants", "look_for_jump",
)  # fmt: skip


def upgrade() -> None:
    op.execute("""
        create table attempt_days (
            account_id text collate "C" not null,
            day text collate "C" not null,
            merchant_id text collate "C" not null,
            attempts bigint not null,
            failed bigint not null,
            constraint attempt_days_key primary key (account_id, day),
            constraint attempt_days_merchant_id_account_id_refers
                foreign key (merchant_id, account_id) references provider_accounts (merchant_id,
                    account_id) deferrable initially deferred,
            constraint attempt_days_counts check (failed >= 0 and attempts >= failed)
        )
    """)
    op.execute(
        "create index invoices_by_payment on invoices (paid_at, account_id) where status = 'paid'"
    )
    op.execute("alter table attempt_days enable row level security")
    op.execute("alter table attempt_days force row level security")
    op.execute(
        "create policy merchants_of_attempt_days on attempt_days to holdfast_app"
        f" using ({IS_OURS}) with check ({IS_OURS})"
    )
    op.execute("grant select, insert, update on attempt_days to holdfast_app")
    kinds = ", ".join(f"'{kind}'" for kind in ACTIONS)
    op.execute("alter table actions drop constraint actions_kind_words")
    op.execute(f"alter table actions add constraint actions_kind_words check (kind in ({kinds}))")
