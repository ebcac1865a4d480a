"""Dropping with a case's end what it made needless, instead of carrying it out to no effect."""

from datetime import datetime

from app.domain.actions import Action, ActionState
from app.domain.closings import clear_away, just_ended
from app.domain.dunning import Case
from app.domain.messages import Message, MessageState
from app.domain.records import Book
from app.ports.store import Ask, Transaction


async def clear_ends(tx: Transaction, book: Book, at: datetime) -> None:
    """Drop what was planned about the cases of a book that have just ended for good.

    Asked for every book that is written, inside its transaction: its customers are locked, so no
    letter is begun meanwhile. Whoever holds a claim on what is dropped finds that it stands no
    more. Safe to repeat: a case ends once.
    """
    ended = just_ended(book)
    for rows in await tx.ask(*_about([case for case in ended if not book.is_new(case)])):
        book.know(rows)
    for case in ended:
        clear_away(book, case, at)


def _about(ended: list[Case]) -> list[Ask]:
    """What was planned about cases that were known before; of a new one nothing is stored yet."""
    if not ended:
        return []
    ids = sorted(case.case_id for case in ended)
    letters = {"account_id": sorted({case.account_id for case in ended}), "case_id": ids}
    if all(case.customer_id for case in ended):
        letters["customer_id"] = sorted({case.customer_id for case in ended if case.customer_id})
    return [
        Ask(Action, where={"case_id": ids, "state": ActionState.PENDING}),
        Ask(Message, where=letters | {"state": [MessageState.PLANNED, MessageState.SENDING]}),
    ]
