create table cases (
    case_id text collate "C" not null,
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    invoice_id text collate "C" not null,
    customer_id text collate "C",
    subscription_id text collate "C",
    kind text collate "C" not null,
    state text collate "C" not null,
    waits text collate "C",
    reason text collate "C",
    currency text collate "C" not null,
    amount_minor bigint not null,
    due_minor bigint not null,
    recovered_minor bigint not null,
    plan text collate "C",
    interval text collate "C",
    mode text collate "C" not null,
    driven boolean not null,
    arm text collate "C" not null,
    silent boolean not null,
    trial_conversion boolean not null,
    policy text collate "C" not null,
    decline_kind text collate "C",
    decline jsonb,
    blocked_method text collate "C",
    failures bigint not null,
    attempts_used bigint not null,
    wrote boolean not null,
    opened_at timestamptz not null,
    window_ends_at timestamptz not null,
    next_attempt_at timestamptz,
    closed_at timestamptz,
    cause text collate "C",
    constraint cases_key primary key (case_id),
    constraint cases_merchant_id_account_id_refers
        foreign key (merchant_id, account_id) references provider_accounts (merchant_id,
            account_id) deferrable initially deferred,
    constraint cases_account_id_invoice_id_unique unique (account_id, invoice_id),
    constraint cases_state_words
        check (state in ('active', 'recovered', 'exhausted', 'stopped', 'parked')),
    constraint cases_waits_words
        check (waits in ('retrying', 'waiting_for_customer', 'on_hold')),
    constraint cases_mode_words check (mode in ('observe', 'drive')),
    constraint cases_decline_kind_words
        check (decline_kind in ('never', 'new_method', 'fix_data',
            'customer_authenticate', 'no_payment_method', 'insufficient_funds',
            'limit_exceeded', 'retry_later', 'retry_few_and_ask', 'processor_error',
            'reconcile_first', 'merchant_problem', 'unknown')),
    constraint cases_currency_code check (currency ~ '^[a-z]{3,}$')
);

create index cases_by_customer on cases (account_id, customer_id);

create index cases_by_opening on cases (merchant_id, opened_at, case_id);

create index cases_by_state on cases (merchant_id, state, opened_at, case_id);

create index cases_by_subscription on cases (account_id, subscription_id);

create table attempts (
    attempt_id text collate "C" not null,
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    case_id text collate "C" not null,
    number bigint not null,
    trigger text collate "C" not null,
    state text collate "C" not null,
    currency text collate "C" not null,
    amount_minor bigint not null,
    method_id text collate "C",
    fingerprint text collate "C",
    brand text collate "C",
    intent_at timestamptz not null,
    resolved_at timestamptz,
    decline_kind text collate "C",
    decline jsonb,
    provider_ref text collate "C",
    link_id text collate "C",
    reads bigint not null,
    constraint attempts_key primary key (attempt_id),
    constraint attempts_merchant_id_account_id_refers
        foreign key (merchant_id, account_id) references provider_accounts (merchant_id,
            account_id) deferrable initially deferred,
    constraint attempts_case_id_refers
        foreign key (case_id) references cases (case_id) deferrable initially deferred,
    constraint attempts_count_from_one check (number >= 1),
    constraint attempts_case_id_number_unique unique (case_id, number),
    constraint attempts_account_id_provider_ref_unique unique (account_id, provider_ref),
    constraint attempts_trigger_words
        check (trigger in ('holdfast', 'provider', 'customer', 'new_card',
            'account_updater', 'backup_card', 'operator')),
    constraint attempts_state_words
        check (state in ('planned', 'sent', 'approved', 'declined', 'action_required',
            'processing', 'unknown', 'not_executed')),
    constraint attempts_decline_kind_words
        check (decline_kind in ('never', 'new_method', 'fix_data',
            'customer_authenticate', 'no_payment_method', 'insufficient_funds',
            'limit_exceeded', 'retry_later', 'retry_few_and_ask', 'processor_error',
            'reconcile_first', 'merchant_problem', 'unknown')),
    constraint attempts_currency_code check (currency ~ '^[a-z]{3,}$')
);

create table case_events (
    event_id text collate "C" not null,
    merchant_id text collate "C" not null,
    case_id text collate "C" not null,
    at timestamptz not null,
    type text collate "C" not null,
    text text collate "C" not null,
    data jsonb,
    constraint case_events_key primary key (event_id),
    constraint case_events_merchant_id_refers
        foreign key (merchant_id) references merchants (merchant_id) deferrable
            initially deferred,
    constraint case_events_case_id_refers
        foreign key (case_id) references cases (case_id) deferrable initially deferred
);

create index case_events_by_case on case_events (case_id, at, event_id);

create table actions (
    action_id text collate "C" not null,
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    customer_id text collate "C",
    case_id text collate "C",
    kind text collate "C" not null,
    subject text collate "C" not null,
    key text collate "C" not null,
    due_at timestamptz not null,
    state text collate "C" not null,
    claims bigint not null,
    leased_until timestamptz,
    data jsonb,
    note text collate "C",
    constraint actions_key primary key (action_id),
    constraint actions_merchant_id_account_id_refers
        foreign key (merchant_id, account_id) references provider_accounts (merchant_id,
            account_id) deferrable initially deferred,
    constraint actions_case_id_refers
        foreign key (case_id) references cases (case_id) deferrable initially deferred,
    constraint actions_claims_count check (claims >= 0),
    constraint actions_account_id_key_unique unique (account_id, key),
    constraint actions_kind_words
        check (kind in ('assess', 'retry', 'resolve', 'watch', 'end', 'send',
            'new_card', 'read', 'stop_provider')),
    constraint actions_state_words check (state in ('pending', 'done', 'dropped', 'parked'))
);

create index actions_by_case on actions (case_id, state);

create index actions_due on actions (due_at, key)
    where state = 'pending' and leased_until is null;

create index actions_leased on actions (leased_until)
    where state = 'pending' and leased_until is not null;

create index actions_pending_by_customer on actions (account_id, customer_id, due_at, key)
    where state = 'pending' and customer_id is not null;
