"""Rollups of other layers begin anew; accepted saves are found by their subscription."""

from alembic import op

revision = "0031"
down_revision = "0030"
STATEMENTS = (
    "truncate rollup_marks, cohort_cells, flow_cells, arm_cells",
    """
    create index save_steps_accepted on save_steps (subscription_id, account_id)
    where rung = 'accepted'
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
