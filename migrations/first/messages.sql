create table messages (
    message_id text collate "C" not null,
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    customer_id text collate "C",
    case_id text collate "C" not null,
    step text collate "C" not null,
    template text collate "C" not null,
    channel text collate "C" not null,
    recipient text collate "C" not null,
    language text collate "C" not null,
    state text collate "C" not null,
    due_at timestamptz not null,
    sent_at timestamptz,
    subject text collate "C",
    reason text collate "C",
    constraint messages_key primary key (message_id),
    constraint messages_merchant_id_account_id_refers
        foreign key (merchant_id, account_id) references provider_accounts (merchant_id,
            account_id) deferrable initially deferred,
    constraint messages_case_id_refers
        foreign key (case_id) references cases (case_id) deferrable initially deferred,
    constraint messages_case_id_step_channel_recipient_unique
        unique (case_id, step, channel, recipient),
    constraint messages_state_words
        check (state in ('planned', 'sending', 'sent', 'unknown', 'failed', 'dropped'))
);

create index messages_by_customer on messages (account_id, customer_id);

create table payment_links (
    link_id text collate "C" not null,
    token_hash text collate "C" not null,
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    customer_id text collate "C",
    case_id text collate "C" not null,
    message_id text collate "C",
    purpose text collate "C" not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    revoked_at timestamptz,
    constraint payment_links_key primary key (link_id),
    constraint payment_links_merchant_id_account_id_refers
        foreign key (merchant_id, account_id) references provider_accounts (merchant_id,
            account_id) deferrable initially deferred,
    constraint payment_links_case_id_refers
        foreign key (case_id) references cases (case_id) deferrable initially deferred,
    constraint payment_links_token_hash_unique unique (token_hash)
);

create index payment_links_by_case on payment_links (case_id);

create table link_events (
    event_id text collate "C" not null,
    merchant_id text collate "C" not null,
    link_id text collate "C" not null,
    kind text collate "C" not null,
    at timestamptz not null,
    data jsonb,
    constraint link_events_key primary key (event_id),
    constraint link_events_merchant_id_refers
        foreign key (merchant_id) references merchants (merchant_id) deferrable
            initially deferred,
    constraint link_events_link_id_refers
        foreign key (link_id) references payment_links (link_id) deferrable initially deferred
);

create index link_events_by_link on link_events (link_id, at);
