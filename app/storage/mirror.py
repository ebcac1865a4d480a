"""The mirror of what the provider holds. Rows name each other but no foreign key binds them:
webhooks come late and in any order, and an invoice may be known before its customer."""

from app.domain.dunning import CardUse
from app.domain.mirror import Customer, Invoice, Payment, PaymentMethod, Subscription
from app.storage.merchants import ACCOUNT
from app.storage.tables import check, index, refers, table_of

OF_CUSTOMER = "account_id customer_id"

CUSTOMERS = table_of(
    Customer,
    "customers",
    refers(ACCOUNT, "provider_accounts"),
)
SUBSCRIPTIONS = table_of(
    Subscription,
    "subscriptions",
    refers(ACCOUNT, "provider_accounts"),
    # A customer is asked for without the account as well.
    index("subscriptions_by_customer", "customer_id account_id"),
)
INVOICES = table_of(
    Invoice,
    "invoices",
    refers(ACCOUNT, "provider_accounts"),
    index("invoices_by_customer", OF_CUSTOMER),
    index("invoices_by_subscription", "account_id subscription_id"),
    # Who leaves by a form names one of their invoices.
    index("invoices_by_number", "merchant_id number"),
)
PAYMENT_METHODS = table_of(
    PaymentMethod,
    "payment_methods",
    refers(ACCOUNT, "provider_accounts"),
    check("payment_methods_no_card_number", "length(last4) <= 4"),
    index("payment_methods_by_customer", OF_CUSTOMER),
)
PAYMENTS = table_of(
    Payment,
    "payments",
    refers(ACCOUNT, "provider_accounts"),
    index("payments_by_invoice", "account_id invoice_id"),
    index("payments_by_charge", "account_id charge_id"),
    index("payments_by_customer", OF_CUSTOMER),
)
CARD_BUDGETS = table_of(
    CardUse,
    "card_budgets",
    refers(ACCOUNT, "provider_accounts"),
    index("card_budgets_by_card", "account_id card_key at"),
)
