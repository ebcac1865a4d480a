"""What must hold when everything has come to rest and nothing goes wrong any more."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from app.domain.actions import ActionKind
from app.domain.cancellations import CancelRequest, RequestState, Source
from app.domain.declines import DeclineKind
from app.domain.dunning import (
    Attempt,
    AttemptState,
    Case,
    CaseEvent,
    CaseKind,
    CaseState,
    Trigger,
    Waits,
)
from app.domain.merchants import CollectionMode
from app.domain.messages import Message, MessageState
from app.domain.mirror import Invoice
from app.domain.movements import ENDED
from app.domain.mrr import MrrMovement
from app.domain.operations import Alert, InboxEvent, InboxState
from app.domain.records import key_of
from app.domain.recovery import Failure, RecoveryEntry
from app.domain.redemptions import AT_WORK, Redemption, RedemptionState
from app.services import intake
from app.services.driving import PARKED_AFTER
from tests.simulation.erasures import nothing_is_left_of_them
from tests.simulation.rules import Rules

MOVES_MONEY_OR_MAIL = frozenset({ActionKind.RETRY, ActionKind.SEND, ActionKind.NEW_CARD})
SLACK = timedelta(days=2)


def at_rest(rules: Rules, until: datetime) -> None:
    """What must hold once everything due up to `until` was done and nothing goes wrong any more."""
    house = rules.house
    for case in house.ledger.rows(Case):
        _is_settled(rules, case, until)
        _agrees(rules, case)
        _ended_there(rules, case)
        _was_looked_at(rules, case, until)
        _was_tried(rules, case)
        _is_thanked(rules, case)
    _every_failure_has_a_case(rules)
    for request in house.ledger.rows(CancelRequest):
        _left_as_told(rules, request, until)
    for redemption in house.ledger.rows(Redemption):
        _kept_as_accepted(rules, redemption, until)
    nothing_is_left_of_them(rules)
    _nothing_is_left(rules, until)


def _nothing_is_left(rules: Rules, until: datetime) -> None:
    house = rules.house
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
OF_THE_PROVIDER = "the provider has neither collected nor ended it"


def _is_settled(rules: Rules, case: Case, until: datetime) -> None:
    patience = SLACK if case.driven else SLACK + PARKED_AFTER
    held = case.waits is Waits.ON_HOLD  # its release moves the window
    late = case.window_ends_at < until - patience and not held
    rules.require(not (case.state is CaseState.ACTIVE and late), "I5", "a case outlives its window")
    there = rules.house.bank_of(case).world.get(case.customer_id or "") or {}
    owed = case.state is CaseState.ACTIVE and there.get("deleted", False)
    rules.require(not owed, "I5", "a case of somebody goes on who was deleted at the provider")
    if not case.driven and case.reason == OF_THE_PROVIDER:
        return  # a person is told; nothing of ours went wrong
    rules.require(case.state is not CaseState.PARKED, "I5", f"a case is parked: {case.reason}")


def _agrees(rules: Rules, case: Case) -> None:
    house = rules.house
    world = house.bank_of(case).world
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
    world = rules.house.bank_of(case).world
    listed = world.call(
        "GET", "/v1/invoice_payments", {"invoice": case.invoice_id, "status": "paid"}
    ).body["data"]
    paid = sum(row["amount_paid"] for row in listed)
    if case.state is CaseState.RECOVERED:
        rules.require(
            lines["recovered"] == paid, "I6", f"recovered {lines['recovered']}, there {paid}"
        )
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
    known = {(case.account_id, case.invoice_id) for case in house.ledger.rows(Case)}
    left_out = [one for one in house.ledger.rows(Failure) if one.exclusion]
    known |= {(one.account_id, one.invoice_id) for one in left_out}
    for account_id, estate in house.estates.items():
        for invoice in estate.bank.world.all("invoice"):
            failed = invoice["status"] == "open" and invoice["attempt_count"] > 0
            automatic = invoice["collection_method"] == "charge_automatically"
            if failed and automatic:
                has = (account_id, invoice["id"]) in known
                rules.require(has, "I8", "a failed invoice has no case")


def _ended_there(rules: Rules, case: Case) -> None:
    """What the end of a case says of the provider is so there."""
    world, words = rules.house.bank_of(case).world, case.reason or ""
    if case.state is CaseState.STOPPED and words == "forgiven":
        status = (world.get(case.invoice_id) or {}).get("status")
        rules.require(status != "open", "I12", "the invoice was forgiven and is open there")
    if case.state is not CaseState.EXHAUSTED or not words.startswith(ENDED):
        return
    if "subscription cancel_now" in words:
        status = (world.get(case.subscription_id or "") or {}).get("status")
        rules.require(status == "canceled", "I6", f"the subscription was ended and is {status}")
    if "invoice uncollectible" in words:
        status = (world.get(case.invoice_id) or {}).get("status")
        rules.require(status != "open", "I6", "the invoice was given up and is open there")


LOOKED_WITHIN = timedelta(days=5)  # the provider may be away, and away again
LOOKS = frozenset({"taken_over", "given_back", "decision"})
ENDS = frozenset({"stopped", "exhausted", "recovered"})


def first_end(lines: Iterable[CaseEvent], *, default: datetime) -> datetime:
    """When a case ended first; what was stopped may be paid weeks later, which ends it again."""
    return min((line.at for line in lines if line.type in ENDS), default=default)


def _was_looked_at(rules: Rules, case: Case, until: datetime) -> None:
    """What we are to drive was taken over, or a line says why not. One that was ended at once, and
    paid later, counts until its first end."""
    ours = case.mode is CollectionMode.DRIVE and case.kind is CaseKind.PAYMENT
    waits = case.held_s or case.waits is Waits.ON_HOLD
    lines = [row for row in rules.house.ledger.rows(CaseEvent) if row.case_id == case.case_id]
    over = first_end(lines, default=case.closed_at or until)
    if ours and not waits and over - rules.heard[case.case_id] > LOOKED_WITHIN:
        looked = any(line.type in LOOKS for line in lines)
        rules.require(looked, "I5", "a case of ours was never looked at")


SOFT = frozenset(
    {DeclineKind.INSUFFICIENT_FUNDS, DeclineKind.RETRY_LATER, DeclineKind.RETRY_FEW_AND_ASK}
)


# A first try is planned within days of a refusal: a payday, else a share of the window.
TRIED_WITHIN = timedelta(days=8)


def _was_tried(rules: Rules, case: Case) -> None:
    """A refusal that another day may change is not the end of a case by itself."""
    over = case.state is CaseState.EXHAUSTED and (case.reason or "").startswith(ENDED)
    if over and case.driven and not case.held_s:
        mine = [row for row in rules.house.ledger.rows(Attempt) if row.case_id == case.case_id]
        first = min(mine, key=lambda row: row.number)  # a later one may come too late to be tried
        soft = (first.decline or {}).get("kind") in SOFT and case.decline_kind in SOFT
        soft = soft and might_change(mine, case.closed_at or case.window_ends_at) > TRIED_WITHIN
        # earlier weeks of the same card may have used up what its network allows in 30 days
        tried = any(row.trigger is Trigger.HOLDFAST for row in mine) or case.interval == "week"
        rules.require(tried or not soft, "I5", "given up without a single try")


def might_change(attempts: list[Attempt], until: datetime) -> timedelta:
    """The longest time for which the latest refusal was one that another day may change: in
    between, a card may have been refused for good, and another come after it."""
    told = [row for row in attempts if row.decline_kind is not None]
    longest, since = timedelta(0), None
    for row in sorted(told, key=lambda row: row.intent_at):
        if row.decline_kind in SOFT:
            since = since or row.intent_at
        elif since is not None:
            longest, since = max(longest, row.intent_at - since), None
    return longest if since is None else max(longest, until - since)


def _is_thanked(rules: Rules, case: Case) -> None:
    if (case.account_id, case.customer_id) in rules.gone.erased:
        return
    letters = [m for m in rules.house.ledger.rows(Message) if m.case_id == case.case_id]
    steps = {message.step for message in letters}
    if case.state is CaseState.RECOVERED and case.wrote:
        rules.require("recovered" in steps, "I11", "nobody was told that it is settled")
    if case.state is CaseState.EXHAUSTED and (case.reason or "").startswith(ENDED):
        rules.require("ended" in steps, "I11", "nobody was told of the end")


def _left_as_told(rules: Rules, request: CancelRequest, until: datetime) -> None:
    """A word that was given is known at the provider, and was confirmed in writing."""
    house = rules.house
    there = house.bank_of(request).world.get(request.subscription_id) or {}
    ends = bool(there["cancel_at"] or there["cancel_at_period_end"])
    gone = there["status"] == "canceled"
    old = request.requested_at < until - SLACK
    state = request.state
    rules.require(not (old and state is RequestState.ASKED), "I5", "a cancellation is still asked")
    if state is RequestState.STANDING:
        rules.require(ends or gone, "I6", "a cancellation stands that the provider does not know")
    if _is_taken_back(rules, request):
        ended = ends and (not gone or there["ended_at"] >= (there["cancel_at"] or 0))
        rules.require(not ended, "I6", "it was taken back, and the provider ends it all the same")
    if state is not RequestState.UNDONE and old:
        _is_forgiven(rules, request)
    if state is RequestState.ENDED:
        rules.require(gone, "I6", "a subscription has ended here, and runs there")
    if request.source is Source.SESSION and old:
        letters = house.ledger.rows(Message)
        mine = [letter for letter in letters if _is_beside(letter, request)]
        told = any(m.template == "cancellation_confirmed" for m in mine)
        whom = (request.account_id, request.customer_id)
        told = told or whom in rules.gone.erased
        rules.require(told, "I11", "a cancellation was not confirmed in writing")


def _is_beside(row: Any, other: Any) -> bool:
    """Whether two rows are about one subscription."""
    mine = (row.account_id, row.subscription_id)
    return mine == (other.account_id, other.subscription_id)


def _is_taken_back(rules: Rules, request: CancelRequest) -> bool:
    """Whether every cancellation of its subscription was."""
    others = rules.house.ledger.rows(CancelRequest)
    mine = [row for row in others if _is_beside(row, request)]
    return all(row.state is RequestState.UNDONE for row in mine)


def _is_forgiven(rules: Rules, request: CancelRequest) -> None:
    """What the customer was told they need not pay is neither open nor collected."""
    house = rules.house
    for invoice in request.forgiven:
        status = (house.bank_of(request).world.get(invoice) or {}).get("status")
        rules.require(status != "open", "I12", "an invoice was forgiven on leaving and is open")
    for case in house.ledger.rows(Case):
        theirs = case.account_id == request.account_id and case.invoice_id in request.forgiven
        going = theirs and case.state is CaseState.ACTIVE
        rules.require(not going, "I12", "the customer has left, and their case goes on")


def _kept_as_accepted(rules: Rules, redemption: Redemption, until: datetime) -> None:
    """What was accepted is so at the provider, once."""
    house = rules.house
    there = house.bank_of(redemption).world.get(redemption.subscription_id) or {}
    mine = [row for row in house.ledger.rows(Redemption) if _is_beside(row, redemption)]
    states = {row.state for row in mine}
    old = redemption.claimed_at < until - SLACK
    rules.require(not (old and redemption.state in AT_WORK), "I5", f"an offer {redemption.state}")
    rules.require(redemption.state is not RedemptionState.PARKED, "I5", "an offer is parked")
    if there["status"] == "canceled":
        return
    discounts = len(there["discounts"])
    rules.require(discounts <= 1, "I6", f"{discounts} discounts for one offer")
    if states == {RedemptionState.APPLIED}:
        rules.require(discounts == 1, "I6", "an offer was applied, and there is no discount")
    if states == {RedemptionState.FAILED}:
        rules.require(discounts == 0, "I6", "an offer failed, and there is a discount")


def heard_again(rules: Rules) -> None:
    """The whole inbox once more from its first day: nothing moves, nobody is charged or written
    to."""
    house, before = rules.house, _state_of(rules)
    events = house.ledger.memory.rows[InboxEvent]
    for key, event in events.items():
        if event.state is InboxState.HANDLED:
            body = event.body or house.bodies.get(key)  # as a backup has it
            events[key] = replace(event, state=InboxState.PENDING, handled_at=None, body=body)
    planned = {action.action_id for action in house.ledger.due.values()}
    machine = house.machine
    for process in machine.processes:
        process.dead = True
    for task in list(machine.loop.tasks):
        task.cancel()
    machine.runs(None, _drained(rules))
    machine.loop.run_until(machine.loop.time() + 60)
    after = _state_of(rules)
    differing = [(a, b) for a, b in zip(before, after, strict=False) if a != b]
    rules.require(before == after, "I15", f"a replay changed {differing[:1] or len(after)}")
    new = [a.kind for a in house.ledger.due.values() if a.action_id not in planned]
    moves = [kind for kind in new if kind in MOVES_MONEY_OR_MAIL]
    rules.require(not moves, "I15", f"a replay planned {moves}")
    nothing_is_left_of_them(rules)


async def _drained(rules: Rules) -> None:
    while await intake.drain(rules.house.world):
        pass


def _state_of(rules: Rules) -> list[Any]:
    ledger = rules.house.ledger
    rows: list[Any] = [replace(case, lines=0) for case in ledger.rows(Case)]
    for kind in (Attempt, RecoveryEntry, MrrMovement, Message, CancelRequest, Redemption):
        rows += ledger.rows(kind)
    return sorted(rows, key=lambda row: (type(row).__name__, key_of(row)))
