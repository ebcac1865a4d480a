"""Reading live what an event only pointed at."""

from dataclasses import replace
from datetime import datetime

from app.domain.actions import Action, ActionState, still_claimed
from app.domain.mirror import Invoice, Payment
from app.domain.openings import case_of
from app.domain.reversals import enter_paid
from app.ports.store import Transaction
from app.ports.world import World
from app.services.books import Touched, account_terms, load_touched, write
from app.services.intake import absorb_notices


async def read(world: World, action: Action) -> None:
    """Read the object of a thin event, or the invoice behind a refunded payment, and absorb it.

    Safe to repeat: what is absorbed twice counts once. What was read is absorbed also where the
    claim ran out meanwhile; the action is then left to whoever claimed it.
    """
    data = action.data or {}
    async with world.store.transaction(action.merchant_id) as tx:
        account = (await account_terms(tx, world, action.merchant_id, action.account_id)).account
    if "event" not in data:  # a refund told us of a payment, no event of what to read
        invoice = await world.payments.invoice_of_payment(account, action.subject)
        async with world.store.transaction(action.merchant_id) as tx:
            await _join(tx, world, action, invoice)
        return
    notices = await world.payments.read_object(
        account,
        type=data.get("type", "object"),
        id=action.subject,
        event=data.get("event", action.key),
        at=datetime.fromisoformat(data["at"]) if data.get("at") else world.clock.now(),
    )
    async with world.store.transaction(action.merchant_id) as tx:
        terms = await account_terms(tx, world, action.merchant_id, action.account_id)
        await absorb_notices(tx, terms, notices)
        await tx.save(await _done(tx, action))


async def _done(tx: Transaction, action: Action) -> list[Action]:
    """The action, carried out; nothing where another worker has claimed it meanwhile, who reads
    once more and is the one to say so."""
    current = still_claimed(await tx.load(Action, [(action.action_id,)]), action)
    if current is None:
        return []
    return [replace(current, state=ActionState.DONE, leased_until=None)]


async def _join(tx: Transaction, world: World, action: Action, invoice: str | None) -> None:
    touched = Touched(payments={action.subject})
    if invoice is not None:
        touched.invoices.add(invoice)
    book = await load_touched(tx, action.account_id, touched)
    payment = book.get(Payment, action.account_id, action.subject)
    if payment is not None and invoice is not None:
        payment = replace(payment, invoice_id=invoice, status="succeeded")
        book.put(payment)
        terms = await account_terms(tx, world, action.merchant_id, action.account_id)
        row = book.get(Invoice, action.account_id, invoice)
        case = case_of(book, row) if row else None
        if row is not None and case is not None:
            enter_paid(book, case, row, payment, terms)
    for done in await _done(tx, action):
        book.put(done)
    await write(tx, book, at=world.clock.now())
