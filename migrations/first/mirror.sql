create table customers (
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    customer_id text collate "C" not null,
    email text collate "C",
    name text collate "C",
    language text collate "C",
    country text collate "C",
    time_zone text collate "C",
    default_method_id text collate "C",
    deleted boolean not null,
    erased boolean not null,
    seen_at timestamptz,
    constraint customers_key primary key (account_id, customer_id),
    constraint customers_merchant_id_account_id_refers
        foreign key (merchant_id, account_id) references provider_accounts (merchant_id,
            account_id) deferrable initially deferred
);

create table subscriptions (
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    subscription_id text collate "C" not null,
    customer_id text collate "C",
    status text collate "C" not null,
    currency text collate "C",
    plan text collate "C",
    interval text collate "C",
    interval_count bigint not null,
    mrr_minor bigint not null,
    items jsonb not null,
    default_method_id text collate "C",
    cancel_at timestamptz,
    cancel_at_period_end boolean not null,
    canceled_at timestamptz,
    ended_at timestamptz,
    cancellation_reason text collate "C",
    pause_reason text collate "C",
    collection_paused boolean not null,
    has_schedule boolean not null,
    started_at timestamptz,
    trial_end timestamptz,
    period_end timestamptz,
    seen_at timestamptz,
    constraint subscriptions_key primary key (account_id, subscription_id),
    constraint subscriptions_merchant_id_account_id_refers
        foreign key (merchant_id, account_id) references provider_accounts (merchant_id,
            account_id) deferrable initially deferred,
    constraint subscriptions_currency_code check (currency ~ '^[a-z]{3,}$')
);

create index subscriptions_by_customer on subscriptions (account_id, customer_id);

create table invoices (
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    invoice_id text collate "C" not null,
    customer_id text collate "C",
    subscription_id text collate "C",
    status text collate "C" not null,
    currency text collate "C" not null,
    due_minor bigint not null,
    paid_minor bigint not null,
    remaining_minor bigint not null,
    tax_minor bigint not null,
    off_provider_minor bigint not null,
    billing_reason text collate "C",
    collection_method text collate "C",
    attempt_count bigint not null,
    next_attempt_at timestamptz,
    auto_advance boolean,
    number text collate "C",
    label text collate "C",
    method_id text collate "C",
    pending_update boolean not null,
    own_offer boolean not null,
    trial_conversion boolean not null,
    customer_email text collate "C",
    customer_name text collate "C",
    created_at timestamptz,
    due_at timestamptz,
    paid_at timestamptz,
    closed_reason text collate "C",
    seen_at timestamptz,
    constraint invoices_key primary key (account_id, invoice_id),
    constraint invoices_merchant_id_account_id_refers
        foreign key (merchant_id, account_id) references provider_accounts (merchant_id,
            account_id) deferrable initially deferred,
    constraint invoices_status_words
        check (status in ('draft', 'open', 'uncollectible', 'paid', 'void', 'deleted',
            'unknown')),
    constraint invoices_currency_code check (currency ~ '^[a-z]{3,}$')
);

create index invoices_by_customer on invoices (account_id, customer_id);

create index invoices_by_subscription on invoices (account_id, subscription_id);

create table payment_methods (
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    method_id text collate "C" not null,
    customer_id text collate "C",
    type text collate "C" not null,
    brand text collate "C",
    last4 text collate "C",
    exp_month bigint,
    exp_year bigint,
    fingerprint text collate "C",
    country text collate "C",
    added_at timestamptz,
    network_updated_at timestamptz,
    detached boolean not null,
    seen_at timestamptz,
    constraint payment_methods_key primary key (account_id, method_id),
    constraint payment_methods_merchant_id_account_id_refers
        foreign key (merchant_id, account_id) references provider_accounts (merchant_id,
            account_id) deferrable initially deferred,
    constraint payment_methods_no_card_number check (length(last4) <= 4)
);

create index payment_methods_by_customer on payment_methods (account_id, customer_id);

create table payments (
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    payment_id text collate "C" not null,
    customer_id text collate "C",
    invoice_id text collate "C",
    charge_id text collate "C",
    status text collate "C" not null,
    currency text collate "C" not null,
    amount_minor bigint not null,
    refunded_minor bigint not null,
    method_id text collate "C",
    fingerprint text collate "C",
    brand text collate "C",
    decline jsonb,
    occurred_at timestamptz,
    seen_at timestamptz,
    constraint payments_key primary key (account_id, payment_id),
    constraint payments_merchant_id_account_id_refers
        foreign key (merchant_id, account_id) references provider_accounts (merchant_id,
            account_id) deferrable initially deferred,
    constraint payments_currency_code check (currency ~ '^[a-z]{3,}$')
);

create index payments_by_charge on payments (account_id, charge_id);

create index payments_by_customer on payments (account_id, customer_id);

create index payments_by_invoice on payments (account_id, invoice_id);

create table card_budgets (
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    use_ref text collate "C" not null,
    card_key text collate "C" not null,
    brand text collate "C",
    rail text collate "C" not null,
    amount_minor bigint not null,
    approved boolean not null,
    never boolean not null,
    expiry text collate "C",
    at timestamptz not null,
    constraint card_budgets_key primary key (account_id, use_ref),
    constraint card_budgets_merchant_id_account_id_refers
        foreign key (merchant_id, account_id) references provider_accounts (merchant_id,
            account_id) deferrable initially deferred
);

create index card_budgets_by_card on card_budgets (account_id, card_key, at);
