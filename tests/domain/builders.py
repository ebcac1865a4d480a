"""Facts for the tests of decisions; each names only what matters to it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.declines import Decline, DeclineKind
from app.domain.dunning import CardUse
from app.domain.merchants import CollectionMode, Merchant, ProviderAccount
from app.domain.mirror import Customer, Dispute, Invoice, InvoiceStatus, Payment, Subscription
from app.domain.notices import Notice, NoticeKind
from app.domain.policies import Policy
from app.domain.records import Book
from app.domain.retry import RetryFacts
from app.domain.terms import Terms

MONDAY = datetime(2026, 1, 5, 10, tzinfo=UTC)
MERCHANT = Merchant(merchant_id="mer_1", name="Kelp", assignment_key="k")
ACCOUNT = ProviderAccount(account_id="acc_1", merchant_id="mer_1", mode=CollectionMode.DRIVE)
LOST_MONEY = Dispute(dispute_id="dp_1", amount_minor=3000)


def on_day(n: float, *, hours: float = 0) -> datetime:
    """The n-th day after the Monday the invoice failed on."""
    return MONDAY + timedelta(days=n, hours=hours)


def refusal(kind: DeclineKind = DeclineKind.RETRY_FEW_AND_ASK, **more: Any) -> Decline:
    return Decline(kind=kind, **more)


def facts(decline: Decline | None = None, **more: Any) -> RetryFacts:
    """A case opened on the Monday, refused once, looked at there and then."""
    given: dict[str, Any] = {
        "decline": decline or refusal(),
        "failures": 1,
        "attempts_used": 0,
        "opened_at": MONDAY,
        "window_ends_at": on_day(28),
        "last_failed_at": MONDAY,
        "now": MONDAY,
    }
    return RetryFacts(**(given | more))


def a_use(at: datetime, **more: Any) -> CardUse:
    given: dict[str, Any] = {
        "merchant_id": "mer_1",
        "account_id": "acc_1",
        "use_ref": f"ch_{at.isoformat()}",
        "card_key": "fp_1",
        "at": at,
    }
    return CardUse(**(given | more))


def terms(at: datetime = MONDAY, policy: Policy | None = None, **account: Any) -> Terms:
    return Terms(
        merchant=MERCHANT,
        account=replace(ACCOUNT, **account),
        policy=policy or Policy(),
        now=at,
    )


def an_invoice(**more: Any) -> Invoice:
    """An open renewal of 30.00 USD, as an event shows it."""
    given: dict[str, Any] = {
        "merchant_id": "",
        "account_id": "",
        "invoice_id": "in_1",
        "customer_id": "cus_1",
        "subscription_id": "sub_1",
        "status": InvoiceStatus.OPEN,
        "currency": "usd",
        "due_minor": 3000,
        "remaining_minor": 3000,
        "billing_reason": "subscription_cycle",
        "collection_method": "charge_automatically",
        "attempt_count": 1,
        "created_at": MONDAY - timedelta(hours=1),
        "seen_at": MONDAY,
    }
    return Invoice(**(given | more))


def paid(at: datetime, **more: Any) -> Invoice:
    return an_invoice(
        status=InvoiceStatus.PAID,
        paid_minor=3000,
        remaining_minor=0,
        paid_at=at,
        seen_at=at,
        **more,
    )


def a_payment(at: datetime, status: str = "succeeded", **more: Any) -> Payment:
    given: dict[str, Any] = {
        "merchant_id": "mer_1",
        "account_id": "acc_1",
        "payment_id": "pi_1",
        "customer_id": "cus_1",
        "invoice_id": "in_1",
        "charge_id": f"ch_{status}_{at.isoformat()}",
        "status": status,
        "amount_minor": 3000,
        "occurred_at": at,
        "seen_at": at,
    }
    return Payment(**(given | more))


def notice(kind: NoticeKind, at: datetime = MONDAY, **more: Any) -> Notice:
    """A notice about the renewal of `an_invoice`, unless it brings another snapshot."""
    snapshot = more.setdefault("snapshot", an_invoice(seen_at=at))
    if isinstance(snapshot, Invoice):
        more.setdefault("invoice", snapshot.invoice_id)
        more.setdefault("customer", snapshot.customer_id)
        more.setdefault("subscription", snapshot.subscription_id)
    return Notice(kind=kind, event=f"evt_{kind}_{at.isoformat()}", occurred_at=at, **more)


def a_book() -> Book:
    """A customer with a monthly subscription of 30.00 USD, both known."""
    book = Book()
    book.know(
        [
            Customer(
                merchant_id="mer_1",
                account_id="acc_1",
                customer_id="cus_1",
                email="one@example.com",
            ),
            a_subscription(),
        ]
    )
    return book


def a_subscription(**more: Any) -> Subscription:
    given: dict[str, Any] = {
        "merchant_id": "mer_1",
        "account_id": "acc_1",
        "subscription_id": "sub_1",
        "customer_id": "cus_1",
        "status": "past_due",
        "currency": "usd",
        "plan": "Team",
        "interval": "month",
        "mrr_minor": 3000,
        "seen_at": MONDAY,
    }
    return Subscription(**(given | more))
