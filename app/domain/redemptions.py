"""An accepted offer: claimed once, applied step by step, each step read back, or taken back."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Any, ClassVar

from app.domain.actions import Action, ActionKind, action_for
from app.domain.changes import Step, written
from app.domain.ids import derive_id

LOOK_AFTER = timedelta(seconds=60)
# How long after the claim it is looked at again, by how often it was: the last repeats.
LOOKS = tuple(timedelta(minutes=m) for m in (1, 2, 5, 15, 30, 60))
# A request this old is not on its way any more. The provider repeats the answer of a key for a
# day, a 500 too: what reading does not show by then is asked for under another key.
KEY_SERVES = timedelta(minutes=15)
# What adds and does not set would be given twice by a request that comes later than that: it keeps
# its key for as long as the provider is sure to know it, and is never asked for under another.
KEY_KNOWN = timedelta(hours=23)
MOST_TRIES = 24
TOLD_AHEAD = timedelta(days=7)  # before a pause ends; a charge follows it
# What is kept elsewhere is reported within a week, or nothing came of it.
REPORT_WITHIN = timedelta(days=7)
FOR_A_REPORT, FOR_A_PAYMENT = "report", "payment"
HAS_LEFT = "its customer left after it was accepted"


class RedemptionState(StrEnum):
    """`APPLYING`: its steps are under way. `WAITING`: for a payment, or for what is reported.
    `APPLIED`: all is done and was read back. `UNDOING`: a step was refused, those before it are
    taken back. `FAILED`: it is as if nothing had been accepted. `PARKED`: for a person."""

    APPLYING = "applying"
    WAITING = "waiting"
    APPLIED = "applied"
    UNDOING = "undoing"
    FAILED = "failed"
    PARKED = "parked"


S = RedemptionState
MOVES: Mapping[S, frozenset[S]] = {
    S.APPLYING: frozenset({S.WAITING, S.APPLIED, S.UNDOING, S.FAILED, S.PARKED}),
    S.WAITING: frozenset({S.APPLYING, S.APPLIED, S.UNDOING, S.FAILED, S.PARKED}),
    S.UNDOING: frozenset({S.FAILED, S.PARKED}),
    S.APPLIED: frozenset(),
    S.FAILED: frozenset(),
    S.PARKED: frozenset(),
}
AT_WORK = frozenset({S.APPLYING, S.WAITING, S.UNDOING})


class StepState(StrEnum):
    """`SENT` is committed before the call: until it is read back nobody knows. `UNDO_SENT` is the
    same of what takes it back. `REFUSED`: it will never take place."""

    PLANNED = "planned"
    SENT = "sent"
    DONE = "done"
    REFUSED = "refused"
    UNDO_SENT = "undo_sent"
    UNDONE = "undone"


IN_DOUBT = frozenset({StepState.SENT, StepState.UNDO_SENT})


class IllegalMove(ValueError):
    """A redemption cannot become what was asked of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redemption:
    """One accepted offer. At most one for each session, whoever clicks how often.

    `terms` is the offer's document as it was accepted. `cost_minor` is what it costs at most, in
    `currency`. `resumes_at`: when a pause ends. `reason` says why it failed or waits;
    `given_reason` why they wanted to leave, `plan` and `interval` what they had then.
    """

    KEY: ClassVar = ("redemption_id",)
    UNIQUE: ClassVar = (("merchant_id", "session_id"),)
    redemption_id: str
    merchant_id: str
    account_id: str
    customer_id: str | None
    subscription_id: str
    session_id: str
    offer_id: str
    kind: str
    terms: dict[str, Any]
    state: RedemptionState = RedemptionState.APPLYING
    cost_minor: int = 0
    currency: str
    claimed_at: datetime
    settled_at: datetime | None = None
    resumes_at: datetime | None = None
    looks: int = 0
    reason: str | None = None
    given_reason: str | None = None
    plan: str | None = None
    interval: str | None = None

    @property
    def awaits_report(self) -> bool:
        """Whether it is kept elsewhere, and nobody has said yet what came of it."""
        return self.state is RedemptionState.WAITING and self.reason == FOR_A_REPORT

    def moved(
        self, state: RedemptionState, *, at: datetime, reason: str | None = None
    ) -> "Redemption":
        """In another state. Raises `IllegalMove` for one that `MOVES` does not know."""
        if state is self.state:
            return replace(self, reason=reason or self.reason)
        if state not in MOVES[self.state]:
            raise IllegalMove(f"a redemption that is {self.state} cannot become {state}")
        settled = None if state in AT_WORK else at
        return replace(self, state=state, settled_at=settled, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedemptionStep:
    """One provider call of a redemption, committed before it is made, under a key of its own.

    `change` and `undo` are written changes; `number` and `tries` count from 1.
    """

    KEY: ClassVar = ("redemption_id", "number")
    UNIQUE: ClassVar = ()
    redemption_id: str
    number: int
    merchant_id: str
    change: dict[str, Any]
    undo: dict[str, Any] | None = None
    state: StepState = StepState.PLANNED
    tries: int = 1
    sent_at: datetime | None = None
    done_at: datetime | None = None
    note: str | None = None

    @property
    def key(self) -> str:
        """The idempotency key of the call it is at."""
        undoing = self.state in {StepState.UNDO_SENT, StepState.UNDONE}
        return f"{self.redemption_id}:{self.number}{':undo' if undoing else ''}:{self.tries}"


def begun(redemption: Redemption, steps: tuple[Step, ...]) -> list[RedemptionStep]:
    """The steps as they are committed with the claim."""
    return [
        RedemptionStep(
            redemption_id=redemption.redemption_id,
            number=number,
            merchant_id=redemption.merchant_id,
            change=written(step.change),
            undo=None if step.undo is None else written(step.undo),
        )
        for number, step in enumerate(steps, 1)
    ]


def redemption_id(session_id: str, merchant_id: str, at: datetime) -> str:
    """The id of what a session redeems."""
    return derive_id("redemption", at, merchant_id, session_id)


def look_action(redemption: Redemption, at: datetime) -> Action:
    """The next look at a redemption: the first a minute after the claim, then ever later."""
    wait = LOOKS[min(redemption.looks, len(LOOKS) - 1)]
    if redemption.awaits_report:
        wait = REPORT_WITHIN
    return action_for(
        ActionKind.RESOLVE_REDEMPTION,
        subject=redemption.redemption_id,
        merchant_id=redemption.merchant_id,
        account_id=redemption.account_id,
        customer_id=redemption.customer_id,
        due_at=at + wait,
        nth=redemption.looks,
    )


def following(redemption: Redemption) -> list[Action]:
    """What an applied offer brings with it later: the end of a pause, and the word before it."""
    if redemption.state is not S.APPLIED or redemption.resumes_at is None:
        return []
    due = {
        ActionKind.END_PAUSE: redemption.resumes_at,
        ActionKind.TELL_OF_RESUMING: redemption.resumes_at - TOLD_AHEAD,
    }
    return [
        action_for(
            kind,
            subject=redemption.redemption_id,
            merchant_id=redemption.merchant_id,
            account_id=redemption.account_id,
            customer_id=redemption.customer_id,
            due_at=at,
            data={
                "subscription": redemption.subscription_id,
                "resumes_at": redemption.resumes_at.isoformat(),
            },
        )
        for kind, at in due.items()
    ]


def next_step(redemption: Redemption, steps: list[RedemptionStep]) -> RedemptionStep | None:
    """The step that is due: forwards while it is applied, backwards while it is taken back."""
    ordered = sorted(steps, key=lambda step: step.number)
    if redemption.state is S.UNDOING:
        open_ = {StepState.DONE, StepState.UNDO_SENT}
        back = [s for s in reversed(ordered) if s.state in open_ and s.undo is not None]
        return back[0] if back else None
    if redemption.state not in {S.APPLYING, S.WAITING}:
        return None
    return next((s for s in ordered if s.state in {StepState.PLANNED, StepState.SENT}), None)


def after_refusal(redemption: Redemption, steps: list[RedemptionStep]) -> RedemptionState:
    """What becomes of a redemption one of whose steps was refused for good.

    Nothing done: failed. All that was done can be taken back: undoing. Else a person decides,
    unless what cannot be taken back is but a schedule of which nothing was still to come.
    """
    done = [step for step in steps if step.state is StepState.DONE]
    if any(step.undo is None and not step.change.get("spent") for step in done):
        return S.PARKED
    return S.UNDOING if any(step.undo for step in done) else S.FAILED


class Seen(StrEnum):
    """What a reading showed of a step. `LOST`: the provider said yes and shows nothing of it, or
    must not be asked again. `ANEW`: nothing of a request that is long over. `LEFT`: it is not
    asked for any more, because who accepted it has cancelled since."""

    DONE = auto()
    WAITS = auto()
    REFUSED = auto()
    LOST = auto()
    ANEW = auto()
    LEFT = auto()


def stepped(step: RedemptionStep, seen: Seen, why: str | None, now: datetime) -> RedemptionStep:
    """A step by what was seen of it."""
    undoing = step.state is StepState.UNDO_SENT
    if seen is Seen.DONE:
        return replace(step, state=StepState.UNDONE if undoing else StepState.DONE, done_at=now)
    if seen is Seen.LEFT or (seen is Seen.REFUSED and not undoing):
        return replace(step, state=StepState.REFUSED, note=why)
    if seen is Seen.ANEW:
        return replace(step, tries=step.tries + 1, sent_at=now)
    return replace(step, note=why or step.note)


def moved_by(
    redemption: Redemption,
    step: RedemptionStep,
    seen: Seen,
    why: str | None,
    steps: list[RedemptionStep],
    now: datetime,
) -> Redemption:
    """What a redemption becomes by what was seen of its step."""
    undoing = step.state is StepState.UNDO_SENT
    match seen:
        case Seen.DONE if redemption.state is RedemptionState.WAITING:
            return redemption.moved(RedemptionState.APPLYING, at=now)
        case Seen.DONE | Seen.ANEW:
            return redemption
        case Seen.WAITS:
            return redemption.moved(RedemptionState.WAITING, at=now, reason=FOR_A_PAYMENT)
        case Seen.LOST:
            reason = why or "the provider said yes and shows nothing of it"
            return redemption.moved(RedemptionState.PARKED, at=now, reason=reason)
        case Seen.LEFT:
            begun = any(one.state is StepState.DONE for one in steps)
            state = RedemptionState.PARKED if begun else RedemptionState.FAILED
            return redemption.moved(state, at=now, reason=HAS_LEFT)
        case Seen.REFUSED:
            state = RedemptionState.PARKED if undoing else after_refusal(redemption, steps)
            return redemption.moved(state, at=now, reason=why)
