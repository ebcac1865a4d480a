"""What a person orders about a case: carried out once, with an audit line, or refused."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from app.domain import case_commands as orders
from app.domain.actions import Action, ActionState
from app.domain.case_commands import Command, is_under_way
from app.domain.dunning import Case, CaseState
from app.domain.holds import HoldReason, lift
from app.domain.ids import derive_id
from app.domain.movements import LEAVE
from app.domain.operations import AuditEntry, IdempotencyKey
from app.domain.records import Book
from app.domain.terms import Terms
from app.ports.store import Ask, Transaction
from app.ports.world import World
from app.services.audit import audit
from app.services.books import account_terms, load_case, write
from app.services.cases import UnknownCase
from app.services.parking import drop_parked
from app.services.shelves import keeping
from app.services.work import desk

CLOSED_BY_DEFAULT = "uncollectible"  # what is forgiven must not stay open to be charged
Told = Mapping[str, str | None]


class KeyReused(ValueError):
    """This key was given to another command before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Who orders something about which case, under which key of their own."""

    merchant_id: str
    case_id: str
    key: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """The case as it is now. `is_under_way`: a charge begun before may still bring money.
    `again`: the command was carried out before, under the same key."""

    case: Case
    is_under_way: bool
    again: bool = False


async def retry(world: World, order: Order) -> Carried:
    """Order one attempt, now. Raises as `_carry_out`."""
    return await _carry_out(world, order, "retry", {}, lambda _: orders.retry(order.key))


async def hold(
    world: World, order: Order, *, reason: HoldReason, until: date | None, text: str | None
) -> Carried:
    """Let a case wait, through the day `until` or until released. Raises as `_carry_out`."""
    told = {"reason": reason.value, "until": until.isoformat() if until else None, "note": text}
    command = orders.hold(reason, until=until, text=text)
    return await _carry_out(world, order, "hold", told, lambda _: command)


async def release(world: World, order: Order, *, reason: HoldReason | None) -> Carried:
    """Let a case go on. Raises as `_carry_out`."""
    command = orders.release(reason)
    told = {"reason": reason.value if reason else None}
    return await _carry_out(world, order, "release", told, lambda _: command)


async def stop(world: World, order: Order, *, text: str) -> Carried:
    """Collect no more. Raises as `_carry_out`."""
    return await _carry_out(world, order, "stop", {"reason": text}, lambda _: orders.stop(text))


async def forgive(world: World, order: Order, *, text: str | None) -> Carried:
    """Collect no more and close the invoice as the policy ends one. Raises as `_carry_out`."""

    def command(close: str) -> Command:
        return orders.forgive(CLOSED_BY_DEFAULT if close == LEAVE else close, text)

    return await _carry_out(world, order, "forgive", {"reason": text}, command)


async def _carry_out(
    world: World, order: Order, name: str, told: Told, command: Callable[[str], Command]
) -> Carried:
    """One command in one transaction, the customer locked. Safe to repeat under the same key.
    `command` is given what the policy's end does to an invoice.

    Raises `UnknownCase`, `KeyReused`, and `CommandRefused` where the case does not allow it.
    """
    request = _digest(name, order.case_id, told)
    async with world.store.transaction(order.merchant_id) as tx:
        await tx.lock("commands", [f"{order.merchant_id}:{order.key}"])
        known = await tx.load(IdempotencyKey, [(order.merchant_id, order.key)])
        if known and known[0].request != request:
            raise KeyReused(order.key)
        book, case, terms = await _open(tx, world, order)
        if known:
            return Carried(case=case, is_under_way=is_under_way(book, case), again=True)
        carry_out = command(terms.policy_of(case).end.invoice)
        after = carry_out(book, case, terms)
        await write(tx, book, at=terms.now)
        if case.state is CaseState.PARKED and after.state is CaseState.ACTIVE:
            await drop_parked(tx, after, terms.now)
        await tx.insert([_kept(order, request, terms)])
        await tx.insert([_line(order, name, told, case, after, terms)])
    return Carried(case=after, is_under_way=is_under_way(book, after))


async def _open(tx: Transaction, world: World, order: Order) -> tuple[Book, Case, Terms]:
    pending = Ask(Action, where={"case_id": order.case_id, "state": ActionState.PENDING})
    book, case, also = await load_case(tx, order.case_id, also=[pending])
    if case is None or case.merchant_id != order.merchant_id:
        raise UnknownCase(order.case_id)
    book.know(also[0])
    terms = await account_terms(tx, world, order.merchant_id, case.account_id)
    return book, case, await keeping(tx, terms, [case])


def _digest(name: str, case_id: str, told: Told) -> str:
    text = json.dumps([name, case_id, dict(told)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _kept(order: Order, request: str, terms: Terms) -> IdempotencyKey:
    return IdempotencyKey(
        merchant_id=order.merchant_id,
        key=order.key,
        request=request,
        subject=order.case_id,
        at=terms.now,
    )


def _line(
    order: Order, name: str, told: Told, before: Case, after: Case, terms: Terms
) -> AuditEntry:
    """What was ordered stands in the audit log also where the case does not show it."""
    line = audit(
        actor=order.actor,
        action=f"case.{name}",
        subject=order.case_id,
        at=terms.now,
        before=before,
        after=after,
    )
    ordered = {field: value for field, value in told.items() if value is not None}
    audit_id = derive_id("audit", terms.now, order.key, line.audit_id)
    return replace(line, audit_id=audit_id, after={**(line.after or {}), "ordered": ordered})


async def let_go(world: World, action: Action) -> None:
    """The day of a hold has passed: the case goes on, unless something else holds it too or the
    hold was given a later day meanwhile."""
    async with desk(world, action) as at:
        if at is None:
            return
        at.done(action)
        now = at.terms.now
        words = "the day has passed"
        lift(at.book, at.case, lambda hold: bool(hold.until and hold.until <= now), words, at.terms)
