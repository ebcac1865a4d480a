"""What the handlers of case actions share: open the case, close the action."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from app.domain.actions import Action, ActionState, still_claimed
from app.domain.dunning import Case, CaseState
from app.domain.mirror import PaymentMethod
from app.domain.policies import Policy
from app.domain.records import Book
from app.domain.sequence import letters_on, plan_letter
from app.domain.terms import Terms
from app.ports.store import Ask, Transaction
from app.ports.world import World
from app.services.books import asks_for_terms, load_case, terms_from, write
from app.services.shelves import keeping


@dataclass(slots=True)
class Desk:
    """One case on the desk, inside a transaction: its book, its terms, its newest version."""

    tx: Transaction
    book: Book
    terms: Terms
    case_id: str

    @property
    def case(self) -> Case:
        """The case as it is now."""
        case = self.book.get(Case, self.case_id)
        if case is None:
            raise LookupError("a desk is opened for a case that exists")
        return case

    @property
    def policy(self) -> Policy:
        """The policy version the case began with."""
        return self.terms.policy_of(self.case)

    def beside(self, case_id: str) -> "Desk":
        """Another case of the same customer, with the same book."""
        return replace(self, case_id=case_id)

    def done(self, action: Action, why: str | None = None) -> None:
        """Mark the action carried out, or needless where `why` says so."""
        state = ActionState.DROPPED if why else ActionState.DONE
        self.book.put(replace(action, state=state, leased_until=None, note=why))


@asynccontextmanager
async def desk(
    world: World,
    action: Action,
    method: PaymentMethod | None = None,
    *,
    after_the_deed: bool = False,
) -> AsyncIterator[Desk | None]:
    """Open the case of an action, its customer locked; write the book when the block ends.

    Yields None where there is no such case (erased meanwhile), and where the claim stands no
    more: its lease ran out and somebody else is at it, or is through. What was done outside by
    then is recorded all the same (`after_the_deed`).
    """
    async with world.store.transaction(action.merchant_id) as tx:
        subject = action.case_id or action.subject
        book, case, also = await load_case(tx, subject, method, _about(action))
        if not after_the_deed and not _stands(also[0], action):
            yield None
            return
        if case is None:
            await tx.save([replace(action, state=ActionState.DROPPED, note="no such case")])
            yield None
            return
        terms = terms_from(world, *also[1:])[case.account_id]
        terms = await keeping(tx, terms, book.all(Case))
        opened = Desk(tx, book, terms, case.case_id)
        yield opened
        say_thanks(opened)
        await write(tx, book, at=terms.now)


@asynccontextmanager
async def glance(
    world: World, action: Action, *kinds: type[Any] | Ask, after_the_deed: bool = False
) -> AsyncIterator[Desk | None]:
    """Like `desk`, but with the case alone on it, and its customer's rows of `kinds`, or whatever
    one of them asks for.

    For the look before the network is asked, which mostly finds that all is as planned: a third
    of the statements of a desk. What it decides is at most that nothing is to be done.
    """
    async with world.store.transaction(action.merchant_id) as tx:
        await _lock(tx, action)
        cases, *also = await tx.ask(
            Ask(Case, keys=[(action.case_id or action.subject,)]), *_about(action)
        )
        if not cases or not (after_the_deed or _stands(also[0], action)):
            if not cases:
                await tx.save([replace(action, state=ActionState.DROPPED, note="no such case")])
            yield None
            return
        book = Book()
        book.know(cases)
        for rows in await tx.ask(*(_rows_about(cases[0], kind) for kind in kinds)):
            book.know(rows)
        terms = terms_from(world, *also[1:])[action.account_id]
        terms = await keeping(tx, terms, cases)
        yield Desk(tx, book, terms, cases[0].case_id)
        await write(tx, book, at=terms.now)


async def _lock(tx: Transaction, action: Action) -> None:
    """What reports of this case wait for as well: its customer, or its invoice without one."""
    who = action.customer_id
    if who is None:
        cases = await tx.load(Case, [(action.case_id or action.subject,)])
        who = next((case.customer_id or case.invoice_id for case in cases), None)
    if who is not None:
        await tx.lock(action.account_id, [who])


def _about(action: Action) -> list[Ask]:
    """The action as it is now, and the terms of its account."""
    terms = asks_for_terms([action.merchant_id], [action.account_id])
    return [Ask(Action, keys=[(action.action_id,)]), *terms]


def _rows_about(case: Case, kind: type[Any] | Ask) -> Ask:
    """The customer's rows; those of the case alone where it has no customer or they name none."""
    if isinstance(kind, Ask):
        return kind
    where: dict[str, Any] = {"account_id": case.account_id}
    if case.customer_id and "customer_id" in kind.__annotations__:
        return Ask(kind, where=where | {"customer_id": case.customer_id})
    if "case_id" not in kind.__annotations__:
        return Ask(kind, keys=[])
    return Ask(kind, where=where | {"case_id": case.case_id})


def _stands(rows: list[Action], action: Action) -> bool:
    return still_claimed(rows, action) is not None


def say_thanks(desk: Desk) -> None:
    """A customer whom we wrote about a failure hears that it is settled; others hear nothing."""
    case = desk.case
    if case.state is CaseState.RECOVERED and case.wrote:
        for row in letters_on("recovered", desk.policy):
            plan_letter(desk.book, case, row, desk.terms.now, desk.terms)
