"""Days of first attempts are counted in the ledger of first payments: no index of invoices."""

from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.execute("drop index invoices_by_payment")
