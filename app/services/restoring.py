"""After a backup was restored: what may have happened since it was taken, and nobody here knows."""

from dataclasses import replace

from app.domain.calendar import in_daytime
from app.domain.dunning import IllegalMove
from app.domain.merchants import ProviderAccount
from app.domain.messages import Message, MessageState
from app.domain.mirror import Customer
from app.domain.records import Book
from app.ports.world import World
from app.services.audit import audit
from app.services.books import account_terms, write


async def withhold_letters(world: World, account: ProviderAccount, *, actor: str) -> int:
    """Send no letter about a case that is due by now: it may have left before the restore.

    Each is found as one that was interrupted while it left, so it becomes `unknown`, is shown,
    counts as written, and is never sent. By night that is also what waits for the customer's
    morning. Returns how many there were; asked again, none. Raises `IllegalMove` while the account
    works: then letters leave meanwhile.
    """
    async with world.store.transaction(account.merchant_id) as tx:
        terms = await account_terms(tx, world, account.merchant_id, account.account_id)
        if terms.account.paused_at is None:
            raise IllegalMove("the account is not paused")
        where = {"account_id": account.account_id, "state": MessageState.PLANNED}
        planned = [one for one in await tx.find(Message, where=where) if one.case_id is not None]
        names = {(one.account_id, one.customer_id) for one in planned if one.customer_id}
        book = Book()
        book.know([*planned, *await tx.load(Customer, sorted(names))])
        due = [
            one
            for one in planned
            if one.due_at <= in_daytime(terms.now, terms.zone_of(_recipient(book, one)))
        ]
        for one in due:
            withheld = replace(one, state=MessageState.SENDING)
            book.put(withheld)
            book.add(
                audit(
                    actor=actor,
                    action="letter.withheld",
                    subject=one.message_id,
                    at=terms.now,
                    before=replace(one, recipient=""),  # the log outlives the address
                    after=replace(withheld, recipient=""),
                )
            )
        await write(tx, book, at=terms.now)
        return len(due)


def _recipient(book: Book, message: Message) -> Customer | None:
    return book.get(Customer, message.account_id, message.customer_id)
