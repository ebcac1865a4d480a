"""Asking whether all holds that must: its action, and indexes of what has not come to its end."""

from alembic import op

revision = "0022"
down_revision = "0021"

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
    "check_invariants",
)  # fmt: skip
INDEXES = (
    """
    create index attempts_in_doubt on attempts (merchant_id, intent_at)
        where state in ('sent', 'unknown')
    """,
    """
    create index messages_waiting on messages (merchant_id, due_at)
        where state in ('planned', 'sending')
    """,
    """
    create index invoices_failed on invoices (merchant_id, seen_at)
        where status = 'open' and attempt_count > 0
    """,
    """
    create index cancel_requests_asked on cancel_requests (merchant_id, requested_at)
        where state = 'asked'
    """,
    """
    create index redemptions_at_work on redemptions (merchant_id, claimed_at)
        where state in ('applying', 'waiting', 'undoing')
    """,
    "create index alerts_open on alerts (merchant_id, at) where resolved_at is null",
    "create index idempotency_keys_by_time on idempotency_keys (merchant_id, at)",
)


def upgrade() -> None:
    for statement in INDEXES:
        op.execute(statement)
    kinds = ", ".join(f"'{kind}'" for kind in ACTIONS)
    op.execute("alter table actions drop constraint actions_kind_words")
    op.execute(f"alter table actions add constraint actions_kind_words check (kind in ({kinds}))")
