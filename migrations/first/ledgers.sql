create table failures (
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    invoice_id text collate "C" not null,
    version bigint not null,
    customer_id text collate "C",
    subscription_id text collate "C",
    case_id text collate "C",
    currency text collate "C" not null,
    amount_minor bigint not null,
    plan text collate "C",
    interval text collate "C",
    trial_conversion boolean not null,
    exclusion text collate "C",
    failed_at timestamptz not null,
    recorded_at timestamptz not null,
    constraint failures_key primary key (account_id, invoice_id, version),
    constraint failures_merchant_id_account_id_refers
        foreign key (merchant_id, account_id) references provider_accounts (merchant_id,
            account_id) deferrable initially deferred,
    constraint failures_case_id_refers
        foreign key (case_id) references cases (case_id) deferrable initially deferred,
    constraint failures_currency_code check (currency ~ '^[a-z]{3,}$')
);

create index failures_by_time on failures (merchant_id, failed_at);

create table recovery_entries (
    entry_id text collate "C" not null,
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    invoice_id text collate "C" not null,
    case_id text collate "C",
    kind text collate "C" not null,
    cause text collate "C" not null,
    assisted_by text collate "C",
    currency text collate "C" not null,
    amount_minor bigint not null,
    tax_minor bigint not null,
    plan text collate "C",
    interval text collate "C",
    provider_ref text collate "C" not null,
    failed_at timestamptz not null,
    occurred_at timestamptz not null,
    recorded_at timestamptz not null,
    constraint recovery_entries_key primary key (entry_id),
    constraint recovery_entries_merchant_id_account_id_refers
        foreign key (merchant_id, account_id) references provider_accounts (merchant_id,
            account_id) deferrable initially deferred,
    constraint recovery_entries_case_id_refers
        foreign key (case_id) references cases (case_id) deferrable initially deferred,
    constraint recovery_entries_sign
        check (case when kind in ('refunded', 'dispute_lost') then amount_minor <= 0
            else amount_minor >= 0 end),
    constraint recovery_entries_account_id_kind_provider_ref_unique
        unique (account_id, kind, provider_ref),
    constraint recovery_entries_kind_words
        check (kind in ('recovered', 'settled_other', 'refunded', 'dispute_lost', 'dispute_won')),
    constraint recovery_entries_cause_words
        check (cause in ('customer_new_card', 'customer_paid_link',
            'customer_authenticated', 'account_updater', 'backup_card',
            'holdfast_retry', 'provider_retry', 'manual_or_external', 'unknown')),
    constraint recovery_entries_currency_code check (currency ~ '^[a-z]{3,}$')
);

create index recovery_entries_by_invoice on recovery_entries (account_id, invoice_id);

create index recovery_entries_by_time on recovery_entries (merchant_id, occurred_at, entry_id);

create table mrr_movements (
    movement_id text collate "C" not null,
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    subscription_id text collate "C" not null,
    customer_id text collate "C",
    kind text collate "C" not null,
    currency text collate "C" not null,
    delta_minor bigint not null,
    source text collate "C" not null,
    occurred_at timestamptz not null,
    effective_at timestamptz not null,
    recorded_at timestamptz not null,
    constraint mrr_movements_key primary key (movement_id),
    constraint mrr_movements_merchant_id_account_id_refers
        foreign key (merchant_id, account_id) references provider_accounts (merchant_id,
            account_id) deferrable initially deferred,
    constraint mrr_movements_account_id_subscription_id_source_unique
        unique (account_id, subscription_id, source),
    constraint mrr_movements_kind_words
        check (kind in ('opening', 'new', 'expansion', 'contraction', 'churn_voluntary',
            'churn_involuntary', 'churn_merchant', 'migration', 'reactivation', 'pause',
            'resume', 'fx')),
    constraint mrr_movements_currency_code check (currency ~ '^[a-z]{3,}$')
);

create index mrr_movements_by_time on mrr_movements (merchant_id, occurred_at, movement_id);
