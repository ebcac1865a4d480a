"""Planted faults about who was erased or deleted, about several merchants, and about clocks."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.domain import absorb, openings, personal
from app.domain.actions import ActionKind
from app.domain.merchants import Merchant
from app.domain.messages import PaymentLink
from app.domain.notices import NoticeKind
from app.providers.stripe import webhooks
from app.services import erasing, intake, messages, posting
from app.storage.memory import MemoryTransaction
from tests.simulation.bank import Lines
from tests.simulation.means import nothing, through
from tests.simulation.stage import Stage
from tests.simulation.swaps import Swap, everywhere, put, put_entry, put_member

_closed, _needless, _post = erasing._closed, messages._needless, posting.post
_why_no_case = openings.why_no_case
_claim = MemoryTransaction.claim_actions


async def _none_stopped(*_: object) -> tuple[str, ...]:
    return ()


async def _kept(*_: object) -> None:
    return None


def _link_left(row: Any, *told: Any) -> Any:
    return row if isinstance(row, PaymentLink) else _closed(row, *told)


def _as_told(_: object, row: Any) -> Any:
    return row


def _as_sent(_: object, sent: Any) -> Any:
    return sent


def _collected_anew(book: Any, invoice: Any, subscription: Any, customer: Any, policy: Any) -> Any:
    back = customer and replace(customer, erased=False, deleted=False)
    return _why_no_case(book, invoice, subscription, back, policy)


def _stumbles(at: Any, message: Any) -> Any:
    """guardian 250: without an address there is nothing to be done but to fail."""
    if not message.recipient:
        raise LookupError("nobody to write to")
    return _needless(at, message)


def _seen(*_: object) -> bool:
    return True


def _through_the_first(lines: Lines, _: object) -> Any:
    return next(iter(lines._clients.values()))


def _under_one_name(stage: Stage, stack: ExitStack) -> None:
    """Every letter has the first merchant's letterhead."""

    async def posted(world: Any, out: Any) -> Any:
        first = stage.house.ledger.row(Merchant, stage.first.merchant_id)
        return await _post(world, replace(out, merchant=first))

    stack.enter_context(everywhere(posting.post, posted))


async def _by_own_clock(
    self: Any, limit: int, *, now: datetime, lease_s: float, but: Any = ()
) -> Any:
    """A lease ends when the worker that looks at it thinks so."""
    await self.store.pause("claim_actions")
    store, known = self.store, self.store.lease_clock
    store.lease_clock = lambda: now
    try:
        bare: Callable[..., Any] = _claim.__wrapped__  # type: ignore[attr-defined]
        return await bare(self, limit, now=now, lease_s=lease_s, but=but)
    finally:
        store.lease_clock = known


ERASED: dict[str, Swap] = {
    "an erasure stops no case": put(erasing._stop, _none_stopped),
    "links to the erased lead on": put(erasing._closed, _link_left),
    "later reports name the erased": put(personal.as_of_erased, _as_told),
    "webhooks of before name the erased": through(ActionKind.ERASE_BODIES),
    "later webhooks name the erased": put(intake._empty, _kept),
    "a letter on its way brings the address back": put(personal.as_kept, _as_sent),
    "the erased are collected from anew": put(openings.why_no_case, _collected_anew),
    "nobody hears that a customer was deleted": put_entry(
        absorb.READERS, NoticeKind.CUSTOMER_DELETED, nothing
    ),
    "who has no address stops the queue": put(messages._needless, _stumbles),
}
MERCHANTS: dict[str, Swap] = {
    "rows of all merchants are seen": put_member(MemoryTransaction, "_sees", _seen),
    "every account is worked through the first": put_member(Lines, "client", _through_the_first),
    "letters leave under another merchant's name": _under_one_name,
}
CLOCKS: dict[str, Swap] = {
    "leases are by the worker's own clock": put_member(
        MemoryTransaction, "claim_actions", _by_own_clock
    ),
    "webhooks are refused whose clock is 20 seconds off": put_member(webhooks, "TOLERANCE_S", 20),
}
