"""The mirror of what the provider holds. Rows name each other but no foreign key binds them:
webhooks come late and in any order, and an invoice may be known before its customer."""

from app.domain.dunning import CardUse
from app.domain.mirror import Customer, Dispute, Invoice, Payment, PaymentMethod, Subscription
from app.storage.merchants import ACCOUNT
from app.storage.tables import belongs, check, index, refers, table_of

OF_CUSTOMER = "customer_id account_id"

CUSTOMERS = table_of(
    Customer,
    "customers",
    belongs(ACCOUNT, "provider_accounts"),
)
SUBSCRIPTIONS = table_of(
    Subscription,
    "subscriptions",
    belongs(ACCOUNT, "provider_accounts"),
    index("subscriptions_by_customer", OF_CUSTOMER),
)
INVOICES = table_of(
    Invoice,
    "invoices",
    belongs(ACCOUNT, "provider_accounts"),
    index("invoices_by_customer", OF_CUSTOMER),
    index("invoices_by_subscription", "subscription_id account_id"),
    # Who leaves by a form names one of their invoices.
    index("invoices_by_number", "merchant_id number"),
    index("invoices_failed", "merchant_id seen_at", where="status = 'open' and attempt_count > 0"),
)
PAYMENT_METHODS = table_of(
    PaymentMethod,
    "payment_methods",
    belongs(ACCOUNT, "provider_accounts"),
    check("payment_methods_no_card_number", "length(last4) <= 4"),
    index("payment_methods_by_customer", OF_CUSTOMER),
)
PAYMENTS = table_of(
    Payment,
    "payments",
    belongs(ACCOUNT, "provider_accounts"),
    index("payments_by_invoice", "invoice_id account_id"),
    index("payments_by_charge", "charge_id account_id"),
    index("payments_by_customer", OF_CUSTOMER),
)
DISPUTES = table_of(
    Dispute,
    "disputes",
    refers(ACCOUNT, "provider_accounts"),
    index("disputes_by_customer", OF_CUSTOMER),
)
CARD_BUDGETS = table_of(
    CardUse,
    "card_budgets",
    refers(ACCOUNT, "provider_accounts"),
    index("card_budgets_by_card", "card_key account_id at"),
)
