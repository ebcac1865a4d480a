"""What becomes of a session by the offer that was accepted in it."""

from datetime import datetime

from app.domain.evidence import EvidenceKind, of_session
from app.domain.flows import Flow
from app.domain.mirror import Subscription
from app.domain.records import Book
from app.domain.redemptions import Redemption, RedemptionState
from app.domain.saves import accepted, checks
from app.domain.sessions import CancelSession, SessionState, confirm_step, shown

# A person looks at one that is parked; nobody is kept from leaving meanwhile.
NOT_KEPT = frozenset({RedemptionState.FAILED, RedemptionState.PARKED})


def follow(
    book: Book, session: CancelSession, redemption: Redemption, flow: Flow, now: datetime
) -> None:
    """Let a session that waits for its offer follow what became of it, whoever carried it on.

    Safe to repeat: one that has an outcome keeps it. After an offer that failed, or is left to a
    person, the customer may still leave. What is kept elsewhere saves the session, and is told of
    as applied when that is reported.
    """
    if session.state is not SessionState.APPLYING:
        return
    if redemption.awaits_report:
        book.put(session.moved(SessionState.SAVED, at=now))
        _begin_ladder(book, session, redemption, now)
    elif redemption.state is RedemptionState.APPLIED:
        book.put(session.moved(SessionState.SAVED, at=now))
        tell_of_offer(book, session, redemption, now)
        _begin_ladder(book, session, redemption, now)
    elif redemption.state in NOT_KEPT:
        back = session.moved(SessionState.OPEN, at=now)
        book.put(shown(back, confirm_step(flow)))
        tell_of_offer(book, session, redemption, now)


def tell_of_offer(
    book: Book, session: CancelSession, redemption: Redemption, now: datetime
) -> None:
    """Keep what came of an offer as evidence."""
    step, applied = redemption.offer_id, redemption.state is RedemptionState.APPLIED
    kind = EvidenceKind.OFFER_APPLIED if applied else EvidenceKind.OFFER_FAILED
    book.add(of_session(session, kind, now, step, step=step))


def _begin_ladder(
    book: Book, session: CancelSession, redemption: Redemption, now: datetime
) -> None:
    """The offer was accepted: whether the customer stays is looked at later, three times."""
    subscription = book.get(Subscription, session.account_id, session.subscription_id)
    first = accepted(session, redemption, subscription, now)
    book.add(first)
    for action in checks(first):
        book.add(action)
