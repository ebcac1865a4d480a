"""The tables of the first part, who may see which row, and ledgers that cannot be rewritten."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None

FOLDER = Path(__file__).resolve().parents[1] / "first"
FILES = ("merchants", "mirror", "dunning", "messages", "ledgers", "operations", "guards")
TABLES = (
    "merchants", "provider_accounts", "api_keys", "policies", "assignments",
    "customers", "subscriptions", "invoices", "payment_methods", "payments", "card_budgets",
    "cases", "attempts", "case_events", "actions", "messages", "payment_links", "link_events",
    "failures", "recovery_entries", "mrr_movements", "inbox", "audit_log", "alerts",
)  # fmt: skip
APPEND_ONLY = ("failures", "recovery_entries", "mrr_movements", "audit_log")
# Rights of the role that claims work and finds out who is asking, before a merchant is known.
SYSTEM_RIGHTS = {
    "inbox": "select, insert, update",
    "actions": "select, update",
    "provider_accounts": "select",
    "api_keys": "select",
    "payment_links": "select",
}
# A subselect, so that the list is taken apart once for each statement and not for each row.
IS_OURS = """
merchant_id = any ((
    select string_to_array(nullif(current_setting('holdfast.merchants', true), ''), ',')
)::text[])
"""


def upgrade() -> None:
    for name in FILES:
        for statement in (FOLDER / f"{name}.sql").read_text().split("\n\n"):
            op.execute(statement)
    for table in TABLES:
        _guard(table)
    for table, rights in SYSTEM_RIGHTS.items():
        op.execute(f"grant {rights} on {table} to holdfast_system")
        op.execute(
            f"create policy system_of_{table} on {table} to holdfast_system"
            " using (true) with check (true)"
        )
    for table in APPEND_ONLY:
        _freeze(table)


def _guard(table: str) -> None:
    """Only rows of the merchants a transaction was opened for, for the owner too."""
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(
        f"create policy merchants_of_{table} on {table} to holdfast_app"
        f" using ({IS_OURS}) with check ({IS_OURS})"
    )
    rights = "select, insert" if table in APPEND_ONLY else "select, insert, update"
    op.execute(f"grant {rights} on {table} to holdfast_app")


def _freeze(table: str) -> None:
    op.execute(
        f"create trigger {table}_append_only before update or delete or truncate on {table}"
        " for each statement execute function holdfast_append_only()"
    )
