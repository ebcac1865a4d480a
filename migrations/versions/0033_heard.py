"""Whether anything was heard of an account lately: an index of what was handled.

An event enters it when it is handled and not when it comes in, so that taking webhooks costs
nothing more.
"""

from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    op.execute("""
        create index inbox_heard on inbox (merchant_id, handled_at, account_id)
            where handled_at is not null
    """)
