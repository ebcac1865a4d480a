"""Accepted saves by their subscription: what an end that is told of puts an end to."""

from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    op.execute("""
        create index save_steps_accepted on save_steps (subscription_id, account_id)
        where rung = 'accepted'
    """)
