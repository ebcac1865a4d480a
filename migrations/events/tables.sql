create table event_endpoints (
    endpoint_id text collate "C" not null,
    merchant_id text collate "C" not null,
    url text collate "C" not null,
    description text collate "C" not null,
    types jsonb not null,
    secrets_sealed jsonb not null,
    rotated_at timestamptz,
    enabled boolean not null,
    disabled_reason text collate "C",
    failing_since timestamptz,
    failures bigint not null,
    resting_until timestamptz,
    created_at timestamptz not null,
    deleted_at timestamptz,
    constraint event_endpoints_key primary key (endpoint_id),
    constraint event_endpoints_merchant_id_refers
        foreign key (merchant_id) references merchants (merchant_id) deferrable
            initially deferred
);

create index event_endpoints_by_merchant on event_endpoints (merchant_id, created_at, endpoint_id);

create table event_subjects (
    merchant_id text collate "C" not null,
    subject text collate "C" not null,
    told bigint not null,
    constraint event_subjects_key primary key (merchant_id, subject),
    constraint event_subjects_merchant_id_refers
        foreign key (merchant_id) references merchants (merchant_id) deferrable
            initially deferred
);

create table outgoing_events (
    event_id text collate "C" not null,
    merchant_id text collate "C" not null,
    account_id text collate "C",
    type text collate "C" not null,
    version bigint not null,
    subject text collate "C" not null,
    sequence bigint not null,
    data jsonb not null,
    occurred_at timestamptz not null,
    told_at timestamptz not null,
    constraint outgoing_events_key primary key (event_id),
    constraint outgoing_events_merchant_id_refers
        foreign key (merchant_id) references merchants (merchant_id) deferrable
            initially deferred,
    constraint outgoing_events_merchant_id_account_id_refers
        foreign key (merchant_id, account_id) references provider_accounts (merchant_id,
            account_id) deferrable initially deferred,
    constraint outgoing_events_count_from_one check (sequence >= 1),
    constraint outgoing_events_merchant_id_subject_sequence_unique
        unique (merchant_id, subject, sequence)
);

create index outgoing_events_by_time on outgoing_events (merchant_id, told_at, event_id);

create table event_deliveries (
    delivery_id text collate "C" not null,
    merchant_id text collate "C" not null,
    event_id text collate "C" not null,
    endpoint_id text collate "C" not null,
    subject text collate "C" not null,
    sequence bigint not null,
    nth bigint not null,
    state text collate "C" not null,
    tries bigint not null,
    due_at timestamptz not null,
    settled_at timestamptz,
    reason text collate "C",
    constraint event_deliveries_key primary key (delivery_id),
    constraint event_deliveries_merchant_id_refers
        foreign key (merchant_id) references merchants (merchant_id) deferrable
            initially deferred,
    constraint event_deliveries_event_id_refers
        foreign key (event_id) references outgoing_events (event_id) deferrable
            initially deferred,
    constraint event_deliveries_endpoint_id_refers
        foreign key (endpoint_id) references event_endpoints (endpoint_id) deferrable
            initially deferred,
    constraint event_deliveries_event_id_endpoint_id_nth_unique
        unique (event_id, endpoint_id, nth),
    constraint event_deliveries_state_words
        check (state in ('pending', 'delivered', 'given_up', 'dropped'))
);

create index event_deliveries_under_way on event_deliveries (endpoint_id, subject, sequence)
    where state = 'pending' and nth = 0;

create table delivery_tries (
    try_id text collate "C" not null,
    merchant_id text collate "C" not null,
    delivery_id text collate "C" not null,
    number bigint not null,
    status bigint,
    ms bigint not null,
    text text collate "C" not null,
    at timestamptz not null,
    constraint delivery_tries_key primary key (try_id),
    constraint delivery_tries_merchant_id_refers
        foreign key (merchant_id) references merchants (merchant_id) deferrable
            initially deferred,
    constraint delivery_tries_delivery_id_refers
        foreign key (delivery_id) references event_deliveries (delivery_id) deferrable
            initially deferred
);

create index delivery_tries_by_delivery on delivery_tries (delivery_id, at);

alter table actions drop constraint actions_kind_words;

alter table actions add constraint actions_kind_words
    check (kind in ('assess', 'retry', 'resolve', 'watch', 'end', 'send', 'new_card', 'read',
        'stop_provider', 'deliver_event'));
