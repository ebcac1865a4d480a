"""The dunning case: the effort to collect one unpaid invoice. Its states, its attempts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from app.domain.declines import DeclineKind
from app.domain.merchants import CollectionMode
from app.domain.records import changed


class CaseState(StrEnum):
    """Where a case stands; every failed invoice is in exactly one of these."""

    ACTIVE = "active"
    RECOVERED = "recovered"
    EXHAUSTED = "exhausted"
    STOPPED = "stopped"
    PARKED = "parked"


class CaseKind(StrEnum):
    """`PAYMENT` where an automatic payment failed; `INVOICE` where the customer was to pay by
    themselves and has not: it is reminded of and never charged."""

    PAYMENT = "payment"
    INVOICE = "invoice"


class Waits(StrEnum):
    """What an active case waits for."""

    RETRYING = "retrying"
    CUSTOMER = "waiting_for_customer"
    ON_HOLD = "on_hold"


class IllegalMove(ValueError):
    """A command that the case's state does not allow."""


# The whole life of a case. A move that is not here does not exist; a migration's CHECK knows
# the same names.
MOVES: Mapping[CaseState, frozenset[CaseState]] = {
    CaseState.ACTIVE: frozenset(
        {CaseState.RECOVERED, CaseState.EXHAUSTED, CaseState.STOPPED, CaseState.PARKED}
    ),
    CaseState.EXHAUSTED: frozenset({CaseState.RECOVERED}),  # late money still counts
    CaseState.STOPPED: frozenset({CaseState.RECOVERED, CaseState.ACTIVE}),
    CaseState.PARKED: frozenset(
        {CaseState.RECOVERED, CaseState.ACTIVE, CaseState.STOPPED, CaseState.EXHAUSTED}
    ),
    CaseState.RECOVERED: frozenset(),
}


class Trigger(StrEnum):
    """By whom an attempt was made. Only `holdfast` spends the policy's attempts."""

    HOLDFAST = "holdfast"
    PROVIDER = "provider"
    CUSTOMER = "customer"
    NEW_CARD = "new_card"
    ACCOUNT_UPDATER = "account_updater"
    BACKUP_CARD = "backup_card"
    OPERATOR = "operator"


class AttemptState(StrEnum):
    """The life of an attempt; `UNKNOWN` is a timeout, never a failure."""

    PLANNED = "planned"
    SENT = "sent"
    APPROVED = "approved"
    DECLINED = "declined"
    ACTION_REQUIRED = "action_required"
    PROCESSING = "processing"
    UNKNOWN = "unknown"
    NOT_EXECUTED = "not_executed"


