"""What is declared on a public form: taken down at once, matched to a contract, carried out.

Submitting is one transaction without a call to anybody, and lasts as long whether or not we know
who declares: nobody learns from it who is a customer.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from app.domain.actions import ActionKind, action_for
from app.domain.alerts import AlertKind
from app.domain.correspondence import folded
from app.domain.declarations import (
    KEPT_FOR,
    Declaration,
    DeclarationState,
    Given,
    Known,
    filled_in,
    matching,
    next_sheet,
)
from app.domain.ids import derive_id
from app.domain.merchants import Merchant, ProviderAccount
from app.domain.mirror import Customer, Invoice, Subscription
from app.domain.personal import veiled
from app.domain.records import Book
from app.ports.store import Ask, Transaction
from app.ports.world import World
from app.services.alarms import alert
from app.services.books import write
from app.services.declaration_letters import plan_receipt

UNMATCHED = "no contract of this reference and this address is known"
A_DAY = timedelta(days=1)
LETTERS_A_DAY = 3  # to one address: more would be somebody else's doing


class UnknownForm(LookupError):
    """No merchant has this form, or nothing was declared on this sheet."""


class Receipt(StrEnum):
    """What may be said of the letter that acknowledges a declaration. Of an address with many of
    them it is the same whoever declares: nobody is to learn from it who is a customer."""

    COMES = "comes"
    MAY_COME = "may_come"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What the page of a form needs: whose it is, and what was declared on it, if anything was."""

    merchant: Merchant
    declaration: Declaration | None = None
    receipt: Receipt = Receipt.COMES


async def sheet(world: World, merchant_id: str, once: str | None = None) -> Sheet:
    """The form of a merchant; with `once` what was declared on this sheet, for 30 days. Raises
    `UnknownForm`."""
    async with world.store.transaction(merchant_id) as tx:
        merchants = await tx.load(Merchant, [(merchant_id,)])
        if not merchants:
            raise UnknownForm(merchant_id)
        if once is None:
            return Sheet(merchant=merchants[0])
        found = await tx.find(Declaration, where={"merchant_id": merchant_id, "once": once})
        fresh = [one for one in found if world.clock.now() < one.received_at + KEPT_FOR]
        if not fresh:
            raise UnknownForm(once)
        receipt = await _receipt(tx, fresh[0])
    return Sheet(merchant=merchants[0], declaration=fresh[0], receipt=receipt)


async def _receipt(tx: Transaction, row: Declaration) -> Receipt:
    if not await tx.find(ProviderAccount, where={"merchant_id": row.merchant_id}, limit=1):
        return Receipt.NONE
    return Receipt.MAY_COME if await _are_many(tx, row) else Receipt.COMES


async def declare(world: World, merchant_id: str, given: Given, *, once: str) -> Declaration:
    """Take down what was declared: it counts from here. A sheet sent twice is one declaration;
    something else on the same sheet, as a browser's way back has it, is another.

    Raises `NotFilledIn` with what is missing, and `UnknownForm` for no merchant.
    """
    given, now = filled_in(given), world.clock.now()
    key = (await sheet(world, merchant_id)).merchant.assignment_key
    row = Declaration(
        declaration_id=derive_id("declaration", now, merchant_id, once),
        merchant_id=merchant_id,
        once=once,
        **{name: getattr(given, name) for name in Given.__slots__},
        received_at=now,
        email_hash=veiled(folded(given.email), key),
    )
    kept = await _taken_down(world, row)
    if not kept.says(given):
        return await declare(world, merchant_id, given, once=next_sheet(once, given))
    await world.wake.now()
    return kept


async def _taken_down(world: World, row: Declaration) -> Declaration:
    """The declaration with its letter; of a sheet that was sent before, what stands on it."""
    mine, now = {"merchant_id": row.merchant_id}, row.received_at
    async with world.store.transaction(row.merchant_id) as tx:
        if not await tx.insert([row]):
            return (await tx.find(Declaration, where=mine | {"once": row.once}))[0]
        book = Book()
        book.know([row])
        accounts = await tx.find(ProviderAccount, where=mine)
        row = await _matched(tx, book, row, accounts)
        # Asked for whoever it is. What a stranger sends keeps no letter from a customer.
        many = await _are_many(tx, row)
        too_many = many and row.subscription_id is None
        plan_receipt(book, row, accounts, now=now, too_many=too_many)
        await write(tx, book, at=now)
    return row


async def _matched(
    tx: Transaction, book: Book, row: Declaration, accounts: list[ProviderAccount]
) -> Declaration:
    """The declaration with its contract and the action that carries it out; without one it waits
    for a person."""
    found = matching(row, await known_by(tx, row, accounts))
    if found is None:
        row = row.moved(DeclarationState.WAITING, at=row.received_at, note=UNMATCHED)
        book.put(row)
        text = f"somebody declared on the {row.kind} form what matches no contract of yours"
        subject = row.declaration_id
        book.add(alert(row.received_at, row.merchant_id, AlertKind.DECLARATION, subject, text))
        return row
    row = row.of(found)
    hand_on(book, row)
    return row


def hand_on(book: Book, row: Declaration, *, by: str = "form") -> None:
    """Let the workers carry a matched declaration out."""
    book.put(row)
    book.add(
        action_for(
            ActionKind.DECLARE,
            subject=row.declaration_id,
            merchant_id=row.merchant_id,
            account_id=row.account_id or "",
            due_at=row.received_at,
            customer_id=row.customer_id,
            nth=by,
        )
    )


async def known_by(tx: Transaction, row: Declaration, accounts: list[ProviderAccount]) -> Known:
    """What we know by the reference of a declaration."""
    ids, reference = [account.account_id for account in accounts], row.reference
    mine = {"merchant_id": row.merchant_id}
    own, theirs, invoices = await tx.ask(
        Ask(Subscription, keys=[(account, reference) for account in ids]),
        Ask(Subscription, where=mine | {"customer_id": reference}),
        Ask(Invoice, where=mine | {"number": reference}),
    )
    billed = [(one.account_id, one.subscription_id) for one in invoices if one.subscription_id]
    named = [*own, *theirs, *await tx.load(Subscription, billed)]
    who = [(one.account_id, one.customer_id) for one in named if one.customer_id]
    customers = {(c.account_id, c.customer_id): c for c in await tx.load(Customer, who)}
    return Known(subscriptions=tuple(named), invoices=tuple(invoices), customers=customers)


async def _are_many(tx: Transaction, row: Declaration) -> bool:
    """Whether more came with this address in the day before it than a stranger gets letters."""
    if row.email_hash is None:
        return False
    where = {
        "merchant_id": row.merchant_id,
        "email_hash": row.email_hash,
        "received_at__gte": row.received_at - A_DAY,
        "received_at__lte": row.received_at,
    }
    found = await tx.find(Declaration, where=where, limit=LETTERS_A_DAY + 1)
    return len(found) > LETTERS_A_DAY
