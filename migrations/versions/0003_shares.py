"""The inbox in shares: the events of one customer in one of them, each drained by one at a time.

What was taken in before lies in the first share, as does what a release without shares takes in.
"""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        "alter table inbox add column share bigint not null default 0"
        " constraint inbox_share check (share between 0 and 63)"
    )
    op.execute("create index inbox_pending_by_share on inbox (share, seq) where state = 'pending'")
    op.execute("drop index inbox_pending")
