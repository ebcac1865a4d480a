"""Reasons to wait are kept in the case, commands by the key of their sender."""

from alembic import op

revision = "0010"
down_revision = "0009"

ACTIONS = (
    "assess", "retry", "resolve", "watch", "end", "send", "new_card", "read", "remind",
    "card_look", "deliver_event", "give_back", "reconcile", "release", "collection", "forgive",
    "access_change",
)  # fmt: skip
IS_OURS = """
merchant_id = any ((
    select string_to_array(nullif(current_setting('holdfast.merchants', true), ''), ',')
)::text[])
"""
STATEMENTS = (
    """
    alter table cases
        add column holds jsonb not null default '[]',
        add column stilled boolean not null default false
    """,
    # Until now nothing but a dispute held a case, old debts aside; they have no entry.
    """
    update cases set holds = '[{"name": "dispute", "reason": "dispute"}]'
    where state = 'active' and waits = 'on_hold'
        and (reason is null or reason not like 'past due before%')
    """,
    "alter table cases alter column holds drop default, alter column stilled drop default",
    """
    create table idempotency_keys (
        merchant_id text collate "C" not null,
        key text collate "C" not null,
        request text collate "C" not null,
        subject text collate "C" not null,
        at timestamptz not null,
        constraint idempotency_keys_key primary key (merchant_id, key),
        constraint idempotency_keys_merchant_id_refers
            foreign key (merchant_id) references merchants (merchant_id) deferrable
                initially deferred
    )
    """,
    "alter table idempotency_keys enable row level security",
    "alter table idempotency_keys force row level security",
    f"""
    create policy merchants_of_idempotency_keys on idempotency_keys to holdfast_app
        using ({IS_OURS}) with check ({IS_OURS})
    """,
    "grant select, insert, update on idempotency_keys to holdfast_app",
    "alter table actions drop constraint actions_kind_words",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    kinds = ", ".join(f"'{kind}'" for kind in ACTIONS)
    op.execute(f"alter table actions add constraint actions_kind_words check (kind in ({kinds}))")
