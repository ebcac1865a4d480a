"""What was told of an alert already, how often the rest was tried, and when it is tried again."""

from alembic import op

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    op.execute(
        "alter table alerts add column tries bigint not null default 0,"
        " add column tell_at timestamptz, add column mailed_at timestamptz,"
        " add column posted_at timestamptz"
    )
