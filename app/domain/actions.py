"""Actions: what must happen at a time. The queue of record; arq only carries their ids."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from app.domain.ids import derive_id
from app.domain.records import quick


class ActionKind(StrEnum):
    """What an action does, and to what its `subject` points."""

    ASSESS = "assess"  # case: live look after opening, take it over, decide
    RETRY = "retry"  # case: one attempt
    RESOLVE = "resolve"  # attempt in doubt: find out by reading
    WATCH = "watch"  # case the provider works: look whether it ended
    END = "end"  # case: carry out the policy's end
    SEND = "send"  # message
    NEW_CARD = "new_card"  # customer: set the new method, try what is open
    READ = "read"  # provider object: read it live and absorb it
    REMIND = "remind"  # subscription: tell of a renewal
    CARD_LOOK = "card_look"  # payment method: tell of its expiry, if a charge falls after it
    DELIVER_EVENT = "deliver_event"  # endpoint and subject: one outgoing event
    RECONCILE = "reconcile"  # account: find by reading what no webhook told
    COMPARE = "compare"  # account: set the ledger beside the provider's lists
    LOOK_FOR_JUMP = "look_for_jump"  # account: do its payments fail more often than usual
    GIVE_BACK = "give_back"  # case: let the provider collect its invoice again
    RELEASE = "release"  # case: a hold ends on its day
    COLLECTION = "collection"  # case: the provider's own collection rests while ours does
    FORGIVE = "forgive"  # case: close the invoice of a debt that was forgiven
    ACCESS_CHANGE = "access_change"  # subscription: record and tell what may be used
    CANCEL = "cancel"  # cancel request: let the provider end the subscription as told
    SETTLE = "settle"  # invoice of a subscription that was cancelled: as the customer was told
    CONFIRM = "confirm"  # message: acknowledge a cancel request
    CLOSE_SESSION = "close_session"  # cancel session: nobody came back to it
    FORGET = "forget"  # cancel session: empty what the customer wrote
    DECLARE = "declare"  # declaration: carry out what was said on a public form
    REFUND = "refund"  # payment: give it back after a withdrawal
    END_PAUSE = "end_pause"  # redemption: resume what an offer paused
    TELL_OF_RESUMING = "tell_of_resuming"  # redemption: tell that its pause will end
    PLAN_AFTER = "plan_after"  # cancel request: which letters are to follow it
    AFTER_LETTER = "after_letter"  # cancel request: one letter to somebody who left
    TELL_MENDED = "tell_mended"  # mended reason: find those who left for it
    FORGET_FEEDBACK = "forget_feedback"  # cancel request: empty what was answered afterwards
    RESOLVE_REDEMPTION = "resolve_redemption"  # redemption: find out by reading, and go on
    CHECK_SAVE = "check_save"  # cancel session that was saved: look whether it lasts
    FORGET_IMPORTED = "forget_imported"  # day of imported sessions: empty what customers wrote
    CHECK_INVARIANTS = "check_invariants"  # merchant: ask its rows whether all holds that must
    FORGET_BODIES = "forget_bodies"  # account: empty the webhooks that were handled long ago
    ERASE_BODIES = "erase_bodies"  # customer who was erased: empty the webhooks that name them


# A case that is active has at least one of these pending.
CASE_ACTIONS = frozenset(
    {
        ActionKind.ASSESS,
        ActionKind.RETRY,
        ActionKind.RESOLVE,
        ActionKind.WATCH,
        ActionKind.END,
        ActionKind.RELEASE,
    }
)
# What goes on about a case on hold; the rest of its actions only find that it is.
HELD_ACTIONS = frozenset({ActionKind.RELEASE, ActionKind.RESOLVE})


class ActionState(StrEnum):
    """`PENDING` until it was carried out (`DONE`) or became needless (`DROPPED`); `PARKED`
    after too many failed tries, for a person to look at."""

    PENDING = "pending"
    DONE = "done"
    DROPPED = "dropped"
    PARKED = "parked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A thing to do at `due_at` (business time, aware UTC).

    `key` is unique per account: the same intention twice is one row. `claims` counts how often
    it was claimed and fences a stale claim; `leased_until` is database time.
    `customer_id` serialises: actions of one customer run in (due_at, key) order.
    """

    KEY: ClassVar = ("action_id",)
    UNIQUE: ClassVar = (("account_id", "key"),)
    action_id: str
    merchant_id: str
    account_id: str
    customer_id: str | None = None
    case_id: str | None = None
    kind: ActionKind
    subject: str
    key: str
    due_at: datetime
    state: ActionState = ActionState.PENDING
    claims: int = 0
    leased_until: datetime | None = None
    data: dict[str, Any] | None = None
    note: str | None = None

    def is_claimed(self, claims: int) -> bool:
        """Whether the claim of this number stands."""
        return self.state is ActionState.PENDING and self.claims == claims

    def is_leased(self, instant: datetime) -> bool:
        """Whether a claim keeps others away at this instant of the database's clock."""
        return self.leased_until is not None and self.leased_until > instant


make_action = quick(Action)


def still_claimed(rows: Iterable[Action], action: Action) -> Action | None:
    """The action as it is now, by a look at its row; None where this claim stands no more: it was
    carried out, dropped, parked or claimed again meanwhile."""
    mine = (row for row in rows if row.action_id == action.action_id)
    return next((row for row in mine if row.is_claimed(action.claims)), None)


def jitter(key: str) -> float:
    """A share of up to a quarter, another for each key, so that not all come back at once."""
    return zlib.crc32(key.encode()) % 1000 / 4000


def action_for(
    kind: ActionKind,
    *,
    subject: str,
    merchant_id: str,
    account_id: str,
    due_at: datetime,
    customer_id: str | None = None,
    case_id: str | None = None,
    nth: int | str = 0,
    data: dict[str, Any] | None = None,
) -> Action:
    """An action whose key and id follow from what it is about: `kind:subject:nth`."""
    key = f"{kind}:{subject}:{nth}"
    return make_action(
        action_id=derive_id("action", due_at, account_id, key),
        merchant_id=merchant_id,
        account_id=account_id,
        customer_id=customer_id,
        case_id=case_id,
        kind=kind,
        subject=subject,
        key=key,
        due_at=due_at,
        data=data,
    )
