"""Rows for storage tests; each builder names only what matters."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.actions import Action, ActionKind, action_for
from app.domain.dunning import Attempt, AttemptState, Case, Trigger
from app.domain.merchants import ApiKey, Merchant, ProviderAccount
from app.domain.mirror import Customer, Subscription
from app.domain.operations import AuditEntry, InboxEvent
from app.ports.store import Store

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
OURS, THEIRS = "mer_ours", "mer_theirs"


def account_of(merchant: str) -> str:
    return merchant.replace("mer", "acc")


def merchant(name: str = OURS) -> Merchant:
    return Merchant(merchant_id=name, name=name, created_at=NOW)


def account(of: str = OURS, **fields: Any) -> ProviderAccount:
    return ProviderAccount(account_id=account_of(of), merchant_id=of, created_at=NOW, **fields)


def customer(ref: str = "cus_1", *, of: str = OURS, **fields: Any) -> Customer:
    return Customer(merchant_id=of, account_id=account_of(of), customer_id=ref, **fields)


def subscription(name: str = "sub_1", **fields: Any) -> Subscription:
    return Subscription(
        merchant_id=OURS, account_id=account_of(OURS), subscription_id=name, **fields
    )


def case(name: str = "case_1", *, of: str = OURS, invoice: str = "", **fields: Any) -> Case:
    made = Case(
        case_id=name,
        merchant_id=of,
        account_id=account_of(of),
        invoice_id=invoice or f"in_{name}",
        opened_at=NOW,
        window_ends_at=NOW + timedelta(days=28),
    )
    return replace(made, **fields)


def attempt(number: int, *, name: str = "", case_id: str = "case_1", **fields: Any) -> Attempt:
    made = Attempt(
        attempt_id=name or f"att_{case_id}_{number}",
        merchant_id=OURS,
        account_id=account_of(OURS),
        case_id=case_id,
        number=number,
        trigger=Trigger.HOLDFAST,
        state=AttemptState.PLANNED,
        currency="usd",
        amount_minor=1000,
        intent_at=NOW,
    )
    return replace(made, **fields)


def action(subject: str, *, of: str = OURS, hours: float = 0, **fields: Any) -> Action:
    made = action_for(
        ActionKind.READ,
        subject=subject,
        merchant_id=of,
        account_id=account_of(of),
        due_at=NOW + timedelta(hours=hours),
    )
    return replace(made, **fields)


def event(
    name: str = "evt_1", *, of: str = OURS, body: str | None = "{}", share: int = 0
) -> InboxEvent:
    return InboxEvent(
        merchant_id=of,
        account_id=account_of(of),
        event_id=name,
        type="invoice.paid",
        body=body,
        created_at=NOW,
        received_at=NOW,
        share=share,
    )


def api_key(name: str, *, of: str = OURS) -> ApiKey:
    return ApiKey(key_id=name, merchant_id=of, name=name, secret_hash=f"hash of {name}")


def audit_line(name: str = "aud_1", **fields: Any) -> AuditEntry:
    made = AuditEntry(
        audit_id=name, merchant_id=OURS, at=NOW, actor="a person", action="pause", subject="x"
    )
    return replace(made, **fields)


async def save_all(store: Store, *rows: Any) -> None:
    """Our rows, one after the other, in one transaction."""
    async with store.transaction(OURS) as tx:
        for row in rows:
            await tx.save([row])
