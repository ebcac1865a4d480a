create table merchants (
    merchant_id text collate "C" not null,
    name text collate "C" not null,
    time_zone text collate "C" not null,
    language text collate "C" not null,
    sender_email text collate "C" not null,
    sender_name text collate "C" not null,
    reply_to text collate "C",
    holdout_percent bigint not null,
    assignment_key text collate "C" not null,
    created_at timestamptz,
    constraint merchants_key primary key (merchant_id),
    constraint merchants_holdout_range check (holdout_percent between 0 and 100),
    constraint merchants_plain_id check (position(',' in merchant_id) = 0 and merchant_id <> '')
);

create table provider_accounts (
    account_id text collate "C" not null,
    merchant_id text collate "C" not null,
    provider text collate "C" not null,
    provider_ref text collate "C",
    live boolean not null,
    mode text collate "C" not null,
    api_key_sealed text collate "C" not null,
    webhook_secrets_sealed jsonb not null,
    webhook_endpoint_ref text collate "C",
    api_base text collate "C",
    paused_at timestamptz,
    paused_reason text collate "C",
    created_at timestamptz,
    constraint provider_accounts_key primary key (account_id),
    constraint provider_accounts_of_merchant unique (merchant_id, account_id),
    constraint provider_accounts_merchant_id_refers
        foreign key (merchant_id) references merchants (merchant_id) deferrable
            initially deferred,
    constraint provider_accounts_mode_words check (mode in ('observe', 'drive'))
);

create table api_keys (
    key_id text collate "C" not null,
    merchant_id text collate "C" not null,
    name text collate "C" not null,
    secret_hash text collate "C" not null,
    scopes jsonb not null,
    created_at timestamptz,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    constraint api_keys_key primary key (key_id),
    constraint api_keys_merchant_id_refers
        foreign key (merchant_id) references merchants (merchant_id) deferrable
            initially deferred,
    constraint api_keys_secret_hash_unique unique (secret_hash)
);

create index api_keys_by_merchant on api_keys (merchant_id);

create table policies (
    merchant_id text collate "C" not null,
    name text collate "C" not null,
    version bigint not null,
    document jsonb not null,
    constraint policies_key primary key (merchant_id, name, version),
    constraint policies_merchant_id_refers
        foreign key (merchant_id) references merchants (merchant_id) deferrable initially deferred
);

create table assignments (
    merchant_id text collate "C" not null,
    experiment text collate "C" not null,
    unit text collate "C" not null,
    customer_id text collate "C",
    arm text collate "C" not null,
    holdout_percent bigint not null,
    drawn_at timestamptz not null,
    constraint assignments_key primary key (merchant_id, experiment, unit),
    constraint assignments_merchant_id_refers
        foreign key (merchant_id) references merchants (merchant_id) deferrable
            initially deferred,
    constraint assignments_holdout_range check (holdout_percent between 0 and 100)
);
