"""What an attempt knew of the provider's own retries, the invoice's attempt count at its intent;
and which card we made a subscription's own."""

from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.execute("alter table attempts add column attempt_count bigint")
    op.execute('alter table subscriptions add column pinned_method_id text collate "C"')
