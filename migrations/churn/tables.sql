create table churn_records (
    record_id text collate "C" not null,
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    subscription_id text collate "C" not null,
    customer_id text collate "C",
    entry text collate "C" not null,
    kind text collate "C" not null,
    cause text collate "C" not null,
    origin text collate "C" not null,
    while_past_due boolean not null,
    trial boolean not null,
    decline_class text collate "C",
    reason text collate "C",
    feedback text collate "C",
    currency text collate "C" not null,
    mrr_minor bigint not null,
    count bigint not null,
    plan text collate "C",
    interval text collate "C",
    segment text collate "C",
    country text collate "C",
    tenure_days bigint,
    started_at timestamptz,
    requested_at timestamptz,
    ends_at timestamptz,
    occurred_at timestamptz not null,
    about text collate "C",
    case_id text collate "C",
    request_id text collate "C",
    session_id text collate "C",
    replaced_by text collate "C",
    source text collate "C" not null,
    recorded_at timestamptz not null,
    constraint churn_records_key primary key (record_id),
    constraint churn_records_merchant_id_account_id_refers foreign key(merchant_id, account_id) references provider_accounts (merchant_id, account_id) deferrable initially deferred,
    constraint churn_records_sign check (case when entry in ('pending', 'churned') then count = 1 and mrr_minor >= 0
else count = -1 and mrr_minor <= 0 end),
    constraint churn_records_account_id_subscription_id_source_entry_unique unique (account_id, subscription_id, source, entry),
    constraint churn_records_entry_words check (entry in ('pending', 'withdrawn', 'churned', 'reversed', 'restated')),
    constraint churn_records_kind_words check (kind in ('voluntary', 'involuntary', 'merchant', 'migration')),
    constraint churn_records_cause_words check (cause in ('requested', 'dunning_ended', 'payment_failed', 'unpaid', 'paused_unpaid', 'disputed', 'fraud', 'terms', 'replaced', 'untold')),
    constraint churn_records_origin_words check (origin in ('seen', 'history', 'import')),
    constraint churn_records_currency_code check (currency ~ '^[a-z]{3,}$')
)

create index churn_records_by_customer on churn_records (account_id, customer_id)

create index churn_records_by_time on churn_records (merchant_id, occurred_at, record_id)

create table save_steps (
    session_id text collate "C" not null,
    rung text collate "C" not null,
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    customer_id text collate "C",
    subscription_id text collate "C" not null,
    redemption_id text collate "C",
    offer_id text collate "C",
    offer_kind text collate "C",
    reason text collate "C",
    plan text collate "C",
    interval text collate "C",
    kept boolean not null,
    why text collate "C",
    currency text collate "C" not null,
    mrr_minor bigint not null,
    cost_minor bigint not null,
    begun_at timestamptz not null,
    due_at timestamptz not null,
    recorded_at timestamptz not null,
    constraint save_steps_key primary key (session_id, rung),
    constraint save_steps_merchant_id_account_id_refers foreign key(merchant_id, account_id) references provider_accounts (merchant_id, account_id) deferrable initially deferred,
    constraint save_steps_session_id_refers foreign key(session_id) references cancel_sessions (session_id) deferrable initially deferred,
    constraint save_steps_cost_count check (cost_minor >= 0),
    constraint save_steps_rung_words check (rung in ('accepted', 'deflected_24h', 'saved_30d', 'saved_90d', 'abandoned')),
    constraint save_steps_currency_code check (currency ~ '^[a-z]{3,}$')
)

create index save_steps_by_time on save_steps (merchant_id, begun_at, session_id)

create table imported_sessions (
    import_id text collate "C" not null,
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    product text collate "C" not null,
    reference text collate "C" not null,
    customer_id text collate "C",
    subscription_id text collate "C",
    outcome text collate "C" not null,
    reason text collate "C",
    told_reason text collate "C",
    words text collate "C",
    competitor text collate "C",
    offer_kind text collate "C",
    plan text collate "C",
    interval text collate "C",
    currency text collate "C",
    mrr_minor bigint,
    at timestamptz not null,
    recorded_at timestamptz not null,
    forgotten_at timestamptz,
    constraint imported_sessions_key primary key (import_id),
    constraint imported_sessions_merchant_id_account_id_refers foreign key(merchant_id, account_id) references provider_accounts (merchant_id, account_id) deferrable initially deferred,
    constraint imported_sessions_merchant_id_product_reference_unique unique (merchant_id, product, reference),
    constraint imported_sessions_outcome_words check (outcome in ('saved', 'cancelled', 'abandoned')),
    constraint imported_sessions_currency_code check (currency ~ '^[a-z]{3,}$')
)

create index imported_sessions_by_subscription on imported_sessions (account_id, subscription_id)

create index imported_sessions_by_time on imported_sessions (merchant_id, at, import_id)

create index mrr_movements_by_customer on mrr_movements (account_id, customer_id)
