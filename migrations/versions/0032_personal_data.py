"""Forgetting and erasing: the actions that do it, what of a report about mail may be overwritten,
and audit lines that name nobody any more."""

import re

from alembic import op

revision = "0032"
down_revision = "0030"

ACTIONS = ("forget_bodies", "erase_bodies")


def upgrade() -> None:
    _know_actions()


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
