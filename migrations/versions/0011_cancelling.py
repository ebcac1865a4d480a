"""Cancelling: flows, sessions, what was answered, asked for and shown."""

from pathlib import Path

from alembic import op

revision = "0011"
down_revision = "0010"

TABLES = Path(__file__).resolve().parents[1] / "cancelling" / "tables.sql"
RIGHTS = {
    "cancel_flows": "select, insert, update",
    "cancel_sessions": "select, insert, update",
    "survey_answers": "select, insert, update",
    "cancel_requests": "select, insert, update",
    "evidence": "select, insert",
}
ACTIONS = (
    "assess", "retry", "resolve", "watch", "end", "send", "new_card", "read", "remind",
    "card_look", "deliver_event", "reconcile", "give_back", "release", "collection", "forgive",
    "access_change", "cancel", "settle", "confirm", "close_session", "forget",
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
    # A session's token names it before its merchant is known.
    op.execute("grant select on cancel_sessions to holdfast_system")
    op.execute(
        "create policy system_of_cancel_sessions on cancel_sessions to holdfast_system"
        " using (true) with check (true)"
    )
    op.execute('alter table customers add column region text collate "C"')
    op.execute('alter table subscriptions add column cancellation_feedback text collate "C"')
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
