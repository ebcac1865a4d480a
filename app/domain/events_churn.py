"""Events of customers lost, back, and kept: told from the ledgers as their lines are written."""

from collections.abc import Mapping
from datetime import datetime

from app.domain.churn import ChurnEntry, ChurnOrigin, ChurnRecord
from app.domain.events import OutgoingEvent
from app.domain.events_catalogue import EventType
from app.domain.events_payloads import outgoing
from app.domain.saves import Rung, SaveStep

E = EventType
ENTRIES: Mapping[ChurnEntry, EventType] = {
    ChurnEntry.CHURNED: E.CHURN_RECORDED,
    ChurnEntry.REVERSED: E.CHURN_REVERSED,
    ChurnEntry.RESTATED: E.CHURN_RESTATED,
}
# The acceptance was told as it happened, and so was the abandoning.
TOLD_BEFORE = frozenset({Rung.ACCEPTED, Rung.ABANDONED})


def churn_event(record: ChurnRecord, now: datetime) -> OutgoingEvent | None:
    """The event of a churn record; None for plans, which are told as a cancellation, and for what
    was before us."""
    kind = ENTRIES.get(record.entry)
    if kind is None or record.origin is not ChurnOrigin.SEEN:
        return None
    return outgoing(
        kind,
        record,
        subject=record.subscription_id,
        key=record.record_id,
        at=record.occurred_at,
        now=now,
        account=record.account_id,
        data={
            "account": record.account_id,
            "subscription": record.subscription_id,
            "customer": record.customer_id,
            "entry": record.record_id,
            "kind": record.kind,
            "cause": record.cause,
            "while_past_due": record.while_past_due,
            "because": record.reason,
            "currency": record.currency,
            "mrr_minor": record.mrr_minor,
            "plan": record.plan,
            "occurred_at": record.occurred_at,
        },
    )


def save_event(step: SaveStep, now: datetime) -> OutgoingEvent | None:
    """The event of a rung that was judged; None where it was told before."""
    if step.rung in TOLD_BEFORE:
        return None
    data = {
        "account": step.account_id,
        "subscription": step.subscription_id,
        "customer": step.customer_id,
        "session": step.session_id,
        "rung": step.rung,
        "offer": step.offer_kind,
        "currency": step.currency,
        "mrr_minor": step.mrr_minor,
    }
    return outgoing(
        E.SAVE_CONFIRMED if step.kept else E.SAVE_LOST,
        step,
        subject=step.subscription_id,
        key=f"{step.session_id}:{step.rung}",
        at=step.due_at,
        now=now,
        account=step.account_id,
        data=data if step.kept else data | {"reason": step.why},
    )
