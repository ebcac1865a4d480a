"""Leaving as the law has it: what an offer costs is kept as it was told."""

from alembic import op

revision = "0014"
down_revision = "0012"


def upgrade() -> None:
    op.execute("alter table cancel_sessions add column quote jsonb")
