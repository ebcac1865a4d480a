create table inbox (
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    event_id text collate "C" not null,
    type text collate "C" not null,
    body text collate "C",
    state text collate "C" not null,
    reason text collate "C",
    created_at timestamptz not null,
    received_at timestamptz not null,
    handled_at timestamptz,
    seq bigint generated always as identity,
    constraint inbox_key primary key (account_id, event_id),
    constraint inbox_state_words
        check (state in ('pending', 'handled', 'parked', 'quarantined'))
);

create index inbox_handled on inbox (handled_at)
    where handled_at is not null and body is not null;

create index inbox_pending on inbox (seq)
    where state = 'pending';

create table audit_log (
    audit_id text collate "C" not null,
    merchant_id text collate "C" not null,
    at timestamptz not null,
    actor text collate "C" not null,
    action text collate "C" not null,
    subject text collate "C" not null,
    before jsonb,
    after jsonb,
    constraint audit_log_key primary key (audit_id),
    constraint audit_log_merchant_id_refers
        foreign key (merchant_id) references merchants (merchant_id) deferrable initially deferred
);

create index audit_log_by_time on audit_log (merchant_id, at, audit_id);

create table alerts (
    alert_id text collate "C" not null,
    merchant_id text collate "C" not null,
    kind text collate "C" not null,
    subject text collate "C" not null,
    text text collate "C" not null,
    at timestamptz not null,
    resolved_at timestamptz,
    constraint alerts_key primary key (alert_id),
    constraint alerts_merchant_id_refers
        foreign key (merchant_id) references merchants (merchant_id) deferrable
            initially deferred,
    constraint alerts_merchant_id_kind_subject_unique unique (merchant_id, kind, subject)
);
