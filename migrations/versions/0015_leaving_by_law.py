"""Leaving as the law has it: public forms, consents, withdrawals; and what an offer costs is kept
as it was told."""

from pathlib import Path

from alembic import op

revision = "0015"
down_revision = "0014"

TABLES = Path(__file__).resolve().parents[1] / "declaring" / "tables.sql"
RIGHTS = {
    "declarations": "select, insert, update",
    "consents": "select, insert",
    "usage_facts": "select, insert, update",
}
ACTIONS = (
    "assess", "retry", "resolve", "watch", "end", "send", "new_card", "read", "remind",
    "card_look", "deliver_event", "give_back", "reconcile", "access_change", "resolve_redemption",
    "release", "collection", "forgive",
    "end_pause", "tell_of_resuming",
    "cancel", "settle", "confirm", "close_session", "forget",
    "check_save", "forget_imported",
    "plan_after", "after_letter", "tell_mended", "forget_feedback",
    "declare", "refund",
)  # fmt: skip
CHOICES = ("now", "period_end", "withdrawal")
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
    op.execute("alter table cancel_sessions add column quote jsonb")
    _words("actions", "kind", ACTIONS)
    _words("cancel_requests", "choice", CHOICES)


def _words(table: str, column: str, words: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{word}'" for word in words)
    name = f"{table}_{column}_words"
    op.execute(f"alter table {table} drop constraint {name}")
    op.execute(f"alter table {table} add constraint {name} check ({column} in ({listed}))")


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
