"""Who uses a deployment: merchants, provider accounts, keys, policies."""

from sqlalchemy import UniqueConstraint

from app.domain.experiments import Assignment
from app.domain.merchants import ApiKey, CustomerTokenKey, Merchant, ProviderAccount, Reader
from app.domain.policies import PolicyVersion
from app.storage.tables import belongs, check, index, refers, table_of, unique_index

MERCHANT = "merchant_id"
# Rows that name an account name the merchant it belongs to with it: no row can mix two merchants.
ACCOUNT = "merchant_id account_id"

MERCHANTS = table_of(
    Merchant,
    "merchants",
    check("merchants_holdout_range", "holdout_percent between 0 and 100"),
    # The tenants of a transaction travel as a comma-separated list.
    check("merchants_plain_id", "position(',' in merchant_id) = 0 and merchant_id <> ''"),
)
PROVIDER_ACCOUNTS = table_of(
    ProviderAccount,
    "provider_accounts",
    UniqueConstraint(MERCHANT, "account_id", name="provider_accounts_of_merchant"),
    refers(MERCHANT, "merchants"),
)
API_KEYS = table_of(
    ApiKey,
    "api_keys",
    refers(MERCHANT, "merchants"),
    index("api_keys_by_merchant", MERCHANT),
)
CUSTOMER_TOKEN_KEYS = table_of(
    CustomerTokenKey,
    "customer_token_keys",
    refers(ACCOUNT, "provider_accounts"),
    index("customer_token_keys_by_merchant", "merchant_id created_at key_id"),
)
POLICIES = table_of(
    PolicyVersion,
    "policies",
    refers(MERCHANT, "merchants"),
    check("policies_count_from_one", "version >= 1"),
    # What the policy file said is kept beside it, whatever is in force.
    unique_index(
        "policies_in_force",
        "merchant_id name",
        where="state = 'published' and published_by <> 'deployment'",
    ),
)
ASSIGNMENTS = table_of(
    Assignment,
    "assignments",
    belongs(MERCHANT, "merchants"),
    check("assignments_holdout_range", "holdout_percent between 0 and 100"),
    index("assignments_by_customer", "merchant_id customer_id experiment"),
)
READERS = table_of(Reader, "readers", refers(MERCHANT, "merchants"))
