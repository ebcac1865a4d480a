"""Declarations at the desk: those that wait for a person, and what the person does about them."""

from dataclasses import dataclass, replace

from app.domain.declarations import Declaration, DeclarationState
from app.domain.merchants import Merchant, ProviderAccount
from app.domain.mirror import Subscription
from app.domain.operations import Alert
from app.domain.records import Book
from app.ports.store import Transaction
from app.ports.world import World
from app.services.audit import audit
from app.services.books import write
from app.services.declaring import hand_on

AT_MOST = 50
OPEN = (DeclarationState.WAITING, DeclarationState.RECEIVED)


class UnknownDeclaration(LookupError):
    """The merchant has no such declaration."""


class NoSuchContract(ValueError):
    """The merchant has no contract of this id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """The declarations of a merchant: those that are not through, and the latest that are."""

    merchant: Merchant
    waiting: tuple[Declaration, ...]
    through: tuple[Declaration, ...]


async def overview(world: World, merchant_id: str) -> Declared:
    """At most fifty of each, the newest first."""
    mine = {"merchant_id": merchant_id}
    order = ("-received_at", "-declaration_id")
    async with world.store.transaction(merchant_id) as tx:
        (merchant,) = await tx.load(Merchant, [(merchant_id,)])
        states = (OPEN, (DeclarationState.DONE, DeclarationState.SETTLED))
        found = [
            await tx.find(Declaration, where=mine | {"state": some}, order=order, limit=AT_MOST)
            for some in states
        ]
    return Declared(merchant=merchant, waiting=tuple(found[0]), through=tuple(found[1]))


async def carry_out(
    world: World, merchant_id: str, declaration_id: str, contract: str, *, actor: str
) -> Declaration:
    """A person found the contract that is meant: it is carried out as early as may be, and bears
    the time at which it was declared. Raises `UnknownDeclaration`, `NoSuchContract`, and
    `IllegalMove` for one that does not wait."""

    async with world.store.transaction(merchant_id) as tx:
        before, book = await _open(tx, merchant_id, declaration_id)
        contract_meant = await _contract(tx, merchant_id, contract)
        again = before.moved(DeclarationState.RECEIVED, at=world.clock.now())
        row = replace(again.of(contract_meant), wished_for=None)
        hand_on(book, row, by=f"{actor}:{world.clock.now().isoformat()}")
        await _close(tx, book, before, row, "declaration.carried_out", actor, world)
    await world.wake.now()
    return row


async def _contract(tx: Transaction, merchant_id: str, contract: str) -> Subscription:
    accounts = await tx.find(ProviderAccount, where={"merchant_id": merchant_id})
    named = [(account.account_id, contract) for account in accounts]
    found = await tx.load(Subscription, named)
    if len(found) != 1:
        raise NoSuchContract(contract)
    return found[0]


async def put_away(
    world: World, merchant_id: str, declaration_id: str, note: str, *, actor: str
) -> Declaration:
    """A person saw to it in another way; `note` says how. Raises as `carry_out` does."""
    async with world.store.transaction(merchant_id) as tx:
        before, book = await _open(tx, merchant_id, declaration_id)
        now = world.clock.now()
        row = before.moved(DeclarationState.SETTLED, at=now, note=note, by=actor)
        book.put(row)
        await _close(tx, book, before, row, "declaration.put_away", actor, world)
    return row


async def _open(tx: Transaction, merchant_id: str, declaration_id: str) -> tuple[Declaration, Book]:
    await tx.lock(merchant_id, [declaration_id])
    found = await tx.load(Declaration, [(declaration_id,)])
    if not found or found[0].merchant_id != merchant_id:
        raise UnknownDeclaration(declaration_id)
    book = Book()
    book.know(found)
    return found[0], book


async def _close(
    tx: Transaction,
    book: Book,
    before: Declaration,
    row: Declaration,
    action: str,
    actor: str,
    world: World,
) -> None:
    """Write it down, and let the alert about it go."""
    now, subject = world.clock.now(), row.declaration_id
    book.add(audit(actor=actor, action=action, subject=subject, at=now, before=before, after=row))
    where = {"merchant_id": row.merchant_id, "subject": subject, "resolved_at": None}
    for known in await tx.find(Alert, where=where):
        book.know([known])
        book.put(replace(known, resolved_at=now))
    await write(tx, book, at=now)
