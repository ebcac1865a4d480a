"""What becomes of a session by the offer that was accepted in it."""

from datetime import datetime

from app.domain.evidence import EvidenceKind, of_session
from app.domain.flows import Flow
from app.domain.records import Book
from app.domain.redemptions import Redemption, RedemptionState
from app.domain.sessions import CancelSession, SessionState, confirm_step, shown

# A person looks at one that is parked; nobody is kept from leaving meanwhile.
NOT_KEPT = frozenset({RedemptionState.FAILED, RedemptionState.PARKED})


def follow(
    book: Book, session: CancelSession, redemption: Redemption, flow: Flow, now: datetime
) -> None:
    """Let a session that waits for its offer follow what became of it, whoever carried it on.

    Safe to repeat: one that has an outcome keeps it. After an offer that failed, or is left to a
    person, the customer may still leave.
    """
    if session.state is not SessionState.APPLYING:
        return
    step = redemption.offer_id
    if redemption.state is RedemptionState.APPLIED or redemption.awaits_report:
        book.put(session.moved(SessionState.SAVED, at=now))
        book.add(of_session(session, EvidenceKind.OFFER_APPLIED, now, step, step=step))
    elif redemption.state in NOT_KEPT:
        back = session.moved(SessionState.OPEN, at=now)
        book.put(shown(back, confirm_step(flow)))
        book.add(of_session(session, EvidenceKind.OFFER_FAILED, now, step, step=step))
