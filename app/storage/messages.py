"""Messages to customers and the links in them."""

from app.domain.messages import LinkEvent, Message, PaymentLink
from app.storage.merchants import ACCOUNT, MERCHANT
from app.storage.tables import index, refers, table_of

MESSAGES = table_of(
    Message,
    "messages",
    refers(ACCOUNT, "provider_accounts"),
    refers("case_id", "cases"),
    index("messages_by_customer", "account_id customer_id"),
    index("messages_by_sending", "merchant_id sent_at", where="sent_at is not null"),
)
PAYMENT_LINKS = table_of(
    PaymentLink,
    "payment_links",
    refers(ACCOUNT, "provider_accounts"),
    refers("case_id", "cases"),
    index("payment_links_by_case", "case_id"),
)
LINK_EVENTS = table_of(
    LinkEvent,
    "link_events",
    refers(MERCHANT, "merchants"),
    refers("link_id", "payment_links"),
    index("link_events_by_link", "link_id at"),
)
