create table declarations (
    declaration_id text collate "C" not null,
    merchant_id text collate "C" not null,
    once text collate "C" not null,
    kind text collate "C" not null,
    name text collate "C" not null,
    email text collate "C" not null,
    reference text collate "C" not null,
    reason text collate "C",
    wished_for text collate "C",
    language text collate "C" not null,
    received_at timestamptz not null,
    state text collate "C" not null,
    account_id text collate "C",
    customer_id text collate "C",
    subscription_id text collate "C",
    request_id text collate "C",
    note text collate "C",
    settled_at timestamptz,
    settled_by text collate "C",
    constraint declarations_key primary key (declaration_id),
    constraint declarations_merchant_id_refers foreign key(merchant_id) references merchants (merchant_id) deferrable initially deferred,
    constraint declarations_merchant_id_once_unique unique (merchant_id, once),
    constraint declarations_kind_words check (kind in ('ordinary', 'extraordinary', 'withdrawal')),
    constraint declarations_state_words check (state in ('received', 'waiting', 'done', 'settled'))
)

create index declarations_by_time on declarations (merchant_id, received_at, declaration_id)

create table consents (
    consent_id text collate "C" not null,
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    subscription_id text collate "C" not null,
    wording text collate "C" not null,
    given_at timestamptz not null,
    recorded_at timestamptz not null,
    recorded_by text collate "C" not null,
    constraint consents_key primary key (consent_id),
    constraint consents_merchant_id_account_id_refers foreign key(merchant_id, account_id) references provider_accounts (merchant_id, account_id) deferrable initially deferred,
    constraint consents_account_id_subscription_id_unique unique (account_id, subscription_id)
)

create table usage_facts (
    merchant_id text collate "C" not null,
    account_id text collate "C" not null,
    customer_id text collate "C" not null,
    name text collate "C" not null,
    labels jsonb not null,
    value text collate "C" not null,
    place bigint not null,
    shown boolean not null,
    pushed_at timestamptz not null,
    constraint usage_facts_key primary key (account_id, customer_id, name),
    constraint usage_facts_merchant_id_account_id_refers foreign key(merchant_id, account_id) references provider_accounts (merchant_id, account_id) deferrable initially deferred,
    constraint usage_facts_place_range check (place between 0 and 99)
)

create index invoices_by_number on invoices (merchant_id, number)
