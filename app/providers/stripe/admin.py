"""What `connect` and `doctor` ask of Stripe: endpoint, account, colliding retries."""

from dataclasses import dataclass
from typing import Any

from app.domain.merchants import ProviderAccount
from app.ports.payments import ProviderUnavailable
from app.ports.secrets import Sealer
from app.providers.stripe.connection import API_VERSION, Connections, json_of
from app.providers.stripe.failures import in_our_words
from app.providers.stripe.reading import Json, at, ref, rows, text, whole

# Exactly what we read. Never `*`, and never `invoice.created`: Stripe holds every renewal of the
# merchant back for up to 72 hours while an endpoint that asked for it does not answer.
EVENTS: tuple[str, ...] = (
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "charge.failed",
    "charge.refund.updated",
    "charge.refunded",
    "charge.succeeded",
    "credit_note.created",
    "credit_note.updated",
    "credit_note.voided",
    "customer.created",
    "customer.deleted",
    "customer.source.created",
    "customer.source.deleted",
    "customer.source.expiring",
    "customer.source.updated",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.pending_update_applied",
    "customer.subscription.pending_update_expired",
    "customer.subscription.resumed",
    "customer.subscription.trial_will_end",
    "customer.subscription.updated",
    "customer.updated",
    "invoice.deleted",
    "invoice.finalization_failed",
    "invoice.finalized",
    "invoice.marked_uncollectible",
    "invoice.overdue",
    "invoice.overpaid",
    "invoice.paid",
    "invoice.payment_action_required",
    "invoice.payment_failed",
    "invoice.upcoming",
    "invoice.updated",
    "invoice.voided",
    "invoice_payment.paid",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "payment_method.attached",
    "payment_method.automatically_updated",
    "payment_method.detached",
    "payment_method.updated",
    "radar.early_fraud_warning.created",
    "radar.early_fraud_warning.updated",
    "refund.failed",
    "setup_intent.succeeded",
    "subscription_schedule.aborted",
    "subscription_schedule.canceled",
    "subscription_schedule.completed",
    "subscription_schedule.created",
    "subscription_schedule.released",
    "subscription_schedule.updated",
)
SAMPLE = 100
MOST_ENDPOINTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A webhook endpoint at Stripe. `api_version` is None where it follows the account's."""

    id: str
    url: str | None
    status: str | None
    api_version: str | None
    events: tuple[str, ...]

    def faults(self) -> list[str]:
        """What keeps this endpoint from serving us, in words; empty if nothing does."""
        asked = set(self.events)
        missing, needless = sorted(set(EVENTS) - asked), sorted(asked - set(EVENTS))
        checks = (
            (self.status not in {None, "enabled"}, f"it is {self.status}"),
            (
                self.api_version != API_VERSION,
                f"it is pinned to {self.api_version or 'no version'}, not {API_VERSION}",
            ),
            ("*" in asked, "it asks for every event (`*`)"),
            ("invoice.created" in asked, "invoice.created would hold renewals back"),
            (bool(missing) and "*" not in asked, f"it lacks {', '.join(missing)}"),
            (bool(needless), f"it asks needlessly for {', '.join(needless)}"),
        )
        return [words for holds, words in checks if holds]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSeen:
    """The account a key belongs to: `acct_…`, its country, its default currency."""

    id: str
    country: str | None
    currency: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Collisions:
    """Of the newest open invoices charged automatically: how many there are (`sampled`, at most
    100), which Stripe itself will try again, and which it may (`auto_advance`)."""

    sampled: int
    scheduled: tuple[str, ...]
    auto_advancing: tuple[str, ...]


class StripeAdmin:
    """Set-up and inspection of one Stripe account. `close` at the end.

    Every method raises `ProviderUnavailable`, `ProviderRefused` or `AccountRefused`.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._connections = Connections(sealer)

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close()

    async def create_webhook_endpoint(self, account: ProviderAccount, url: str) -> tuple[str, str]:
        """Make an endpoint for `EVENTS` at the pinned version: its id and its signing secret,
        which Stripe shows this once. Not safe to repeat: look with `list_webhook_endpoints`."""
        client = self._connections.client(account)
        params: Any = {
            "url": url,
            "enabled_events": list(EVENTS),
            "api_version": API_VERSION,
            "description": "Holdfast",
        }
        with in_our_words():
            obj = await json_of(client.v1.webhook_endpoints.create_async(params))
        endpoint, secret = ref(obj), text(obj.get("secret"))
        if endpoint is None or secret is None:
            raise ProviderUnavailable("the answer shows no endpoint or no secret")
        return endpoint, secret

    async def list_webhook_endpoints(self, account: ProviderAccount) -> list[Endpoint]:
        """The endpoints of the account, at most 100 (Stripe allows 16)."""
        client = self._connections.client(account)
        with in_our_words():
            listed = await json_of(
                client.v1.webhook_endpoints.list_async({"limit": MOST_ENDPOINTS})
            )
        return [_endpoint(obj) for obj in rows(listed)]

    async def read_account(self, account: ProviderAccount) -> AccountSeen:
        """The account the key belongs to."""
        client = self._connections.client(account)
        with in_our_words():
            obj = await json_of(client.v1.accounts.retrieve_current_async())
        found = ref(obj)
        if found is None:
            raise ProviderUnavailable("the answer shows no account")
        return AccountSeen(
            id=found,
            country=text(obj.get("country"), 2),
            currency=text(obj.get("default_currency"), 3),
        )

    async def sample_collisions(self, account: ProviderAccount) -> Collisions:
        """Look whether Stripe retries what we would retry. There is no API for its retry
        settings: this infers them from open invoices."""
        client = self._connections.client(account)
        params: Any = {
            "status": "open",
            "collection_method": "charge_automatically",
            "limit": SAMPLE,
        }
        with in_our_words():
            obj = await json_of(client.v1.invoices.list_async(params))
        found = [(ref(row), row) for row in rows(obj)]
        return Collisions(
            sampled=len(found),
            scheduled=tuple(i for i, row in found if i and _is_retried(row)),
            auto_advancing=tuple(i for i, row in found if i and row.get("auto_advance") is True),
        )


def _is_retried(invoice: Json) -> bool:
    """Not one that waits for its first try: every invoice does for about an hour."""
    return bool(at(invoice, "next_payment_attempt") and whole(invoice.get("attempt_count")))


def _endpoint(obj: Json) -> Endpoint:
    events = obj.get("enabled_events")
    return Endpoint(
        id=ref(obj) or "",
        url=text(obj.get("url"), 2048),
        status=text(obj.get("status"), 40),
        api_version=text(obj.get("api_version"), 60),
        events=tuple(e for e in events if isinstance(e, str)) if isinstance(events, list) else (),
    )
