create table cancel_flows (
    merchant_id text collate "C" not null,
    name text collate "C" not null,
    version bigint not null,
    document jsonb not null,
    state text collate "C" not null,
    made_at timestamptz not null,
    made_by text collate "C" not null,
    published_at timestamptz,
    published_by text collate "C",
    retired_at timestamptz,
    constraint cancel_flows_key primary key (merchant_id, name, version),
    constraint cancel_flows_merchant_id_refers foreign key(merchant_id) references merchants (merchant_id) deferrable initially deferred,
    constraint cancel_flows_count_from_one check (version >= 1),
    constraint cancel_flows_state_words check (state in ('draft', 'published', 'retired'))
)

create unique index cancel_flows_in_force on cancel_flows (merchant_id, name) where state = 'published'

create table cancel_sessions (
    session_id text collate "C" not null,
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    customer_id text collate "C" not null,
    subscription_id text collate "C" not null,
    token_hash text collate "C" not null,
    flow text collate "C" not null,
    state text collate "C" not null,
    step text collate "C" not null,
    seen jsonb not null,
    reason text collate "C",
    language text collate "C" not null,
    place text collate "C",
    offers boolean not null,
    attributes jsonb,
    opened_by text collate "C" not null,
    opened_at timestamptz not null,
    expires_at timestamptz not null,
    ended_at timestamptz,
    request_id text collate "C",
    outcome_key text collate "C",
    constraint cancel_sessions_key primary key (session_id),
    constraint cancel_sessions_merchant_id_account_id_refers foreign key(merchant_id, account_id) references provider_accounts (merchant_id, account_id) deferrable initially deferred,
    constraint cancel_sessions_token_hash_unique unique (token_hash),
    constraint cancel_sessions_state_words check (state in ('open', 'applying', 'saved', 'cancelling', 'cancelled', 'abandoned', 'failed'))
)

create index cancel_sessions_by_opening on cancel_sessions (merchant_id, opened_at, session_id)

create index cancel_sessions_by_subscription on cancel_sessions (account_id, subscription_id)

create unique index cancel_sessions_under_way on cancel_sessions (account_id, subscription_id) where state in ('open', 'applying', 'cancelling')

create table survey_answers (
    session_id text collate "C" not null,
    step text collate "C" not null,
    merchant_id text collate "C" not null,
    subscription_id text collate "C" not null,
    reason text collate "C",
    follow_up text collate "C",
    words text collate "C",
    competitor text collate "C",
    rating bigint,
    likely bigint,
    flags jsonb not null,
    at timestamptz not null,
    forgotten_at timestamptz,
    constraint survey_answers_key primary key (session_id, step),
    constraint survey_answers_merchant_id_refers foreign key(merchant_id) references merchants (merchant_id) deferrable initially deferred,
    constraint survey_answers_session_id_refers foreign key(session_id) references cancel_sessions (session_id) deferrable initially deferred,
    constraint survey_answers_rating_range check (rating between 0 and 10),
    constraint survey_answers_likely_range check (likely between 0 and 10)
)

create index survey_answers_by_time on survey_answers (merchant_id, at, session_id)

create table cancel_requests (
    request_id text collate "C" not null,
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    customer_id text collate "C",
    subscription_id text collate "C" not null,
    session_id text collate "C",
    source text collate "C" not null,
    choice text collate "C" not null,
    state text collate "C" not null,
    requested_at timestamptz not null,
    ends_at timestamptz not null,
    plan text collate "C",
    language text collate "C" not null,
    reason text collate "C",
    feedback text collate "C",
    while_past_due boolean not null,
    invoices jsonb not null,
    closed_at timestamptz,
    constraint cancel_requests_key primary key (request_id),
    constraint cancel_requests_merchant_id_account_id_refers foreign key(merchant_id, account_id) references provider_accounts (merchant_id, account_id) deferrable initially deferred,
    constraint cancel_requests_session_id_refers foreign key(session_id) references cancel_sessions (session_id) deferrable initially deferred,
    constraint cancel_requests_source_words check (source in ('session', 'api', 'form', 'provider')),
    constraint cancel_requests_choice_words check (choice in ('now', 'period_end')),
    constraint cancel_requests_state_words check (state in ('asked', 'standing', 'ended', 'undone', 'refused'))
)

create index cancel_requests_by_subscription on cancel_requests (account_id, subscription_id)

create index cancel_requests_by_time on cancel_requests (merchant_id, requested_at, request_id)

create unique index cancel_requests_standing on cancel_requests (account_id, subscription_id) where state in ('asked', 'standing')

create table evidence (
    evidence_id text collate "C" not null,
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    customer_id text collate "C",
    subscription_id text collate "C" not null,
    session_id text collate "C",
    request_id text collate "C",
    kind text collate "C" not null,
    at timestamptz not null,
    data jsonb,
    constraint evidence_key primary key (evidence_id),
    constraint evidence_merchant_id_account_id_refers foreign key(merchant_id, account_id) references provider_accounts (merchant_id, account_id) deferrable initially deferred,
    constraint evidence_kind_words check (kind in ('started', 'step_viewed', 'reason_selected', 'answered', 'offer_shown', 'offer_declined', 'offer_accepted', 'offer_applied', 'offer_failed', 'previewed', 'abandoned', 'cancelled', 'uncancelled', 'refunded'))
)

create index evidence_by_session on evidence (session_id, at)

create index evidence_by_subscription on evidence (account_id, subscription_id, at)
