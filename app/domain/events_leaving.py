"""Events of somebody leaving, told from the lines of evidence as they are written."""

from collections.abc import Mapping
from datetime import datetime

from app.domain.events import OutgoingEvent
from app.domain.events_catalogue import CATALOGUE, EventType
from app.domain.events_payloads import outgoing
from app.domain.evidence import Evidence, EvidenceKind

E, K = EventType, EvidenceKind
KINDS: Mapping[EvidenceKind, EventType] = {
    K.STARTED: E.LEAVING_STARTED,
    K.STEP_VIEWED: E.LEAVING_STEP_VIEWED,
    K.REASON_SELECTED: E.LEAVING_REASON_SELECTED,
    K.OFFER_SHOWN: E.LEAVING_OFFER_SHOWN,
    K.OFFER_ACCEPTED: E.LEAVING_OFFER_ACCEPTED,
    K.OFFER_APPLIED: E.LEAVING_OFFER_APPLIED,
    K.OFFER_FAILED: E.LEAVING_OFFER_FAILED,
    K.ABANDONED: E.LEAVING_ABANDONED,
    K.CANCELLED: E.LEAVING_CANCELLED,
    K.UNCANCELLED: E.LEAVING_UNCANCELLED,
}
# Where a field of the payload stands in the line's data.
TOLD = {"step": "step", "because": "reason", "choice": "choice", "until": "access_until"}


def leaving_event(line: Evidence, now: datetime) -> OutgoingEvent | None:
    """The event of a line of evidence; None where it is nobody's business outside. Never the
    customer's own words: those are read by the API, by whom they are meant for."""
    kind = KINDS.get(line.kind)
    if kind is None:
        return None
    said = line.data or {}
    data = {
        "account": line.account_id,
        "subscription": line.subscription_id,
        "customer": line.customer_id,
        "session": line.session_id,
    }
    more = {name: said.get(TOLD[name]) for name in CATALOGUE[kind].fields if name in TOLD}
    if more.get("until"):
        more["until"] = datetime.fromisoformat(str(more["until"]))
    return outgoing(
        kind,
        line,
        subject=line.subscription_id,
        key=line.evidence_id,
        at=line.at,
        now=now,
        account=line.account_id,
        data=data | more,
    )
