"""What a payment took as a whole, beside what of it went to its invoice."""

from alembic import op

revision = "0040"
down_revision = "0038"
STATEMENTS = ("alter table payments add column charged_minor bigint",)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