IN_DOUBT = frozenset({AttemptState.SENT, AttemptState.UNKNOWN, AttemptState.PROCESSING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The aggregate. Amounts in minor units of `currency`.

    `amount_minor` is what was owed at the first failed automatic attempt, `due_minor` what is
    owed now. `failures` counts declined attempts by anybody, `attempts_used` ours alone.
    `blocked_method` names the card (fingerprint, else method id) that must not be tried again.
    `policy` is the version it began with, `lines` how long its timeline is. `hold_began` and
    `held_s` keep the clock of access: since when it stands still, and how many seconds former
    holds took. `holds` are the reasons to wait in force, as `domain/holds.py` stores them;
    `stilled` says that we turned the provider's own collection off for them.
    """

    KEY: ClassVar = ("case_id",)
    UNIQUE: ClassVar = (("account_id", "invoice_id"),)
    case_id: str
    merchant_id: str
    account_id: str
    invoice_id: str
    customer_id: str | None = None
    subscription_id: str | None = None
    kind: CaseKind = CaseKind.PAYMENT
    state: CaseState = CaseState.ACTIVE
    waits: Waits | None = Waits.RETRYING
    reason: str | None = None
    currency: str = "usd"
    amount_minor: int = 0
    due_minor: int = 0
    recovered_minor: int = 0
    plan: str | None = None
    interval: str | None = None
    mode: CollectionMode = CollectionMode.OBSERVE
    driven: bool = False
    arm: str = "treated"
    silent: bool = False
    trial_conversion: bool = False
    policy: str = "default@1"
    decline_kind: DeclineKind | None = None
    decline: dict[str, Any] | None = None
    blocked_method: str | None = None
    failures: int = 0
    attempts_used: int = 0
    wrote: bool = False
    lines: int = 0
    hold_began: datetime | None = None
    held_s: int = 0
    holds: tuple[dict[str, Any], ...] = ()
    stilled: bool = False
    opened_at: datetime
    window_ends_at: datetime
    next_attempt_at: datetime | None = None
    closed_at: datetime | None = None
    cause: str | None = None

    def moved(self, state: CaseState, *, at: datetime, reason: str) -> "Case":
        """The case in another state; one that is parked keeps its holds, for it may be taken up
        again. Raises `IllegalMove` where `MOVES` has none."""
        if state not in MOVES[self.state]:
            raise IllegalMove(f"case {self.case_id} is {self.state} and cannot become {state}")
        active = state is CaseState.ACTIVE
        return changed(
            self,
            state=state,
            reason=reason,
            waits=Waits.RETRYING if active else None,
            next_attempt_at=None,
            holds=self.holds if state is CaseState.PARKED else (),
            closed_at=None if active else at,
        )

    def can_become(self, state: CaseState) -> bool:
        """Whether `MOVES` has this move: what reports ask before they move anything."""
        return state in MOVES[self.state]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to charge an invoice.

    `number` counts from 1 within the case, over all triggers; for ours the idempotency key is
    `{case}:{number}`, committed before the call. `intent_at` is when it was committed.
    `provider_ref` is the charge or payment that decided it; `attempt_count` the invoice's own
    count at the intent, which only the provider's retries raise after it, and of others' tries
    when all were on record. `refused_at` is when its refusal was told first, `refused_as` and
    `refused_brand` as what and of which network's card; whatever becomes of the attempt, they stay.
    """

    KEY: ClassVar = ("attempt_id",)
    UNIQUE: ClassVar = (("case_id", "number"), ("account_id", "provider_ref"))
    attempt_id: str
    merchant_id: str
    account_id: str
    case_id: str
    number: int
    trigger: Trigger
    state: AttemptState
    currency: str
    amount_minor: int
    method_id: str | None = None
    fingerprint: str | None = None
    brand: str | None = None
    intent_at: datetime
    resolved_at: datetime | None = None
    decline_kind: DeclineKind | None = None
    decline: dict[str, Any] | None = None
    provider_ref: str | None = None
    link_id: str | None = None
    reads: int = 0
    attempt_count: int | None = None
    refused_at: datetime | None = None
    refused_as: DeclineKind | None = None
    refused_brand: str | None = None

    def refused(self, kind: DeclineKind, *, at: datetime) -> "Attempt":
        """The attempt with what was told of its refusal; what was told first stays."""
        if self.refused_at is not None:
            return self
        return changed(self, refused_at=at, refused_as=kind, refused_brand=self.brand)

    @property
    def key(self) -> str:
        """The idempotency key of the provider call. Same attempt, same key; always."""
        return f"{self.case_id}:{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEvent:
    """A line of the case's timeline: what happened or was decided, in words, with its inputs.

    `seq` counts the lines of the case as they were written, from 1: those of one instant, and one
    written later about an earlier instant, stand in this order. It is given when it is stored.
    """

    KEY: ClassVar = ("event_id",)
    UNIQUE: ClassVar = ()
    event_id: str
    merchant_id: str
    case_id: str
    at: datetime
    type: str
    text: str
    data: dict[str, Any] | None = None
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CardUse:
    """One attempt on one card by anybody: the budgets of the networks count these.

    `card_key` is the fingerprint, else the payment-method id. `never` marks a refusal after
    which this card must not be tried again; it ends with a new expiry (`expiry`, `YYYY-MM`).
    """

    KEY: ClassVar = ("account_id", "use_ref")
    UNIQUE: ClassVar = ()
    merchant_id: str
    account_id: str
    use_ref: str
    card_key: str
    brand: str | None = None
    rail: str = "card"
    amount_minor: int = 0
    approved: bool = False
    never: bool = False
    expiry: str | None = None
    at: datetime
