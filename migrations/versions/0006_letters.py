"""Letters about subscriptions, merged letters, letterheads, own wordings, suppressions."""

from alembic import op

revision = "0006"
down_revision = "0005"

ACTION_KINDS = (
    "assess", "retry", "resolve", "watch", "end", "send", "new_card", "read", "remind",
    "card_look", "deliver_event", "give_back",
)  # fmt: skip
CHANGES = """
alter table messages alter column case_id drop not null,
    add column subscription_id text collate "C",
    add column carried_by text collate "C",
    add constraint messages_subscription_id_step_channel_recipient_unique
        unique (subscription_id, step, channel, recipient),
    add constraint messages_about_one check (case_id is null or subscription_id is null);

alter table payment_links alter column case_id drop not null,
    add column currency text collate "C",
    add constraint payment_links_currency_code check (currency ~ '^[a-z]{3,}$');

alter table alerts add column told_at timestamptz;

alter table customers add column phone text collate "C", add column sms_consent text collate "C";

create index alerts_untold on alerts (at) where told_at is null and resolved_at is null;

alter table actions drop constraint actions_kind_words
"""
TABLES = """
create table letterheads (
    merchant_id text collate "C" not null,
    colour text collate "C",
    logo_url text collate "C",
    support text collate "C",
    postal_address text collate "C",
    manage_url text collate "C",
    constraint letterheads_key primary key (merchant_id)
);

create table channels (
    merchant_id text collate "C" not null,
    report_secret_sealed text collate "C",
    sms_on boolean not null,
    sms_url text collate "C",
    sms_sender text collate "C",
    sms_secret_sealed text collate "C",
    alert_address text collate "C",
    alert_url text collate "C",
    constraint channels_key primary key (merchant_id)
);

create table template_versions (
    merchant_id text collate "C" not null,
    template text collate "C" not null,
    language text collate "C" not null,
    version bigint not null,
    subject text collate "C" not null,
    heading text collate "C" not null,
    body text collate "C" not null,
    withdrawn boolean not null,
    created_at timestamptz not null,
    created_by text collate "C" not null,
    constraint template_versions_key primary key (merchant_id, template, language, version),
    constraint template_versions_count_from_one check (version >= 1)
);

create table message_events (
    event_id text collate "C" not null,
    merchant_id text collate "C" not null,
    provider text collate "C" not null,
    provider_ref text collate "C" not null,
    kind text collate "C" not null,
    recipient text collate "C" not null,
    message_id text collate "C",
    detail text collate "C",
    at timestamptz not null,
    received_at timestamptz not null,
    constraint message_events_key primary key (event_id),
    constraint message_events_merchant_id_provider_provider_ref_unique
        unique (merchant_id, provider, provider_ref),
    constraint message_events_kind_words
        check (kind in ('bounced', 'soft_bounced', 'complained', 'unsubscribed'))
);

create index message_events_by_recipient on message_events (merchant_id, recipient, at);

create table suppressions (
    suppression_id text collate "C" not null,
    merchant_id text collate "C" not null,
    channel text collate "C" not null,
    recipient text collate "C" not null,
    reason text collate "C" not null,
    detail text collate "C",
    at timestamptz not null,
    lifted_at timestamptz,
    lifted_by text collate "C",
    constraint suppressions_key primary key (suppression_id),
    constraint suppressions_merchant_id_channel_recipient_reason_unique
        unique (merchant_id, channel, recipient, reason),
    constraint suppressions_channel_words check (channel in ('mail', 'sms')),
    constraint suppressions_reason_words
        check (reason in ('bounced', 'complained', 'unsubscribed', 'operator'))
);

create index suppressions_by_time on suppressions (merchant_id, at, suppression_id)
"""
RIGHTS = {
    "letterheads": "select, insert, update",
    "channels": "select, insert, update",
    "template_versions": "select, insert",
    "message_events": "select, insert",
    "suppressions": "select, insert, update",
}
IS_OURS = """
merchant_id = any ((
    select string_to_array(nullif(current_setting('holdfast.merchants', true), ''), ',')
)::text[])
"""


def upgrade() -> None:
    kinds = ", ".join(f"'{kind}'" for kind in ACTION_KINDS)
    for statement in (*CHANGES.split(";\n\n"), *TABLES.split(";\n\n")):
        op.execute(statement)
    op.execute(f"alter table actions add constraint actions_kind_words check (kind in ({kinds}))")
    for table, rights in RIGHTS.items():
        _guard(table, rights)
    op.execute("grant select on alerts to holdfast_system")
    op.execute(
        "create policy system_of_alerts on alerts to holdfast_system using (true) with check (true)"
    )


def _guard(table: str, rights: str) -> None:
    """Only rows of the merchants a transaction was opened for; what is written once stays."""
    op.execute(
        f"alter table {table} add constraint {table}_merchant_id_refers foreign key (merchant_id)"
        " references merchants (merchant_id) deferrable initially deferred"
    )
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
