"""What events are made of: the payloads that the catalogue names, and nothing that is secret."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.domain.access import AccessState
from app.domain.dunning import Case
from app.domain.events import OutgoingEvent
from app.domain.events_catalogue import CATALOGUE, EventType
from app.domain.events_delivery import stamp
from app.domain.ids import derive_id
from app.domain.mirror import Subscription
from app.domain.records import Book

E = EventType


@dataclass(frozen=True, slots=True)
class Setting:
    """What tellers look at beside the row: the use case's book and the business instant."""

    book: Book
    now: datetime


def outgoing(
    kind: EventType,
    row: Any,
    *,
    subject: str,
    key: object,
    at: datetime,
    now: datetime,
    data: dict[str, Any],
    account: str | None = None,
) -> OutgoingEvent:
    """An event about a merchant's `row`, not yet numbered. Its id follows from type, subject and
    `key`, so that the same fact told again is the same event.

    Raises `ValueError` where `data` has not exactly the fields of the catalogue.
    """
    fields = CATALOGUE[kind].fields
    if set(data) != set(fields):
        raise ValueError(f"{kind} is told with {sorted(fields)}")
    return OutgoingEvent(
        event_id=derive_id("event", at, row.merchant_id, kind, subject, key),
        merchant_id=row.merchant_id,
        account_id=account,
        type=kind.value,
        version=CATALOGUE[kind].version,
        subject=subject,
        sequence=0,
        data={name: _plain(data[name]) for name in fields},
        occurred_at=at,
        told_at=now,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return stamp(value)
    return value.value if isinstance(value, StrEnum) else value


def access_changed(
    subscription: Subscription | AccessState,
    *,
    access: str,
    was: str,
    until: datetime | None,
    reason: str,
    case: str | None,
    now: datetime,
) -> OutgoingEvent:
    """What the customer of a subscription may use has changed from `was` to `access` at `now`.

    `subscription` is it, or the row that records its access.
    """
    return outgoing(
        E.ACCESS_CHANGED,
        subscription,
        subject=subscription.subscription_id,
        key=f"{was}:{access}:{stamp(until)}",
        at=now,
        now=now,
        account=subscription.account_id,
        data={
            "account": subscription.account_id,
            "subscription": subscription.subscription_id,
            "customer": subscription.customer_id,
            "case": case,
            "access": access,
            "was": was,
            "until": until,
            "reason": reason,
        },
    )


def _parties(case: Case) -> dict[str, Any]:
    return {
        "account": case.account_id,
        "case": case.case_id,
        "invoice": case.invoice_id,
        "customer": case.customer_id,
        "subscription": case.subscription_id,
    }


def of_case(
    kind: EventType,
    case: Case,
    setting: Setting,
    /,
    *,
    key: object,
    at: datetime,
    **data: Any,
) -> OutgoingEvent:
    """An event about a case: whom it concerns, and `data`."""
    return outgoing(
        kind,
        case,
        subject=case.case_id,
        key=key,
        at=at,
        now=setting.now,
        data=_parties(case) | data,
        account=case.account_id,
    )


def whole_case(
    kind: EventType, case: Case, setting: Setting, at: datetime, **more: Any
) -> OutgoingEvent:
    """An event that shows the case as it stands."""
    return of_case(
        kind,
        case,
        setting,
        key=at.isoformat(),
        at=at,
        state=case.state,
        waits=case.waits,
        currency=case.currency,
        amount_minor=case.amount_minor,
        due_minor=case.due_minor,
        recovered_minor=case.recovered_minor,
        decline_kind=case.decline_kind,
        opened_at=case.opened_at,
        window_ends_at=case.window_ends_at,
        **more,
    )
