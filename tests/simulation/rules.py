"""What must hold after every step."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from app.domain.actions import CASE_ACTIONS, Action, ActionKind, ActionState
from app.domain.cancellations import CancelRequest, RequestState
from app.domain.dunning import IN_DOUBT, Attempt, AttemptState, Case, CaseEvent, CaseState, Trigger
from app.domain.holds import HoldReason
from app.domain.messages import Mail, Message, MessageState
from app.domain.movements import is_ending
from app.domain.operations import AuditEntry, IdempotencyKey
from app.domain.sequence import DUNNING_TEMPLATES, FINAL
from tests.simulation.charges import may_be_charged
from tests.simulation.erasures import Gone, keeps_silent, nobody_is_disturbed
from tests.simulation.house import Estate, House
from tests.simulation.leases import Leases
from tests.simulation.ledger import Written
from tests.simulation.loop import OWNER
from tests.simulation.machine import CLAIM, Violation
from tests.simulation.merchants import is_from_theirs, keeps_to_one_merchant
from tests.simulation.people import LOOK_IS_GOOD_FOR, counts_ours_alone, is_fair, is_told_once

TRIES = frozenset({ActionKind.RETRY, ActionKind.RESOLVE, ActionKind.ASSESS, ActionKind.WATCH})
FENCED = CASE_ACTIONS | {ActionKind.SEND}  # each write of theirs asks whether its claim stands
MAY_HAVE_LEFT = frozenset({MessageState.SENT, MessageState.UNKNOWN})
# Another may find a letter interrupted whose worker only stood still: it is unknown, until that
# one tells how it ended.
BEGUN = frozenset({MessageState.SENDING, MessageState.UNKNOWN})
IN_THE_POST = BEGUN | {MessageState.PLANNED}
SPACING = timedelta(hours=20)
MOST_OWN_ATTEMPTS = 8
EARLY_AT_MOST = timedelta(seconds=60)
NOTICE_AHEAD = timedelta(hours=72)
PLANNED_AT_MOST = 60  # actions of a kind in a day, for one case
LEFT_AT_MOST = 25  # leases of an action that ran out one after the other, with the living
CAPTURED, REFUSED = 200, 402
# Which answer under its key an attempt of this state may have.
ANSWERED: dict[AttemptState, Callable[[int | None], bool]] = {
    AttemptState.APPROVED: lambda status: status == CAPTURED,
    AttemptState.DECLINED: lambda status: status == REFUSED,
    AttemptState.ACTION_REQUIRED: lambda status: status == REFUSED,
    AttemptState.NOT_EXECUTED: lambda status: status not in (CAPTURED, REFUSED),
}
# Said here once more, so that a fault in the product's own table cannot hide itself.
STEPS = {
    CaseState.ACTIVE: set(CaseState) - {CaseState.ACTIVE},
    CaseState.EXHAUSTED: {CaseState.RECOVERED},
    CaseState.STOPPED: {CaseState.RECOVERED, CaseState.ACTIVE},
    CaseState.PARKED: set(CaseState) - {CaseState.PARKED},
    CaseState.RECOVERED: set(),
}


@dataclass
class Rules:
    """The invariants, over one house."""

    house: House
    mailed: Counter[tuple[str, ...]] = field(default_factory=Counter)
    heard: dict[str, datetime] = field(default_factory=dict)
    forgiven: set[tuple[str, str]] = field(default_factory=set)
    planned: Counter[str] = field(default_factory=Counter)
    leases: Leases = field(default_factory=Leases)
    charged: set[tuple[str, str]] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    awaited: dict[tuple[str, str, str], list[asyncio.Event]] = field(default_factory=dict)
    gone: Gone = field(default_factory=Gone)
    begun: dict[str, tuple[CaseState, datetime]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        house = self.house
        house.ledger.watch = self.committed
        house.post.watch = self.left

    def require(self, holds: bool, name: str, why: object) -> None:
        """End the history where it does not hold, whoever would catch what is raised."""
        if not holds:
            broken = Violation(f"{name}: {why}")
            self.house.machine.loop.fault = broken
            raise broken

    # after a commit

    def committed(self, written: Written) -> None:
        """What was written is allowed, and leaves what it touches in order."""
        cases = {row.case_id for _, row in written if getattr(row, "case_id", None)}
        looks: dict[type[Any], Callable[[Any, Any, Written], None]] = {
            Case: self._moved,
            Attempt: self._attempted,
            Message: self._written_to,
            Action: self._claimed,
            IdempotencyKey: self._has_its_line,
            AuditEntry: self._ordered,
            CancelRequest: self._left,
            CaseEvent: lambda _, line, all_: is_told_once(self, line, all_),
        }
        for before, row in written:
            if (look := looks.get(type(row))) is not None:
                look(before, row, written)
        for case_id in sorted(cases):
            self._keeps_going(case_id)
        keeps_to_one_merchant(self, written)
        self._claim_stands(written)
        keeps_silent(self, written)
        self.house.rings()

    def _has_its_line(self, _: None, key: IdempotencyKey, written: Written) -> None:
        told = any(isinstance(row, AuditEntry) for _, row in written)
        self.require(told, "I14", "a command without its audit line")

    def _ordered(self, _: None, line: AuditEntry, written: Written) -> None:
        """What a person was told is done is done."""
        if line.action == "case.release":
            case: Case = self.house.ledger.row(Case, line.subject)
            held = [hold["name"] for hold in case.holds if hold["reason"] == HoldReason.OPERATOR]
            self.require(not held, "I14", f"released, and still held: {held}")

    def _left(self, before: CancelRequest | None, request: CancelRequest, _: Written) -> None:
        """Who leaves at once is collected from no more, from that very transaction on."""
        if before is not None or request.ends_at > self.house.machine.now():
            return
        cases = self.house.ledger.rows(Case)
        going = [
            case
            for case in cases
            if (case.account_id, case.subscription_id)
            == (request.account_id, request.subscription_id)
        ]
        still = [case for case in going if case.state is CaseState.ACTIVE]
        active = [case.invoice_id for case in still if not is_ending(case)]
        self.require(not active, "I12", f"somebody left at once, and {active} is collected")

    def _claimed(self, before: Action | None, action: Action, _: Written) -> None:
        """What cannot be done now is put off, not left to its lease time and again."""
        if before is None:
            day = f"{action.case_id} {action.kind} {self.house.machine.now():%j}"
            self.planned[day] += action.case_id is not None
            many = f"{action.kind} was planned {self.planned[day]} times in a day for one case"
            self.require(self.planned[day] <= PLANNED_AT_MOST, "I5", many)
        if before is None or action.claims <= before.claims:
            return
        leased = before.leased_until is not None
        left = self.leases.claimed(action.action_id, OWNER.get(), leased=leased)
        many = f"{action.kind} was claimed {left} times, and never put off"
        self.require(left <= LEFT_AT_MOST, "I5", many)

    def _claim_stands(self, written: Written) -> None:
        """Who stood still until another had their work writes nothing more for it, but what became
        of the request or the letter that had left."""
        claim = CLAIM.get()
        if claim is None or claim.acted or claim.action.kind not in FENCED:
            return
        held = claim.closed or claim.stood
        self.require(held, "I10", f"{claim.action.kind} was written under a claim that was lost")
        row: Action = self.house.ledger.row(Action, claim.action.action_id)
        claim.closed = claim.closed or row.state is not ActionState.PENDING

    def _moved(self, before: Case | None, case: Case, written: Written) -> None:
        self.heard.setdefault(case.case_id, self.house.machine.now())
        if before is None or before.state is case.state:
            return
        words = f"{before.state} -> {case.state}"
        self.house.machine.log("case", case.invoice_id[-6:], words, case.reason)
        self.require(case.state in STEPS[before.state], "I10", f"a case went {words}")
        lines = [row for _, row in written if isinstance(row, CaseEvent)]
        told = any(line.case_id == case.case_id for line in lines)
        self.require(told, "I14", f"nothing in the timeline of {words}")
        if case.state is CaseState.EXHAUSTED and case.driven:
            self._ended(case)

    def _ended(self, case: Case) -> None:
        doubts = [a for a in self.attempts(case.case_id) if a.state in IN_DOUBT]
        self.require(not doubts, "I10", "a case ended while an attempt was in doubt")
        if not (case.reason or "").startswith("the window is over"):
            return
        finals = [m for m in self.house.ledger.rows(Message) if m.case_id == case.case_id]
        finals = [m for m in finals if m.template == FINAL]
        now = self.house.machine.now()
        left = [m.sent_at or m.due_at for m in finals if m.state in MAY_HAVE_LEFT]
        kept = [m for m in finals if m.state in (MessageState.FAILED, MessageState.DROPPED)]
        ahead = NOTICE_AHEAD - EARLY_AT_MOST
        fair = any(at <= now - ahead for at in left) or (bool(kept) and not left)
        self.require(fair, "I9", "a case ended without a final notice 72 hours before")

    def _written_to(self, before: Message | None, message: Message, _: Written) -> None:
        if before is None or before.state is message.state:
            return
        if message.state is MessageState.SENDING:
            self._reached("letter", message.account_id, message.customer_id)
            if (case := self.house.ledger.row(Case, message.case_id)) is not None:
                self.begun[message.message_id] = (case.state, self.house.machine.now())
        words = f"letter {message.step} went {before.state} -> {message.state}"
        open_still = before.state in IN_THE_POST
        self.require(open_still, "I3", words)

    def _keeps_going(self, case_id: str) -> None:
        case: Case | None = self.house.ledger.row(Case, case_id)
        if case is None:
            return
        counts_ours_alone(self, case)
        if case.state is not CaseState.ACTIVE:
            self.require(case.next_attempt_at is None, "I4", f"a {case.state} case has a next try")
            return
        due = [one for one in self.house.ledger.due.values() if one.case_id == case_id]
        going = any(one.kind in CASE_ACTIONS for one in due)
        self.require(going, "I4", "an active case has no next action")
        if case.driven and case.next_attempt_at is not None:
            planned = any(one.kind in TRIES for one in due)
            self.require(planned, "I4", "a next attempt that nobody will make")

    def _attempted(self, before: Attempt | None, attempt: Attempt, written: Written) -> None:
        if before is not None:
            settled = before.state not in IN_DOUBT | {AttemptState.PLANNED}
            words = f"attempt {attempt.number} went {before.state} -> {attempt.state}"
            self.require(not settled or before.state is attempt.state, "I10", words)
            self._says_what_happened(attempt)
            if attempt.state is AttemptState.UNKNOWN is not before.state:
                self._tried("doubt", attempt)
            return
        self.house.machine.log("attempt", attempt.number, attempt.trigger, attempt.state)
        if attempt.state is AttemptState.SENT:
            self._tried("intent", attempt)
        if attempt.trigger is Trigger.HOLDFAST:
            self._spaced(attempt)
            self._in_time(attempt, written)

    def next_moment(self, what: str, account: str, customer: str) -> asyncio.Event:
        """Set when a charge of the customer is next intended, before it is asked for (`intent`), or
        in doubt (`doubt`), or when a letter is on its way to them (`letter`): of those who wait,
        one each time."""
        event = asyncio.Event()
        self.awaited.setdefault((what, account, customer), []).append(event)
        return event

    def _tried(self, what: str, attempt: Attempt) -> None:
        case: Case | None = self.house.ledger.row(Case, attempt.case_id)
        if case is not None:
            self._reached(what, case.account_id, case.customer_id)

    def _reached(self, what: str, account: str, customer: str | None) -> None:
        waiting = self.awaited.get((what, account, customer or ""), [])
        if waiting:
            waiting.pop(0).set()

    def _says_what_happened(self, attempt: Attempt) -> None:
        """A timeout is no answer: an outcome is what the provider did with the attempt's key."""
        fits = ANSWERED.get(attempt.state)
        if fits is None or attempt.key not in self.asked:
            return
        kept = self.house.bank_of(attempt).world.get(f"answer:{attempt.key}")
        status = kept["status"] if kept else None
        self.require(fits(status), "I1", f"an attempt is {attempt.state}, there {status}")

    def _in_time(self, attempt: Attempt, written: Written) -> None:
        for before, row in written:
            mine = isinstance(before, Case) and row.case_id == attempt.case_id
            if mine and before.next_attempt_at is not None:
                early = before.next_attempt_at - self.house.machine.now()
                self.require(early <= EARLY_AT_MOST, "I7", f"an attempt {early} early")

    def _spaced(self, attempt: Attempt) -> None:
        own = [
            one
            for one in self.attempts(attempt.case_id)
            if one.trigger is Trigger.HOLDFAST and one.state is not AttemptState.NOT_EXECUTED
        ]
        self.require(len(own) <= MOST_OWN_ATTEMPTS, "I7", f"{len(own)} attempts")
        for one in own:
            apart = abs(one.intent_at - attempt.intent_at)
            close = one.attempt_id != attempt.attempt_id and apart < SPACING
            self.require(not close, "I7", f"two attempts within {apart}")

    def attempts(self, case_id: str) -> list[Attempt]:
        """All of a case."""
        rows = self.house.ledger.rows(Attempt)
        return [row for row in rows if row.case_id == case_id]

    # before a charge

    def charging(self, estate: Estate, invoice: str, key: str, method: str | None) -> None:
        """No charge without an intent, none after a stop, none beside another in doubt."""
        may_be_charged(self, estate, invoice, key, method)

    # when somebody was told that they have left

    def left_by(self, request: CancelRequest) -> None:
        """The word was given: from now on nothing is captured for what was forgiven."""
        if request.state is not RequestState.UNDONE:
            self.forgiven |= {(request.account_id, invoice) for invoice in request.forgiven}

    # when a mail leaves

    def left(self, mail: Mail) -> None:
        """Once only, announced before, and no claim of a failure that there was not."""
        house = self.house
        message: Message | None = house.ledger.row(Message, mail.message_id)
        self.require(message is not None, "I3", "a mail that was never planned")
        if message is None:
            return
        self.require(message.state in BEGUN, "I3", f"a mail that is {message.state}")
        about = message.case_id or f"{message.account_id} {message.subscription_id}"
        key = (about, message.step, mail.recipient)
        self.mailed[key] += 1
        self.require(
            self.mailed[key] == 1, "I3", f"{message.step} was mailed {self.mailed[key]} times"
        )
        is_from_theirs(self, mail, message)
        nobody_is_disturbed(self, message)
        is_fair(self, mail, message)
        if message.case_id is not None and message.template in DUNNING_TEMPLATES:
            self._was_refused(message)

    def _was_refused(self, message: Message) -> None:
        house = self.house
        case: Case = house.ledger.row(Case, message.case_id)
        bank = house.bank_of(case)
        invoice = bank.world.get(case.invoice_id) or {}
        self.require(invoice.get("attempt_count", 0) > 0, "I9", "a letter about no refusal")
        paid_at = (invoice.get("status_transitions") or {}).get("paid_at")
        late = house.machine.now() - LOOK_IS_GOOD_FOR
        if paid_at is not None and invoice["status"] == "paid":
            self.require(
                paid_at - bank.ahead_s >= late.timestamp(),
                "I9",
                f"{message.step} long after it was paid",
            )
        if case.closed_at is not None and case.state is not CaseState.PARKED:
            fresh = case.closed_at >= late - EARLY_AT_MOST
            self.require(fresh, "I9", f"{message.step} of a {case.state} case")

    # at the provider

    def happened(self, estate: Estate) -> None:
        """Nobody pays an invoice twice, and the provider leaves alone what we collect."""
        world = estate.bank.world
        for invoice in world.all("invoice"):
            paid, due = invoice["amount_paid"], invoice["amount_due"]
            self.require(paid <= due, "I1", f"an invoice of {due} brought {paid}")
        for charge in world.all("charge"):
            if (estate.account_id, charge["id"]) not in self.charged:
                self.charged.add((estate.account_id, charge["id"]))
                self._by_whom(estate, charge)

    def _by_whom(self, estate: Estate, charge: Any) -> None:
        world = estate.bank.world
        intent = world.get(charge["payment_intent"] or "") or {}
        invoice = (intent.get("sandbox") or {}).get("invoice")
        for case in self.house.ledger.rows(Case):
            mine = (case.account_id, case.invoice_id) == (estate.account_id, invoice)
            if not mine or not case.driven:
                continue
            there = world.get(case.invoice_id) or {}
            self.require(
                not (case.state is CaseState.ACTIVE and there.get("auto_advance")),
                "I2",
                "the provider collects what we drive",
            )
