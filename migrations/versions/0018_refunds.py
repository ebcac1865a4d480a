"""What is asked to be given back is written before it is asked, and counted; what was parked is
found by whom it concerns."""

from alembic import op

revision = "0018"
down_revision = "0017"

EVIDENCE = (
    "started", "step_viewed", "reason_selected", "answered", "offer_shown", "offer_declined",
    "offer_accepted", "offer_applied", "offer_failed", "previewed", "abandoned", "cancelled",
    "uncancelled", "refund_asked", "refunded",
)  # fmt: skip


def upgrade() -> None:
    listed = ", ".join(f"'{word}'" for word in EVIDENCE)
    op.execute("alter table evidence drop constraint evidence_kind_words")
    op.execute(
        f"alter table evidence add constraint evidence_kind_words check (kind in ({listed}))"
    )
    op.execute(
        "create index evidence_refunds on evidence (account_id, at) where kind = 'refund_asked'"
    )
    op.execute(
        "create index actions_parked on actions (customer_id, account_id) where state = 'parked'"
    )
    op.execute("drop index evidence_by_subscription")
    op.execute(
        "create index evidence_by_subscription on evidence (subscription_id, account_id, at)"
    )
