"""What must hold after every step, and when everything has come to rest."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.domain.actions import CASE_ACTIONS, Action
from app.domain.cancellations import STANDS, CancelRequest, Choice
from app.domain.dunning import (
    IN_DOUBT,
    MOVES,
    Attempt,
    AttemptState,
    Case,
    CaseKind,
    CaseState,
    Trigger,
)
from app.domain.holds import is_barred
from app.domain.merchants import ProviderAccount
from app.domain.messages import Mail, Message, MessageState
from app.domain.mirror import Invoice
from app.domain.operations import Alert, InboxEvent, InboxState
from app.domain.recovery import RecoveryEntry
from app.domain.sequence import DUNNING_TEMPLATES
from tests.simulation.house import House
from tests.simulation.ledger import Written
from tests.simulation.machine import Violation

SPACING = timedelta(hours=20)
MOST_OWN_ATTEMPTS = 8
LOOK_IS_GOOD_FOR = timedelta(hours=1)  # a mail may leave so long after the look that allowed it
KEY_LIVES = timedelta(hours=24)
SLACK = timedelta(days=2)


@dataclass
class Rules:
    """The invariants, over one house."""

    house: House
    mailed: Counter[tuple[str, ...]] = field(default_factory=Counter)
    asked: dict[str, list[tuple[str, datetime]]] = field(default_factory=dict)
    confirmed: dict[str, datetime] = field(default_factory=dict)

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
        cases: set[str] = set()
        for before, row in written:
            if isinstance(row, Case):
                self._moved(before, row)
                cases.add(row.case_id)
            elif isinstance(row, Action) and row.case_id:
                cases.add(row.case_id)
            elif isinstance(row, Attempt):
                self._attempted(before, row)
                cases.add(row.case_id)
            elif isinstance(row, Message) and before is not None:
                self.require(
                    before.state in (MessageState.PLANNED, MessageState.SENDING)
                    or before.state is row.state,
                    "I3",
                    f"letter {row.step} was {before.state} and is {row.state}",
                )
        for case_id in cases:
            self._keeps_going(case_id)
        self.house.rings()

    def _moved(self, before: Case | None, case: Case) -> None:
        if before is None or before.state is case.state:
            return
        self.house.machine.log(
            "case", case.invoice_id[-6:], before.state, "->", case.state, case.reason
        )
        self.require(
            case.state in MOVES[before.state], "I10", f"a case went {before.state} -> {case.state}"
        )

    def _keeps_going(self, case_id: str) -> None:
        case: Case | None = self.house.ledger.row(Case, case_id)
        if case is None:
            return
        if case.state is not CaseState.ACTIVE:
            self.require(case.next_attempt_at is None, "I4", f"a {case.state} case has a next attempt")
            return
        due = self.house.ledger.due.values()
        going = any(one.case_id == case_id and one.kind in CASE_ACTIONS for one in due)
        self.require(going, "I4", "an active case has no next action")

    def _attempted(self, before: Attempt | None, attempt: Attempt) -> None:
        if before is not None:
            settled = before.state not in IN_DOUBT | {AttemptState.PLANNED}
            self.require(
                not settled or before.state is attempt.state,
                "I10",
                f"attempt {attempt.number} was {before.state} and is {attempt.state}",
            )
            return
        self.house.machine.log("attempt", attempt.number, attempt.trigger, attempt.state)
        if attempt.trigger is Trigger.HOLDFAST:
            self._spaced(attempt)

    def _spaced(self, attempt: Attempt) -> None:
        own = [
            one
            for one in self._attempts(attempt.case_id)
            if one.trigger is Trigger.HOLDFAST and one.state is not AttemptState.NOT_EXECUTED
        ]
        self.require(len(own) <= MOST_OWN_ATTEMPTS, "I7", f"{len(own)} attempts")
        for one in own:
            apart = abs(one.intent_at - attempt.intent_at)
            close = one.attempt_id != attempt.attempt_id and apart < SPACING
            self.require(not close, "I7", f"two attempts within {apart}")

    def _attempts(self, case_id: str) -> list[Attempt]:
        rows = self.house.ledger.rows(Attempt)
        return [row for row in rows if row.case_id == case_id]

    # before a charge

    def charging(self, account: ProviderAccount, invoice: str, key: str) -> None:
        """No charge without an intent, none after a stop, none beside another in doubt."""
        house = self.house
        attempt = next((a for a in house.ledger.rows(Attempt) if a.key == key), None)
        self.require(attempt is not None, "I1", "a charge without a committed intent")
        if attempt is None:
            return
        case: Case = house.ledger.row(Case, attempt.case_id)
        self.require(case.invoice_id == invoice, "I13", "a charge of another case's invoice")
        self.require(case.state is CaseState.ACTIVE, "I2", f"a charge of a {case.state} case")
        by_link = attempt.link_id is not None
        self.require(not is_barred(case, by_link=by_link), "I2", "a charge of a case on hold")
        kept: ProviderAccount = house.ledger.row(ProviderAccount, account.account_id)
        self.require(kept.paused_reason is None, "I2", "a charge through a paused account")
        self._not_beside(invoice, key)
        self._not_after_leaving(case)

    def _not_beside(self, invoice: str, key: str) -> None:
        others = self.house.bank.under_way.get(invoice, set()) - {key}
        self.require(not others, "I1", "a second key while the first is still under way")

    def _not_after_leaving(self, case: Case) -> None:
        for request in self.house.ledger.rows(CancelRequest):
            mine = request.subscription_id == case.subscription_id
            if mine and request.state in STANDS and request.choice is Choice.NOW:
                self.require(False, "I12", "a charge after the customer has left")

    # when somebody was told that they have left

    def left_by(self, request: CancelRequest) -> None:
        """The word was confirmed: from now on nothing is captured for what was forgiven."""
        for invoice in request.forgiven:
            self.confirmed.setdefault(invoice, self.house.machine.now())

    # when a mail leaves

    def left(self, mail: Mail) -> None:
        """Once only, announced before, and no claim of a failure that there was not."""
        message: Message | None = self.house.ledger.row(Message, mail.message_id)
        self.require(message is not None, "I3", "a mail that was never planned")
        if message is None:
            return
        self.require(message.state is MessageState.SENDING, "I3", f"a mail that is {message.state}")
        key = (message.case_id or "", message.subscription_id or "", message.step, mail.recipient)
        self.mailed[key] += 1
        self.require(self.mailed[key] == 1, "I3", f"{message.step} was mailed {self.mailed[key]} times")
        if message.case_id is not None and message.template in DUNNING_TEMPLATES:
            self._was_refused(message)

    def _was_refused(self, message: Message) -> None:
        house = self.house
        case: Case = house.ledger.row(Case, message.case_id)
        invoice = house.bank.world.get(case.invoice_id) or {}
        self.require(invoice.get("attempt_count", 0) > 0, "I9", "a letter about no refusal")
        paid_at = (invoice.get("status_transitions") or {}).get("paid_at")
        late = house.machine.now() - LOOK_IS_GOOD_FOR
        if paid_at is not None and invoice["status"] == "paid":
            self.require(paid_at >= late.timestamp(), "I9", f"{message.step} long after it was paid")
        if case.closed_at is not None and case.state is not CaseState.PARKED:
            self.require(case.closed_at >= late, "I9", f"{message.step} of a {case.state} case")

    # at the provider

    def happened(self) -> None:
        """Nobody pays an invoice twice."""
        world = self.house.bank.world
        for invoice in world.all("invoice"):
            paid, due = invoice["amount_paid"], invoice["amount_due"]
            self.require(paid <= due, "I1", f"an invoice of {due} brought {paid}")


def at_rest(rules: Rules, until: datetime) -> None:
    """What must hold once everything due up to `until` was done and nothing goes wrong any more."""
    house = rules.house
    for case in house.ledger.rows(Case):
        _is_settled(rules, case, until)
        _agrees(rules, case)
    _every_failure_has_a_case(rules)
    for event in house.ledger.rows(InboxEvent):
        rules.require(
            event.state is InboxState.HANDLED, "I11", f"an event is {event.state}: {event.reason}"
        )
    for message in house.ledger.rows(Message):
        stuck = message.state is MessageState.SENDING
        late = message.state is MessageState.PLANNED and message.due_at < until - SLACK
        rules.require(not (stuck or late), "I11", f"letter {message.step} is {message.state}")
    for attempt in house.ledger.rows(Attempt):
        old = attempt.intent_at < until - SLACK
        stuck = old and attempt.state in (AttemptState.SENT, AttemptState.UNKNOWN)
        rules.require(not stuck, "I11", f"attempt {attempt.number} is still {attempt.state}")
    for alert in house.ledger.rows(Alert):
        rules.require(alert.kind not in NEVER, "I5", f"alert {alert.kind}: {alert.text}")
    for action in house.ledger.due.values():
        rules.require(
            action.due_at >= until - SLACK, "I5", f"{action.kind} is long overdue: {action.note}"
        )


NEVER = frozenset({"action_parked", "currency"})


def _is_settled(rules: Rules, case: Case, until: datetime) -> None:
    late = case.window_ends_at < until - SLACK
    rules.require(not (case.state is CaseState.ACTIVE and late), "I5", "a case outlives its window")
    rules.require(case.state is not CaseState.PARKED, "I5", f"a case is parked: {case.reason}")


def _agrees(rules: Rules, case: Case) -> None:
    house = rules.house
    world = house.bank.world
    invoice = world.get(case.invoice_id) or {}
    status = invoice.get("status")
    mirror: Invoice | None = house.ledger.row(Invoice, case.account_id, case.invoice_id)
    rules.require(mirror is not None, "I6", "a case without its invoice")
    if mirror is not None:
        rules.require(mirror.status == status, "I6", f"invoice {mirror.status}, there {status}")
    recovered = case.state is CaseState.RECOVERED
    if case.kind is CaseKind.INVOICE:
        return
    if status == "paid":
        rules.require(recovered, "I6", f"paid there, the case is {case.state} ({case.reason})")
    elif recovered:
        rules.require(False, "I6", f"recovered here, {status} there")
    lines = Counter[str]()
    for entry in house.ledger.rows(RecoveryEntry):
        if entry.case_id == case.case_id:
            lines[entry.kind] += entry.amount_minor
    _money_agrees(rules, case, lines)


def _money_agrees(rules: Rules, case: Case, lines: Counter[str]) -> None:
    world = rules.house.bank.world
    listed = world.call(
        "GET", "/v1/invoice_payments", {"invoice": case.invoice_id, "status": "paid"}
    ).body["data"]
    paid = sum(row["amount_paid"] for row in listed)
    if case.state is CaseState.RECOVERED:
        rules.require(lines["recovered"] == paid, "I6", f"recovered {lines['recovered']}, there {paid}")
    intents = {row["payment"]["payment_intent"] for row in listed}
    charges = [c for c in world.all("charge") if c["payment_intent"] in intents]
    once = {c["payment_intent"] for c in charges if c["status"] == "succeeded"}
    captured = [c for c in charges if c["status"] == "succeeded"]
    rules.require(len(once) == len(captured), "I1", "a payment was captured twice")
    if case.state is CaseState.RECOVERED:
        back = sum(c["amount_refunded"] for c in captured)
        ours = lines["refunded"] + lines["refund_failed"]
        rules.require(ours == -back, "I6", f"refunded {ours} here, {back} there")


def _every_failure_has_a_case(rules: Rules) -> None:
    house = rules.house
    known = {case.invoice_id for case in house.ledger.rows(Case)}
    for invoice in house.bank.world.all("invoice"):
        failed = invoice["status"] == "open" and invoice["attempt_count"] > 0
        automatic = invoice["collection_method"] == "charge_automatically"
        if failed and automatic:
            rules.require(invoice["id"] in known, "I8", "a failed invoice has no case")


