"""What an attempt knew of the provider's own retries, the invoice's attempt count at its intent;
which card we made a subscription's own; and what it brings before discounts that are only named."""

from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.execute("alter table attempts add column attempt_count bigint")
    op.execute('alter table subscriptions add column pinned_method_id text collate "C"')
    op.execute(
        """
        alter table subscriptions add column list_minor bigint, add column discount_ids jsonb,
            add column discounts_hidden boolean
        """
    )
