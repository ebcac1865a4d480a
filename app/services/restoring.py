"""After a backup was restored: what may have happened since it was taken, and nobody here knows."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

from app.domain.calendar import in_daytime
from app.domain.dunning import IllegalMove
from app.domain.merchants import ProviderAccount
from app.domain.messages import Message, MessageState
from app.domain.mirror import Customer
from app.domain.records import Book, Key
from app.ports.world import World
from app.services.audit import audit
from app.services.books import account_terms, write
from app.services.paging import by_the_page

AT_ONCE = 200
A_NIGHT = timedelta(days=1)  # longer than any wait for a morning


async def withhold_letters(world: World, account: ProviderAccount, *, actor: str) -> int:
    """Send no letter about a case that is due by now: it may have left before the restore.

    Each is found as one that was interrupted while it left, so it becomes `unknown`, is shown,
    counts as written, and is never sent. By night that is also what waits for the customer's
    morning. Returns how many there were; asked again, none. Raises `IllegalMove` while the account
    works: then letters leave meanwhile.

    A page at a time, each in a transaction of its own. Cut off in between, the rest wait as they
    did while the account is paused: asked again, it goes on with them.
    """
    return await by_the_page(partial(_withhold_page, world, account, actor))


async def _withhold_page(
    world: World, account: ProviderAccount, actor: str, after: Key | None
) -> tuple[int, Key | None]:
    """How many of one page are withheld, and where the next one begins, if there is one."""
    async with world.store.transaction(account.merchant_id) as tx:
        terms = await account_terms(tx, world, account.merchant_id, account.account_id)
        if terms.account.paused_at is None:
            raise IllegalMove("the account is not paused")
        where = {
            "account_id": account.account_id,
            "state": MessageState.PLANNED,
            "due_at__lte": terms.now + A_NIGHT,
        }
        page = await tx.find(
            Message, where=where, order=("due_at", "message_id"), after=after, limit=AT_ONCE
        )
        planned = [one for one in page if one.case_id is not None]
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
    full = len(page) == AT_ONCE
    return len(due), (page[-1].due_at, page[-1].message_id) if full else None


def _recipient(book: Book, message: Message) -> Customer | None:
    return book.get(Customer, message.account_id, message.customer_id)
