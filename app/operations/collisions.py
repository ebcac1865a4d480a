"""Two drivers are worse than one: nobody begins to drive what the provider retries too."""

from app.domain.merchants import ProviderAccount
from app.operations.terminal import Refused
from app.ports.payments import AccountRefused, ProviderRefused, ProviderUnavailable
from app.providers.stripe.admin import StripeAdmin

STOP_RETRIES = (
    "in the provider's dashboard, under billing, revenue recovery, retries: turn Smart Retries and "
    "custom retries off, leave the subscription past due at their end, and turn its own "
    "failed-payment mails off"
)


async def refuse_if_retried(admin: StripeAdmin, account: ProviderAccount) -> None:
    """Raise `Refused`, with how to see and change it, where the provider retries too or cannot be
    asked: nobody drives blindly."""
    try:
        seen = await admin.sample_collisions(account)
    except (ProviderUnavailable, ProviderRefused, AccountRefused) as failure:
        raise Refused(f"whether the provider retries too cannot be seen: {failure}") from failure
    if seen.scheduled:
        shown = ", ".join(seen.scheduled[:3])
        raise Refused(
            f"the provider will itself retry {len(seen.scheduled)} of {seen.sampled} open invoices "
            f"({shown}: see their next payment attempt). First {STOP_RETRIES}; then wait until "
            "none is planned any more, or turn automatic collection of those invoices off"
        )
