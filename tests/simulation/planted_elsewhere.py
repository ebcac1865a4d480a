"""Planted faults about who was erased or deleted, about several merchants, and about clocks."""

from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

from app.domain import attributing, openings, personal
from app.domain.actions import ActionKind
from app.domain.dunning import Case
from app.domain.merchants import Merchant
from app.domain.messages import PaymentLink
from app.providers.stripe import webhooks
from app.services import case_commands, erasing, intake, messages, posting
from app.storage.memory import MemoryTransaction
from tests.simulation.bank import Lines
from tests.simulation.means import through
from tests.simulation.stage import Stage
from tests.simulation.swaps import Swap, both, everywhere, put, put_member

_closed, _needless, _post = erasing._closed, messages._needless, posting.post
_why_no_case, _open = openings.why_no_case, case_commands._open


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


async def _anybodys(tx: Any, world: Any, order: Any) -> Any:
    found = await tx.load(Case, [(order.case_id,)])
    whose = found[0].merchant_id if found else order.merchant_id
    return await _open(tx, world, replace(order, merchant_id=whose))


def _through_the_first(lines: Lines, _: object) -> Any:
    return next(iter(lines._clients.values()))


def _under_one_name(stage: Stage, stack: ExitStack) -> None:
    """Every letter has the first merchant's letterhead."""

    async def posted(world: Any, out: Any) -> Any:
        first = stage.house.ledger.row(Merchant, stage.first.merchant_id)
        return await _post(world, replace(out, merchant=first))

    stack.enter_context(everywhere(posting.post, posted))


ERASED: dict[str, Swap] = {
    "an erasure stops no case": put(erasing._stop, _none_stopped),
    "links to the erased lead on": put(erasing._closed, _link_left),
    "later reports name the erased": put(personal.as_of_erased, _as_told),
    "webhooks of before name the erased": through(ActionKind.ERASE_BODIES),
    "later webhooks name the erased": put(intake._empty, _kept),
    "a letter on its way brings the address back": put(personal.as_kept, _as_sent),
    "the erased are collected from anew": put(openings.why_no_case, _collected_anew),
    "who has no address stops the queue": put(messages._needless, _stumbles),
}
MERCHANTS: dict[str, Swap] = {
    "a command finds anybody's case": both(
        put_member(MemoryTransaction, "_sees", _seen), put(case_commands._open, _anybodys)
    ),
    "every account is worked through the first": put_member(Lines, "client", _through_the_first),
    "letters leave under another merchant's name": _under_one_name,
}
CLOCKS: dict[str, Swap] = {
    "what was charged before its intent is another's": put_member(
        attributing, "CLOCK_SLACK", timedelta(0)
    ),
    "webhooks are refused whose clock is 20 seconds off": put_member(webhooks, "TOLERANCE_S", 20),
}
