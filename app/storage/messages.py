"""Messages to customers and the links in them."""

from app.domain.correspondence import (
    Channels,
    Letterhead,
    MessageEvent,
    Suppression,
    TemplateVersion,
)
from app.domain.messages import LinkEvent, Message, PaymentLink
from app.storage.merchants import ACCOUNT, MERCHANT
from app.storage.tables import check, index, refers, table_of

MESSAGES = table_of(
    Message,
    "messages",
    refers(ACCOUNT, "provider_accounts"),
    refers("case_id", "cases"),
    index("messages_by_customer", "account_id customer_id"),
    index("messages_by_sending", "merchant_id sent_at", where="sent_at is not null"),
    index("messages_waiting", "merchant_id due_at", where="state in ('planned', 'sending')"),
    check("messages_about_one", "case_id is null or subscription_id is null"),
)
PAYMENT_LINKS = table_of(
    PaymentLink,
    "payment_links",
    refers(ACCOUNT, "provider_accounts"),
    refers("case_id", "cases"),
    index("payment_links_by_case", "case_id"),
    index("payment_links_by_customer", "customer_id account_id"),
)
LINK_EVENTS = table_of(
    LinkEvent,
    "link_events",
    refers(MERCHANT, "merchants"),
    refers("link_id", "payment_links"),
    index("link_events_by_link", "link_id at"),
)
LETTERHEADS = table_of(Letterhead, "letterheads", refers(MERCHANT, "merchants"))
CHANNELS = table_of(Channels, "channels", refers(MERCHANT, "merchants"))
TEMPLATE_VERSIONS = table_of(
    TemplateVersion,
    "template_versions",
    refers(MERCHANT, "merchants"),
    check("template_versions_count_from_one", "version >= 1"),
)
MESSAGE_EVENTS = table_of(
    MessageEvent,
    "message_events",
    refers(MERCHANT, "merchants"),
    index("message_events_by_recipient", "merchant_id recipient at"),
)
SUPPRESSIONS = table_of(
    Suppression,
    "suppressions",
    refers(MERCHANT, "merchants"),
    index("suppressions_by_time", "merchant_id at suppression_id"),
)
