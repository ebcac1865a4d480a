"""One example of every outgoing event, made by the code that tells them, from one small story."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from app.domain.actions import ActionKind
from app.domain.churn import ChurnCause, ChurnEntry, ChurnKind, ChurnRecord
from app.domain.declines import DeclineKind
from app.domain.dunning import Attempt, AttemptState, Case, CaseState, Trigger, Waits
from app.domain.events import EventEndpoint, OutgoingEvent
from app.domain.events_catalogue import EventType
from app.domain.events_leaving import KINDS
from app.domain.events_payloads import Setting, access_changed, outgoing
from app.domain.events_telling import Move, told_by
from app.domain.evidence import Evidence
from app.domain.messages import LinkEvent, Message, MessageState, PaymentLink
from app.domain.mrr import MovementKind, MrrMovement
from app.domain.openings import case_action
from app.domain.records import Book
from app.domain.recovery import Cause, EntryKind, RecoveryEntry
from app.domain.saves import Rung, SaveStep
from tests.domain.builders import ACCOUNT, MONDAY, a_subscription, on_day

CASE = Case(
    case_id="case_019b8d72a60070000000000000000001",
    merchant_id="mer_1",
    account_id="acc_1",
    invoice_id="in_1",
    customer_id="cus_1",
    subscription_id="sub_1",
    amount_minor=3000,
    due_minor=3000,
    decline_kind=DeclineKind.INSUFFICIENT_FUNDS,
    driven=True,
    opened_at=MONDAY,
    window_ends_at=on_day(28),
)
WHOSE: dict[str, Any] = {"merchant_id": "mer_1", "account_id": "acc_1"}
OF_CASE: dict[str, Any] = {**WHOSE, "case_id": CASE.case_id}
ATTEMPT = Attempt(
    **OF_CASE,
    attempt_id="att_019b8d72a60070000000000000000002",
    number=2,
    trigger=Trigger.HOLDFAST,
    state=AttemptState.SENT,
    currency="usd",
    amount_minor=3000,
    intent_at=on_day(5),
)
MESSAGE = Message(
    **OF_CASE,
    message_id="msg_019b8d72a60070000000000000000003",
    step="failed",
    template="payment_failed",
    recipient="one@example.com",
    state=MessageState.SENDING,
    due_at=on_day(0, hours=8),
)
LINK = PaymentLink(
    **OF_CASE,
    customer_id="cus_1",
    link_id="lnk_019b8d72a60070000000000000000004",
    token_hash="0" * 64,
    message_id=MESSAGE.message_id,
    created_at=MONDAY,
    expires_at=on_day(58),
)
ENTRY = RecoveryEntry(
    **OF_CASE,
    entry_id="rec_019b8d72a60070000000000000000005",
    invoice_id="in_1",
    kind=EntryKind.RECOVERED,
    cause=Cause.HOLDFAST_RETRY,
    assisted_by=None,
    currency="usd",
    amount_minor=3000,
    tax_minor=0,
    plan="Team",
    interval="month",
    provider_ref="ch_1",
    failed_at=MONDAY,
    occurred_at=on_day(5),
    recorded_at=on_day(5),
)
ENDPOINT = EventEndpoint(
    endpoint_id="end_019b8d72a60070000000000000000006",
    merchant_id="mer_1",
    url="https://hooks.example.com/",
    created_at=MONDAY,
)
LOST = MrrMovement(
    **WHOSE,
    movement_id="mrr_1",
    subscription_id="sub_1",
    customer_id="cus_1",
    kind=MovementKind.CHURN_INVOLUNTARY,
    currency="usd",
    delta_minor=-3000,
    source="evt_1",
    occurred_at=on_day(28),
    effective_at=on_day(28),
    recorded_at=on_day(28),
)
HELD = replace(CASE, waits=Waits.ON_HOLD)
PARKED = CASE.moved(CaseState.PARKED, at=on_day(9), reason="a person must look")
BACK = replace(ENTRY, entry_id=ENTRY.entry_id[:-1] + "7", kind=EntryKind.REFUNDED)
NEW_CARD = case_action(CASE, ActionKind.NEW_CARD, on_day(5), nth="pm_2", data={"method": "pm_2"})
WENT = LinkEvent(
    event_id="lev_1",
    merchant_id="mer_1",
    link_id=LINK.link_id,
    kind="went_to_provider",
    at=on_day(5),
    data={"page": "card"},
)


def told(*moves: Move, day: float = 5) -> list[OutgoingEvent]:
    """What is told of these moves of a use case that knows the case, its link and the loss."""
    book = Book()
    book.know([CASE])
    book.know([LINK])
    book.know([LOST])
    return list(told_by(moves, Setting(book, on_day(day))))


def ended(state: CaseState, reason: str, **more: Any) -> Move:
    case = CASE.moved(state, at=on_day(5), reason=reason)
    return Move(CASE, replace(case, **more))


def examples() -> dict[str, OutgoingEvent]:
    """An event of every type, numbered as it would be in a story of its own."""
    told_events = [
        *told(Move(None, CASE, new=True), day=0),
        *told(Move(CASE, HELD), Move(HELD, CASE), Move(CASE, PARKED), Move(PARKED, CASE)),
        *told(ended(CaseState.EXHAUSTED, "the window is over: subscription cancel_now")),
        *told(ended(CaseState.STOPPED, "the invoice was voided")),
        *told(
            ended(
                CaseState.RECOVERED,
                "paid",
                due_minor=0,
                recovered_minor=3000,
                cause=Cause.HOLDFAST_RETRY,
            )
        ),
        *told(Move(CASE, replace(CASE, next_attempt_at=on_day(7)))),
        *told(Move(ATTEMPT, _answered(AttemptState.APPROVED))),
        *told(Move(ATTEMPT, _answered(AttemptState.DECLINED))),
        *told(Move(MESSAGE, replace(MESSAGE, state=MessageState.SENT, sent_at=on_day(0.5)))),
        *told(Move(None, WENT, new=True), Move(None, NEW_CARD, new=True)),
        *told(Move(None, ENTRY, new=True), Move(None, replace(BACK, amount_minor=-1000), new=True)),
        *told(Move(a_subscription(), a_subscription(status="canceled", seen_at=on_day(28)))),
        *told(*_churn(), *_saves(), day=28),
        *told(*_leaving()),
        *told(*_pause()),
        access_changed(
            a_subscription(),
            access="restricted",
            was="grace",
            until=on_day(28),
            reason="14 days after the first refusal",
            case=CASE.case_id,
            now=on_day(14),
        ),
        outgoing(
            EventType.ENDPOINT_TESTED,
            ENDPOINT,
            subject=ENDPOINT.endpoint_id,
            key="1",
            at=MONDAY + timedelta(days=1),
            now=MONDAY,
            data={"endpoint": ENDPOINT.endpoint_id},
        ),
    ]
    return {event.type: replace(event, sequence=1) for event in reversed(told_events)}


def _answered(state: AttemptState) -> Attempt:
    declined = state is AttemptState.DECLINED
    return replace(
        ATTEMPT,
        state=state,
        resolved_at=on_day(5),
        decline_kind=DeclineKind.INSUFFICIENT_FUNDS if declined else None,
        decline={"kind": "insufficient_funds", "code": "insufficient_funds"} if declined else None,
    )


def _churn() -> list[Move]:
    """A loss, its return, and what it was taken for at first."""
    return [
        Move(
            None,
            ChurnRecord(
                **WHOSE,
                record_id=f"chu_019b8d72a6007000000000000000000{nth}",
                subscription_id="sub_1",
                customer_id="cus_1",
                entry=entry,
                kind=ChurnKind.VOLUNTARY,
                cause=ChurnCause.REQUESTED,
                reason="not_using",
                currency="usd",
                mrr_minor=3000 * count,
                count=count,
                plan="Team",
                source="evt_1",
                occurred_at=on_day(28),
                recorded_at=on_day(28),
            ),
            new=True,
        )
        for nth, (entry, count) in enumerate(
            {ChurnEntry.CHURNED: 1, ChurnEntry.REVERSED: -1, ChurnEntry.RESTATED: -1}.items(), 1
        )
    ]


def _saves() -> list[Move]:
    """A rung that was reached, and one that was not."""
    kept = SaveStep(
        **WHOSE,
        session_id="cxs_019b8d72a60070000000000000000008",
        rung=Rung.DEFLECTED_24H,
        customer_id="cus_1",
        subscription_id="sub_1",
        offer_kind="discount",
        kept=True,
        currency="usd",
        mrr_minor=3000,
        begun_at=on_day(0),
        due_at=on_day(1),
        recorded_at=on_day(1),
    )
    lost = replace(kept, rung=Rung.SAVED_30D, kept=False, why="ended", due_at=on_day(30))
    return [Move(None, kept, new=True), Move(None, lost, new=True)]


def _leaving() -> list[Move]:
    """A line of evidence of each kind that is told."""
    session = "cxs_019b8d72a60070000000000000000008"
    said = {"step": "why", "reason": "not_using", "choice": "period_end"}
    return [
        Move(
            None,
            Evidence(
                **WHOSE,
                evidence_id=f"evd_{kind}",
                customer_id="cus_1",
                subscription_id="sub_1",
                session_id=session,
                kind=kind,
                at=on_day(5),
                data=said | {"access_until": on_day(28).isoformat()},
            ),
            new=True,
        )
        for kind in KINDS
    ]


def _pause() -> tuple[Move, Move]:
    paused = replace(ACCOUNT, paused_at=on_day(5), paused_reason="the provider refuses the key")
    return Move(ACCOUNT, paused), Move(paused, ACCOUNT)
