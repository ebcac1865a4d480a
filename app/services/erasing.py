"""Erasing a person: their cases stop, their letters are dropped, and what tells who they are is
overwritten wherever it stands. Money, instants, states and the provider's ids stay.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.domain.actions import ActionKind, action_for
from app.domain.afterwards import MailPermission
from app.domain.closings import cases_of, close_case
from app.domain.correspondence import Suppression
from app.domain.declarations import Declaration
from app.domain.dunning import Case, CaseState
from app.domain.holds import look_at_collection
from app.domain.messages import Message, MessageState, PaymentLink
from app.domain.mirror import Customer
from app.domain.personal import ERASED, PERSONAL, is_veiled, without_person
from app.domain.usage import UsageFact
from app.ports.store import Transaction
from app.ports.world import World
from app.services.audit import audit
from app.services.books import Touched, account_terms, load_touched, write
from app.services.personal_data import SECTIONS, Held, customer_of, gather

NAMES = {kind: name for name, kind in SECTIONS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What was done: the cases that were stopped, and how many rows were overwritten, by the names
    that an export gives them."""

    account_id: str
    customer_id: str
    at: datetime
    stopped: tuple[str, ...] = ()
    overwritten: dict[str, int]


async def erase(
    world: World,
    merchant_id: str,
    customer_id: str,
    *,
    account_id: str | None = None,
    actor: str,
) -> Erasure:
    """Erase a customer of a merchant, in one transaction with the customer locked; the webhooks
    that name them are emptied right after it, by an action.

    Safe to repeat: what was overwritten stays as it is, and what came to be known since is
    overwritten too. A charge that was on its way is found out about; none begins afterwards, and
    nobody is written to. The provider is asked to collect no more of what was stopped, and nothing
    else: what it holds must be erased there.
    Raises `UnknownCustomer` and `AmbiguousCustomer`.
    """
    async with world.store.transaction(merchant_id) as tx:
        known = await customer_of(tx, merchant_id, customer_id, account_id)
        stopped = await _stop(tx, world, known)
        (customer,) = await tx.load(Customer, [(known.account_id, customer_id)])
        now = world.clock.now()
        held = await gather(tx, customer)
        changes = overwritten(held, now)
        for kind in PERSONAL:
            await tx.save([row for row in changes if type(row) is kind])
        await tx.save([row for row in changes if type(row) is PaymentLink])
        await _empty_webhooks(tx, customer, now)
        await _note(tx, customer, actor, now)
    await world.wake.now()
    counts = Counter(NAMES[type(row)] for row in changes)
    return Erasure(
        account_id=customer.account_id,
        customer_id=customer_id,
        at=now,
        stopped=stopped,
        overwritten=dict(sorted(counts.items())),
    )


async def _stop(tx: Transaction, world: World, customer: Customer) -> tuple[str, ...]:
    """Stop the customer's cases, with all that follows from the end of one."""
    touched = Touched(customers={customer.customer_id})
    book = await load_touched(tx, customer.account_id, touched)
    terms = await account_terms(tx, world, customer.merchant_id, customer.account_id)
    for case in list(cases_of(book, customer.customer_id)):
        close_case(book, case, CaseState.STOPPED, ERASED, terms)
    for case in book.changed(Case):
        look_at_collection(book, case, terms)
    stopped = tuple(sorted(case.case_id for case in book.changed(Case)))
    await write(tx, book, at=terms.now)
    return stopped


def overwritten(held: Held, now: datetime) -> list[Any]:
    """The rows that change, as they are then."""
    key = held.merchant.assignment_key
    changes: list[Any] = []
    for kind in (*PERSONAL, PaymentLink):
        rows: list[Any] = held.of(kind)
        for row in rows:
            left = without_person(row, key, at=now) if kind in PERSONAL else row
            left = _closed(left, held.customer, now)
            if left != row:
                changes.append(left)
    return _told_apart(changes, held.of(Suppression))


def _closed(row: Any, customer: Customer, now: datetime) -> Any:
    """What the end means for a row beyond its words."""
    match row:
        case Customer():
            return replace(row, erased=True)
        case Message() if row.state is MessageState.PLANNED:
            return replace(row, state=MessageState.DROPPED, reason=ERASED)
        case PaymentLink() if row.revoked_at is None:
            return replace(row, revoked_at=now)
        case MailPermission():
            return replace(row, given=False)
        case UsageFact():
            return replace(row, shown=False)
        case Declaration() if row.customer_id is None:  # whoever sees to it must know of whom
            account_id, customer_id = customer.account_id, customer.customer_id
            return replace(row, account_id=account_id, customer_id=customer_id)
    return row


def _told_apart(changes: list[Any], known: Iterable[Suppression]) -> list[Any]:
    """Of two suppressions that become one address the one of before is in force again where either
    was, and the other only keeps that it was there."""
    before = {_suppressed(row): row for row in known if is_veiled(row.recipient)}
    told: list[Any] = []
    for row in changes:
        twin = before.get(_suppressed(row)) if isinstance(row, Suppression) else None
        if twin is None or twin.suppression_id == row.suppression_id:
            told.append(row)
            continue
        told.append(replace(row, recipient=f"{row.recipient}:{row.suppression_id}"))
        if row.lifted_at is None and twin.lifted_at is not None:
            told.append(replace(twin, lifted_at=None, lifted_by=None))
    return told


def _suppressed(row: Suppression) -> tuple[str, str, str]:
    return row.channel, row.recipient, row.reason


async def _empty_webhooks(tx: Transaction, customer: Customer, now: datetime) -> None:
    action = action_for(
        ActionKind.ERASE_BODIES,
        subject=customer.customer_id,
        merchant_id=customer.merchant_id,
        account_id=customer.account_id,
        due_at=now,
        nth=now.isoformat(),
    )
    await tx.insert([action])


async def _note(tx: Transaction, customer: Customer, actor: str, now: datetime) -> None:
    after = replace(customer, erased=True)
    subject = customer.customer_id
    await tx.insert(
        [audit(actor=actor, action="customer.erased", subject=subject, at=now, after=after)]
    )
