"""Rows of a merchant in order, and for each invariant the rows that break it, and it alone."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.actions import ActionKind, action_for
from app.domain.cancellations import CancelRequest, Choice, RequestState, Source
from app.domain.dunning import AttemptState, CardUse, Case, CaseEvent, CaseState, Trigger, Waits
from app.domain.messages import Message, MessageState
from app.domain.mirror import Invoice, InvoiceStatus
from app.domain.operations import IdempotencyKey, InboxState
from app.domain.policies import PolicyVersion
from app.domain.recovery import Cause, EntryKind, RecoveryEntry
from app.domain.redemptions import Redemption
from tests.storage.builders import (
    NOW,
    OURS,
    THEIRS,
    account_of,
    action,
    attempt,
    case,
    event,
    subscription,
)

OWN: dict[str, Any] = {"merchant_id": OURS, "account_id": account_of(OURS)}
CUSTOMER = "cus_1"


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def line(
    name: str, at: datetime, *, of: str = "case_1", seq: int = 1, merchant: str = OURS
) -> CaseEvent:
    return CaseEvent(
        event_id=f"line_{of}_{seq}",
        merchant_id=merchant,
        case_id=of,
        at=at,
        type=name,
        text=name,
        seq=seq,
    )


def invoice(of: str = "case_1", **fields: Any) -> Invoice:
    made = Invoice(
        **OWN,
        invoice_id=f"in_{of}",
        customer_id=CUSTOMER,
        status=InvoiceStatus.OPEN,
        currency="usd",
        due_minor=1000,
        remaining_minor=1000,
        attempt_count=1,
        collection_method="charge_automatically",
        seen_at=ago(hours=1),
    )
    return replace(made, **fields)


def a_case(name: str = "case_1", **fields: Any) -> Case:
    began: dict[str, Any] = {"opened_at": ago(days=5), "window_ends_at": NOW + timedelta(days=20)}
    return case(name, customer_id=CUSTOMER, driven=True, **(began | fields))


def over(state: CaseState, at: datetime, name: str = "case_1", **fields: Any) -> list[Any]:
    """A case that ended so, its timeline and its invoice with it."""
    moved = a_case(name).moved(state, at=at, reason="")
    paid = {"status": InvoiceStatus.PAID, "paid_minor": 1000, "remaining_minor": 0}
    return [
        replace(moved, **fields),
        line("opened", ago(days=5), of=name),
        line(state, at, of=name, seq=2),
        invoice(name, **(paid if state is CaseState.RECOVERED else {})),
    ]


def going_on(name: str = "case_1") -> Any:
    """What keeps an active case going."""
    return action_for(
        ActionKind.WATCH,
        subject=name,
        case_id=name,
        due_at=NOW + timedelta(days=1),
        **OWN,
    )


def entry(minor: int = 1000, *, of: str = "case_1") -> RecoveryEntry:
    return RecoveryEntry(
        **OWN,
        entry_id=f"line_{of}",
        invoice_id=f"in_{of}",
        case_id=of,
        kind=EntryKind.RECOVERED,
        cause=Cause.HOLDFAST_RETRY,
        assisted_by=None,
        currency="usd",
        amount_minor=minor,
        tax_minor=0,
        plan=None,
        interval=None,
        provider_ref=f"ch_{of}",
        failed_at=ago(days=5),
        occurred_at=ago(hours=3),
        recorded_at=ago(hours=3),
    )


def letter(step: str = "failed", **fields: Any) -> Message:
    made = Message(
        **OWN,
        message_id=f"msg_{step}",
        customer_id=CUSTOMER,
        case_id="case_1",
        step=step,
        template="payment_failed",
        recipient="one@example.com",
        state=MessageState.SENT,
        due_at=ago(hours=4),
        sent_at=ago(hours=4),
    )
    return replace(made, **fields)


def left(**fields: Any) -> CancelRequest:
    made = CancelRequest(
        **OWN,
        request_id="req_1",
        customer_id=CUSTOMER,
        subscription_id="sub_1",
        source=Source.SESSION,
        choice=Choice.NOW,
        requested_at=ago(hours=6),
        ends_at=ago(hours=6),
    )
    return replace(made, **fields)


ACTIVE: list[Any] = [a_case(), line("opened", ago(days=5)), invoice(), going_on()]
RECOVERED: list[Any] = [*over(CaseState.RECOVERED, ago(hours=3), recovered_minor=1000), entry()]
APPROVED: dict[str, Any] = {"state": AttemptState.APPROVED, "resolved_at": ago(hours=3)}
DECLINED: dict[str, Any] = {"state": AttemptState.DECLINED, "resolved_at": ago(hours=3)}
TOLD: dict[str, Any] = {"outcome": "forgiven", "invoice": "in_case_1"}
NOT_THIS_CARD = CardUse(
    **OWN, use_ref="ch_refused", card_key="fp_1", never=True, expiry="2027-01", at=ago(days=3)
)
SOUND: dict[str, Sequence[Any]] = {
    "an active case": [
        *ACTIVE,
        attempt(1, intent_at=ago(hours=30), **DECLINED),
        attempt(2, intent_at=ago(hours=10), **DECLINED),
        letter(),
    ],
    "a case on hold beyond its window": [
        a_case(waits=Waits.ON_HOLD, window_ends_at=ago(days=30)),
        *ACTIVE[1:],
    ],
    "a recovered case": [*RECOVERED, attempt(1, intent_at=ago(hours=4), **APPROVED), letter()],
    "a recovery heard of late": [  # the customer paid before our charge began, and nobody knew
        replace(RECOVERED[0], closed_at=ago(hours=9)),
        *RECOVERED[1:],
        attempt(1, intent_at=ago(hours=8), **DECLINED),
    ],
    "an ended case": [
        *over(CaseState.EXHAUSTED, ago(hours=2), reason="the window is over: cancel_now"),
        letter("final", template="final_notice", sent_at=ago(days=4)),
    ],
    "a quiet account": [  # what was charged was told of, and nothing has happened since
        *ACTIVE,
        attempt(1, intent_at=ago(hours=7), **DECLINED),
    ],
    "somebody who left and still pays": [
        PolicyVersion(
            merchant_id=OURS, name="kept", version=2, document={"after_cancel": "collect"}
        ),
        subscription(status="canceled", seen_at=ago(days=2)),
        a_case(subscription_id="sub_1", policy="kept@2"),
        *ACTIVE[1:],
    ],
    "two cases of a subscription, one of which ended it": [
        subscription(status="canceled", seen_at=ago(days=2)),
        *over(
            CaseState.EXHAUSTED,
            ago(days=2),
            "case_2",
            subscription_id="sub_1",
            reason="the window is over: subscription cancel_now",
        ),
        a_case(subscription_id="sub_1"),
        *ACTIVE[1:],
    ],
    "somebody who left just now": [left(requested_at=ago(minutes=10))],
    "an event just received": [replace(event(), received_at=ago(minutes=9))],
}
UNSOUND: dict[str, Sequence[Any]] = {
    "captured_twice": [
        *RECOVERED,
        attempt(1, intent_at=ago(hours=30), **APPROVED),
        attempt(2, intent_at=ago(hours=5), **APPROVED),
    ],
    "paid_beyond_due": [
        *RECOVERED[:-2],
        invoice(status=InvoiceStatus.PAID, paid_minor=2000),
        RECOVERED[-1],
    ],
    "charge_after_stop": [
        *over(CaseState.STOPPED, ago(hours=5)),
        attempt(1, intent_at=ago(hours=4), **DECLINED),
    ],
    "dead_card_charged": [
        *ACTIVE,
        attempt(
            1,
            intent_at=ago(days=3),
            trigger=Trigger.CUSTOMER,
            provider_ref="ch_refused",
            state=AttemptState.DECLINED,
            resolved_at=ago(days=3),
        ),
        NOT_THIS_CARD,
        attempt(2, intent_at=ago(hours=4), fingerprint="fp_1", **DECLINED),
    ],
    "step_mailed_twice": [
        *ACTIVE,
        letter(),
        letter(message_id="msg_again", recipient="another@example.com"),
    ],
    "active_without_action": ACTIVE[:-1],
    "attempt_without_maker": [
        a_case(next_attempt_at=NOW + timedelta(days=1)),
        *ACTIVE[1:-1],
        replace(going_on(), kind=ActionKind.END),
    ],
    "window_outlived": [a_case(window_ends_at=ago(days=3)), *ACTIVE[1:]],
    "action_late": [action("evt_1", hours=-0.1)],
    "lease_without_end": [action("evt_1", leased_until=datetime(2999, 1, 1, tzinfo=UTC))],
    "left_and_collected": [
        subscription(status="canceled", seen_at=ago(hours=2)),
        a_case(subscription_id="sub_1"),
        *ACTIVE[1:],
    ],
    "webhooks_silent": [*ACTIVE, attempt(1, intent_at=ago(hours=6.2), **DECLINED)],
    "cancel_forgotten": [left()],
    "offer_forgotten": [
        Redemption(
            **OWN,
            redemption_id="red_1",
            customer_id=CUSTOMER,
            subscription_id="sub_1",
            session_id="ses_1",
            offer_id="off_1",
            kind="discount",
            terms={},
            currency="usd",
            claimed_at=ago(hours=2),
        )
    ],
    "case_unlike_invoice": [
        *ACTIVE[:2],
        invoice(status=InvoiceStatus.PAID, paid_minor=1000, remaining_minor=0),
        going_on(),
    ],
    "recovered_unlike_ledger": [*RECOVERED[:-1], entry(900)],
    "attempts_too_close": [
        *ACTIVE,
        attempt(1, intent_at=ago(hours=20), **DECLINED),
        attempt(2, intent_at=ago(hours=1), **DECLINED),
    ],
    "failure_without_case": [invoice("nobody")],
    "letter_after_the_end": [
        *over(CaseState.STOPPED, ago(hours=6)),
        letter(),
    ],
    "end_without_notice": [
        *over(CaseState.EXHAUSTED, ago(hours=2), reason="the window is over: cancel_now"),
        letter("final", template="final_notice", sent_at=ago(days=2)),
    ],
    "state_untold": [
        *over(CaseState.STOPPED, ago(hours=2))[:-2],
        line("recovered", ago(hours=2), seq=2),
        invoice(),
    ],
    "attempt_in_doubt": [*ACTIVE, attempt(1, intent_at=ago(hours=27), state=AttemptState.UNKNOWN)],
    "letter_forgotten": [*ACTIVE, letter(state=MessageState.SENDING, sent_at=None)],
    "event_unhandled": [replace(event(), received_at=ago(minutes=11))],
    "forgiven_charged": [
        a_case(subscription_id="sub_1"),
        *ACTIVE[1:],
        left(state=RequestState.STANDING, invoices=(TOLD,)),
        attempt(1, intent_at=ago(hours=4), **DECLINED),
    ],
    "row_of_another": [
        attempt(1, case_id="case_theirs", intent_at=ago(hours=4), **DECLINED),
    ],
    "command_unaudited": [
        IdempotencyKey(merchant_id=OURS, key="k", request="r", subject="case_1", at=ago(hours=1))
    ],
    "case_parked": over(CaseState.PARKED, ago(hours=2)),
}
# What was heard last.
HEARD = replace(event("evt_heard"), state=InboxState.HANDLED, handled_at=ago(hours=6.5))
THEIR_CASE: list[Any] = [
    case("case_theirs", of=THEIRS),
    line("opened", NOW, of="case_theirs", merchant=THEIRS),
]
