"""What happened in a cancellation, line by line: kept three years, never changed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from app.domain.cancellations import CancelRequest
from app.domain.ids import derive_id
from app.domain.sessions import CancelSession

# California Bus. & Prof. Code 17602(b)(6): three years, or one after the end if that is longer.
KEPT_AT_LEAST = timedelta(days=3 * 365 + 1)


class EvidenceKind(StrEnum):
    """What a line tells of."""

    STARTED = "started"
    STEP_VIEWED = "step_viewed"
    REASON_SELECTED = "reason_selected"
    ANSWERED = "answered"
    OFFER_SHOWN = "offer_shown"
    OFFER_DECLINED = "offer_declined"
    OFFER_ACCEPTED = "offer_accepted"
    OFFER_APPLIED = "offer_applied"
    OFFER_FAILED = "offer_failed"
    PREVIEWED = "previewed"
    ABANDONED = "abandoned"
    CANCELLED = "cancelled"
    UNCANCELLED = "uncancelled"
    REFUND_ASKED = "refund_asked"  # committed before the provider is asked for it
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One line. `data` holds what was shown or said then: the flow's version, the step, the
    preview; never the customer's own words, which may be forgotten earlier."""

    KEY: ClassVar = ("evidence_id",)
    UNIQUE: ClassVar = ()
    evidence_id: str
    merchant_id: str
    account_id: str
    customer_id: str | None = None
    subscription_id: str
    session_id: str | None = None
    request_id: str | None = None
    kind: EvidenceKind
    at: datetime
    data: dict[str, Any] | None = None


def of_session(
    session: CancelSession, kind: EvidenceKind, at: datetime, *about: str, **data: Any
) -> Evidence:
    """A line about a session; the same at the same instant about the same is one."""
    return Evidence(
        evidence_id=derive_id("evidence", at, session.session_id, kind, *about),
        merchant_id=session.merchant_id,
        account_id=session.account_id,
        customer_id=session.customer_id,
        subscription_id=session.subscription_id,
        session_id=session.session_id,
        request_id=session.request_id,
        kind=kind,
        at=at,
        data={"flow": session.flow, **data},
    )


def of_request(
    request: CancelRequest, kind: EvidenceKind, at: datetime, *about: str, **data: Any
) -> Evidence:
    """A line about a request."""
    return Evidence(
        evidence_id=derive_id("evidence", at, request.request_id, kind, *about),
        merchant_id=request.merchant_id,
        account_id=request.account_id,
        customer_id=request.customer_id,
        subscription_id=request.subscription_id,
        session_id=request.session_id,
        request_id=request.request_id,
        kind=kind,
        at=at,
        data=dict(data) or None,
    )
