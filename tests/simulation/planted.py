"""Planted faults: each is what somebody, somewhere, has shipped. The simulation must find them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from app.domain import (
    absorb,
    holds,
    mirroring,
    outcomes,
    retry,
    settlement,
)
from app.domain.actions import Action, ActionKind
from app.domain.declines import Decline, DeclineKind
from app.domain.dunning import Attempt, AttemptState, Case, CaseEvent, CaseState
from app.domain.messages import MessageState
from app.domain.notices import NoticeKind
from app.domain.operations import AuditEntry
from app.domain.outcomes import Outcome, PayAnswer
from app.domain.recovery import EntryKind, RecoveryEntry
from app.providers.stripe import connection
from app.services import (
    actions,
    before_charging,
    cancel_letters,
    cancelling,
    charging,
    dunning,
    endings,
    messages,
    parting,
    posting,
    work,
)
from app.storage.memory import MemoryTransaction
from tests.simulation.history import Setting
from tests.simulation.house import House
from tests.simulation.incidents import INCIDENTS
from tests.simulation.means import (
    asked,
    changed_rows,
    entered,
    left_on,
    lines_lost,
    lost,
    never_asked,
    no,
    no_answer_is,
    nothing,
    pays,
    same_state,
    stale,
    swallowed,
    through,
    true,
)
from tests.simulation.planted_elsewhere import CLOCKS, ERASED, MERCHANTS
from tests.simulation.stage import Stage
from tests.simulation.swaps import Swap, both, put, put_entry, put_member

# what is decided

_next_step, _forward, _case_claims = retry.next_step, mirroring.forward, messages._claims


def _one_more(policy: Any, facts: Any) -> Any:
    return _next_step(replace(policy, max_attempts=policy.max_attempts + 4), facts)


def _sooner(policy: Any, facts: Any) -> Any:
    step = _next_step(replace(policy, min_spacing_hours=1), facts)
    return retry.TryAgain(facts.now + timedelta(hours=5), "soon") if _tries(step) else step


def _tries(step: Any) -> bool:
    return isinstance(step, retry.TryAgain)


def _always_again(policy: Any, facts: Any) -> Any:
    soft = Decline(kind=DeclineKind.RETRY_LATER, code=facts.decline.code)
    return _next_step(policy, replace(facts, decline=soft, uses=()))


def _gives_up(policy: Any, facts: Any) -> Any:
    return retry.GiveUp("no reason")


def _trusting(book: Any, snapshot: Any, terms: Any) -> Any:
    """Whatever came last is the truth."""
    row = replace(
        snapshot, merchant_id=terms.merchant.merchant_id, account_id=terms.account.account_id
    )
    book.put(row)
    return row


def _reopened(book: Any, notice: Any, given: Any) -> None:
    absorb._invoice_failed(book, notice, given)
    for case in list(book.all(Case)):
        if case.invoice_id == notice.invoice and case.state is CaseState.RECOVERED:
            book.put(replace(case, state=CaseState.ACTIVE, closed_at=None))


def _answered_first(stage: Stage, stack: ExitStack) -> None:
    """The webhook is answered before it is stored."""
    real = House._takes_in

    async def takes_in(self: Any, estate: Any, body: bytes, header: str) -> bool:
        self.machine.runs(self.apis[0], _late(self, estate, body, header))
        return True

    async def _late(self: Any, estate: Any, body: bytes, header: str) -> None:
        await self.machine.point("answered already", 5.0)
        await real(self, estate, body, header)

    put_member(House, "_takes_in", takes_in)(stage, stack)


def _claims(change: Callable[..., Any]) -> Swap:
    return put_member(MemoryTransaction, "claim_actions", change)


_claim = MemoryTransaction.claim_actions


async def _early(self: Any, limit: int, *, now: Any, lease_s: float, but: Any = ()) -> Any:
    ahead = now + timedelta(hours=30)
    return await _claim(self, limit, now=ahead, lease_s=lease_s, but=but)


async def _once_only(self: Any, limit: int, *, now: Any, lease_s: float, but: Any = ()) -> Any:
    """What was claimed once is never claimed again."""
    return await _claim(self, limit, now=now, lease_s=10**9, but=but)


async def _unleased(self: Any, limit: int, *, now: Any, lease_s: float, but: Any = ()) -> Any:
    return await _claim(self, limit, now=now, lease_s=0.0, but=but)


def _unfenced(rows: list[Action], action: Action) -> bool:
    return bool(rows)


def _resent(at: Any, action: Action) -> bool:
    message = messages._message(at, action)
    if message.state is MessageState.SENDING:
        at.book.put(replace(message, state=MessageState.PLANNED))
        return True
    return _may_leave(at, action)


_may_leave = messages._may_leave


def _to_another(stage: Stage, stack: ExitStack) -> None:
    real = stage.house.post.send

    async def send(mail: Any) -> None:
        await real(replace(mail, recipient="somebody@example.com"))

    put_member(stage.house.post, "send", send)(stage, stack)


def _always_paid(at: Any, attempt: Attempt, answer: PayAnswer) -> None:
    if answer.outcome is Outcome.UNKNOWN:
        settlement.recover(at.book, at.case, at.terms.now, None, at.terms)
        return
    _take(at, attempt, answer)


_take = charging._take_answer


def _counts_as_refused(book: Any, case: Case, attempt: Attempt, answer: Any, given: Any) -> Case:
    book.put(replace(attempt, state=AttemptState.DECLINED, resolved_at=given.now))
    return case


def _key_of_each_read(attempt: Attempt) -> str:
    return f"{attempt.case_id}:{attempt.number}:{attempt.reads}"


def _forgotten(at: Any, told: Any, key: str) -> Any:
    request, _ = _asked_to_leave(at, told, key)
    return request, []


_asked_to_leave = cancelling._asked

SPACE = timedelta(0)
# What each group of them is about, in the words of docs/proof.md.
GROUPS: dict[str, dict[str, Swap]] = {
    "charged twice": {
        "a fresh key for each repeat": put_member(Attempt, "key", property(_key_of_each_read)),
        "no answer is a refusal": pays(no_answer_is(Outcome.DECLINED)),
        "no answer is an approval": put(charging._take_answer, _always_paid),
        "no answer is counted as refused": put_entry(
            outcomes.TAKERS, Outcome.UNKNOWN, _counts_as_refused
        ),
        "no answer never happened": pays(
            lambda answer: (
                replace(answer, outcome=Outcome.NOT_EXECUTED)
                if answer.outcome is Outcome.UNKNOWN
                else answer
            )
        ),
        "a doubt does not hold the next attempt back": put(dunning._held_back, no),
        "a charge before its intent": lines_lost(Attempt),
        "two workers with one action": _claims(_unleased),
        "a stale claim counts": put(work._stands, _unfenced),
        "the provider retries as well": asked("stop_provider_retries", left_on),
    },
    "charged who should be left alone": {
        "no last look before a charge": asked("read_invoice", stale),
        "no look at the case before the call": put(before_charging.may_go, true),
        "no look after a wait for a turn": put(connection.is_wanted, true),
        "a hard refusal is tried again": put(retry.next_step, _always_again),
        "never means once more": put_member(Decline, "is_final", property(no)),
        "a hold holds nothing": put(holds.is_barred, no),
        "the word does not stop the case": put_member(parting, "close_case", nothing),
        "the word is not told to the provider": never_asked("cancel"),
        "what was forgiven stays open": through(ActionKind.SETTLE),
        "taking it back is not told to the provider": never_asked("uncancel"),
        "an operator's stop is forgotten": changed_rows(
            lambda row: (
                replace(row, state=CaseState.ACTIVE, closed_at=None)
                if isinstance(row, Case) and row.state is CaseState.STOPPED
                else row
            )
        ),
    },
    "stuck": {
        "the next attempt is lost": lost(ActionKind.RETRY),
        "the end is lost": lost(ActionKind.END),
        "the first look is lost": lost(ActionKind.ASSESS),
        "the look at a doubt is lost": lost(ActionKind.RESOLVE),
        "doubts are never looked at": through(ActionKind.RESOLVE),
        "new cases are never looked at": through(ActionKind.ASSESS),
        "ends are never carried out": through(ActionKind.END),
        "what was claimed once is lost with its worker": _claims(_once_only),
        "a provider away ends the action": put(actions._provider_away, swallowed),
        "gives up at the first refusal": put(retry.next_step, _gives_up),
        "the release is lost": put(holds.lift, lambda book, case, ends, why, given: case),
    },
    "too often, too early": {
        "four attempts too many": put(retry.next_step, _one_more),
        "five hours between attempts": both(
            put(retry.next_step, _sooner), put_member(dunning, "SPACING", SPACE)
        ),
        "everything a day early": _claims(_early),
    },
    "letters": {
        "an interrupted letter is sent again": put(messages._may_leave, _resent),
        "letters after it was settled": put(messages._needless, nothing),
        "letters are lost": lost(ActionKind.SEND),
        "letters go twice": put(posting.post, lambda world, out: _posted_twice(world, out)),
        "letters go to somebody else": _to_another,
        "the end comes without notice": both(
            put(endings._notice_allows, lambda at: at.terms.now),
            put(messages._hold_the_end, nothing),
        ),
        "no thanks": put(work.say_thanks, nothing),
        "no confirmation of a cancellation": put(cancel_letters.plan_confirmation, nothing),
    },
    "reports": {
        "whatever came last is true": put(mirroring.forward, _trusting),
        "a late refusal opens a settled case": put_entry(
            absorb.READERS, NoticeKind.INVOICE_FAILED, _reopened
        ),
        "a webhook is answered before it is stored": _answered_first,
        "webhooks are handled and not absorbed": put(absorb.absorb, nothing),
        "refunds are not heard": put_entry(absorb.READERS, NoticeKind.PAYMENT_REFUNDED, nothing),
    },
    "money": {
        "a cent too much": entered(lambda row: replace(row, amount_minor=row.amount_minor + 1)),
        "what comes back is not entered": changed_rows(
            lambda row: (
                None if isinstance(row, RecoveryEntry) and row.kind is EntryKind.REFUNDED else row
            )
        ),
        "recovered money is not entered": lines_lost(RecoveryEntry),
    },
    "ends at the provider": {
        "the subscription is not ended": never_asked("end_subscription"),
        "the invoice is not closed": asked("close_invoice", same_state),
    },
    "records": {
        "commands without audit lines": lines_lost(AuditEntry),
        "a timeline without lines": lines_lost(CaseEvent),
    },
    "offers": {
        "an offer is not asked for": never_asked("change"),
    },
    "erased, deleted, without an address": ERASED,
    "several merchants": MERCHANTS,
    "clocks": CLOCKS,
    "as it happened elsewhere": INCIDENTS,
}
PLANTED: dict[str, Swap] = {name: swap for group in GROUPS.values() for name, swap in group.items()}


async def _posted_twice(world: Any, out: Any) -> Any:
    await _post(world, out)
    return await _post(world, out)


_post = posting.post


def setting(name: str) -> Setting:
    """The product with this fault in it."""

    @contextmanager
    def planted(stage: Stage) -> Iterator[None]:
        with ExitStack() as stack:
            PLANTED[name](stage, stack)
            yield

    return planted
