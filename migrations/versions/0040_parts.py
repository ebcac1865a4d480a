"""What a payment took as a whole, beside what of it went to its invoice, and which of its
refunds failed; rollups begin anew.

Invoices that are sent, and those of nothing, were among the failed automatic payments.
"""

from alembic import op

revision = "0040"
down_revision = "0039"
STATEMENTS = (
    "alter table payments add column charged_minor bigint, add column refunds_failed jsonb",
    "alter table takings add column came_back_minor bigint not null default 0",
    "truncate rollup_marks, cohort_cells, cohort_steps, flow_cells, arm_cells, arm_steps",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
