"""Policies have a life, metadata choose among them, and fuses look at the last hour."""

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENTS = (
    """
    alter table policies
        add column state text collate "C" not null default 'published',
        add column made_at timestamptz,
        add column made_by text collate "C" not null default '',
        add column published_at timestamptz,
        add column published_by text collate "C",
        add column retired_at timestamptz,
        add constraint policies_state_words check (state in ('draft', 'published', 'retired')),
        add constraint policies_count_from_one check (version >= 1)
    """,
    "alter table policies alter column state drop default, alter column made_by drop default",
    """
    create unique index policies_in_force on policies (merchant_id, name)
        where state = 'published' and published_by <> 'deployment'
    """,
    "alter table customers add column metadata jsonb",
    "alter table subscriptions add column metadata jsonb",
    "create index attempts_by_intent on attempts (merchant_id, intent_at)",
    "create index messages_by_sending on messages (merchant_id, sent_at) where sent_at is not null",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
