"""Churn records, the save ladder, and sessions that came from another product."""

from pathlib import Path

from alembic import op

revision = "0013"
down_revision = "0012"

TABLES = Path(__file__).resolve().parents[1] / "churn" / "tables.sql"
RIGHTS = {
    "churn_records": "select, insert",
    "save_steps": "select, insert",
    "imported_sessions": "select, insert, update",
}
ACTIONS = (
    "assess", "retry", "resolve", "watch", "end", "send", "new_card", "read", "remind",
    "card_look", "deliver_event", "give_back", "reconcile", "access_change", "resolve_redemption",
    "release", "collection", "forgive",
    "end_pause", "tell_of_resuming",
    "cancel", "settle", "confirm", "close_session", "forget",
    "check_save", "forget_imported",
)  # fmt: skip
IS_OURS = """
merchant_id = any ((
    select string_to_array(nullif(current_setting('holdfast.merchants', true), ''), ',')
)::text[])
"""


def upgrade() -> None:
    for statement in TABLES.read_text().split("\n\n"):
        op.execute(statement)
    for table, rights in RIGHTS.items():
        _guard(table, rights)
    kinds = ", ".join(f"'{kind}'" for kind in ACTIONS)
    op.execute("alter table actions drop constraint actions_kind_words")
    op.execute(f"alter table actions add constraint actions_kind_words check (kind in ({kinds}))")


def _guard(table: str, rights: str) -> None:
    """Only rows of the merchants a transaction was opened for; what is written once stays."""
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(
        f"create policy merchants_of_{table} on {table} to holdfast_app"
        f" using ({IS_OURS}) with check ({IS_OURS})"
    )
    op.execute(f"grant {rights} on {table} to holdfast_app")
    if "update" not in rights:
        op.execute(
            f"create trigger {table}_append_only before update or delete or truncate on {table}"
            " for each statement execute function holdfast_append_only()"
        )
