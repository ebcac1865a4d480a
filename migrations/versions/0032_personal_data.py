"""Forgetting and erasing: the actions that do it, what of a report about mail may be overwritten,
and audit lines that name nobody any more."""

import re

from alembic import op

revision = "0032"
down_revision = "0031"

ACTIONS = ("forget_bodies", "erase_bodies")
# What a report about mail tells for good; its recipient and its detail go with the person.
KEPT = (
    "event_id",
    "merchant_id",
    "provider",
    "provider_ref",
    "kind",
    "message_id",
    "at",
    "received_at",
)
# What lines of before may say of a person, by the beginning of their action.
TOLD = {
    "suppression.": ("recipient", "detail"),
    "declaration.": ("name", "email", "reference", "reason"),
    "permission.": ("how",),
}


def upgrade() -> None:
    _know_actions()
    op.execute("create index payment_links_by_customer on payment_links (customer_id, account_id)")
    _let_reports_forget()
    _name_nobody()


def _let_reports_forget() -> None:
    table = "message_events"
    moved = " or ".join(f"old.{name} is distinct from new.{name}" for name in KEPT)
    frozen = "execute function holdfast_append_only()"
    op.execute(f"drop trigger {table}_append_only on {table}")
    op.execute(
        f"create trigger {table}_append_only before delete or truncate on {table}"
        f" for each statement {frozen}"
    )
    op.execute(
        f"create trigger {table}_tell_no_other before update on {table}"
        f" for each row when ({moved}) {frozen}"
    )
    op.execute(f"grant update on {table} to holdfast_app")


def _name_nobody() -> None:
    """Once, and by the owner alone: from here on no line says it."""
    op.execute("alter table audit_log no force row level security")
    op.execute("alter table audit_log disable trigger audit_log_append_only")
    for action, names in TOLD.items():
        listed = ", ".join(f"'{name}'" for name in names)
        op.execute(
            f"update audit_log set before = before - array[{listed}],"
            f" after = after - array[{listed}] where starts_with(action, '{action}')"
        )
    op.execute("alter table audit_log enable trigger audit_log_append_only")
    op.execute("alter table audit_log force row level security")


def _know_actions() -> None:
    """Beside those that the database knows already, whichever release brought them."""
    asked = (
        "select pg_get_constraintdef(oid) from pg_constraint"
        " where conname = 'actions_kind_words' and conrelid = 'actions'::regclass"
    )
    rule = str(op.get_bind().exec_driver_sql(asked).scalar_one())
    known = re.findall(r"'([a-z_]+)'", rule)
    kinds = ", ".join(f"'{kind}'" for kind in (*known, *ACTIONS))
    op.execute("alter table actions drop constraint actions_kind_words")
    op.execute(f"alter table actions add constraint actions_kind_words check (kind in ({kinds}))")
