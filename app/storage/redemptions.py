"""Accepted offers and the provider calls they consist of."""

from app.domain.redemptions import Redemption, RedemptionStep
from app.storage.merchants import ACCOUNT, MERCHANT
from app.storage.tables import check, index, refers, table_of

REDEMPTIONS = table_of(
    Redemption,
    "redemptions",
    refers(ACCOUNT, "provider_accounts"),
    check("redemptions_cost_count", "cost_minor >= 0"),
    index("redemptions_by_customer", "account_id customer_id claimed_at"),
    index("redemptions_by_offer", "merchant_id offer_id claimed_at"),
    index("redemptions_by_subscription", "subscription_id account_id"),
    index("redemptions_by_claim", "merchant_id claimed_at"),
    index("redemptions_by_settlement", "merchant_id settled_at"),
    index(
        "redemptions_at_work",
        "merchant_id claimed_at",
        where="state in ('applying', 'waiting', 'undoing')",
    ),
)
REDEMPTION_STEPS = table_of(
    RedemptionStep,
    "redemption_steps",
    refers(MERCHANT, "merchants"),
    refers("redemption_id", "redemptions"),
    check("redemption_steps_count_from_one", "number >= 1 and tries >= 1"),
)
