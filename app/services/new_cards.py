"""A customer's new card: made the default where it counts, then tried on what is open, once."""

from dataclasses import replace
from datetime import datetime

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.dunning import Attempt, Case, CaseKind, CaseState, Trigger, Waits
from app.domain.methods import TRIED
from app.domain.mirror import Invoice, InvoiceStatus, PaymentMethod, Subscription
from app.domain.openings import case_action
from app.domain.records import Book
from app.ports.store import Transaction
from app.ports.world import World
from app.services.books import Touched, account_terms, load_touched, write
from app.services.work import Desk

OWED = frozenset({InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE})
CHARGED_LATER = ["active", "past_due", "trialing", "unpaid"]


async def try_new_card(world: World, action: Action) -> None:
    """Set the new method on customer and subscriptions, then plan one attempt per open case,
    oldest first. A card entered by way of a reminder, with nothing open, is for every subscription
    of the customer that will be charged; any other only for those whose own default is one that we
    set before. Safe to repeat: setting a default twice is one default, so each try has a key of its
    own and none gets an error that an earlier one left, and the attempts' keys are made of case and
    method."""
    data = action.data or {}
    method, customer = data["method"], action.subject
    async with world.store.transaction(action.merchant_id) as tx:
        book = await load_touched(tx, action.account_id, Touched(customers={customer}))
        account = (await account_terms(tx, world, action.merchant_id, action.account_id)).account
        open_cases = _open_cases(book, customer)
        asked = bool(open_cases or data.get("link"))
        known = await _charged_later(tx, action)
        invoices = _naming_another(book, open_cases, method)
        subscriptions = {c.subscription_id for c in open_cases if c.subscription_id}
        subscriptions |= {one.subscription_id for one in known if one.is_pinned}
        if not open_cases and asked:
            subscriptions = {one.subscription_id for one in known}
    if open_cases or subscriptions:
        await world.payments.set_default_method(
            account,
            customer=customer if asked else None,
            subscriptions=tuple(sorted(subscriptions)),
            invoices=invoices,
            method=method,
            key=f"{action.action_id}:default:{action.claims}",
        )
    async with world.store.transaction(action.merchant_id) as tx:
        book = await load_touched(tx, action.account_id, Touched(customers={customer}))
        now = world.clock.now()
        book.know(await _charged_later(tx, action))
        for one in [s for s in book.all(Subscription) if s.subscription_id in subscriptions]:
            book.put(replace(one, pinned_method_id=method))
        for case in _open_cases(book, customer):
            if case.state is CaseState.ACTIVE:  # a parked one tries it when it is taken up again
                book.add(_try_it(case, method, now, link=data.get("link")))
        book.put(replace(action, state=ActionState.DONE, leased_until=None))
        await write(tx, book, at=now)


def _naming_another(book: Book, cases: list[Case], method: str) -> tuple[str, ...]:
    """The open invoices that name a card of their own: it would be charged on, whatever the
    customer's and the subscription's defaults become."""
    known = (book.get(Invoice, case.account_id, case.invoice_id) for case in cases)
    return tuple(
        one.invoice_id
        for one in known
        if one is not None and one.method_id not in {None, method} and one.status in OWED
    )


def _try_it(case: Case, method: str, at: datetime, *, link: str | None) -> Action:
    attempt = {"trigger": Trigger.NEW_CARD, "method": method, "link": link}
    return case_action(case, ActionKind.RETRY, at, nth=f"card:{method}", data=attempt)


def try_what_came_meanwhile(at: Desk, method: PaymentMethod | None) -> None:
    """A case is taken up again that waits for its customer: the card that would be charged now, if
    it was never tried in it, is what they entered while nobody could try it."""
    case = at.case
    asks = case.state is CaseState.ACTIVE and case.waits is Waits.CUSTOMER
    if method is None or not asks or case.kind is not CaseKind.PAYMENT:
        return
    names = {method.method_id, method.fingerprint} - {None}
    tried = [
        {a.method_id, a.fingerprint} - {None} for a in at.book.all(Attempt, case_id=case.case_id)
    ]
    if all(one and not one & names for one in tried):
        at.book.add(_try_it(case, method.method_id, at.terms.now, link=None))


async def _charged_later(tx: Transaction, action: Action) -> list[Subscription]:
    where = {"account_id": action.account_id, "customer_id": action.subject}
    return await tx.find(Subscription, where=where | {"status": CHARGED_LATER})


def _open_cases(book: Book, customer: str) -> list[Case]:
    cases = [
        case
        for case in book.all(Case)
        if case.customer_id == customer and case.state in TRIED and case.kind is CaseKind.PAYMENT
    ]
    return sorted(cases, key=lambda c: (c.opened_at, c.case_id))
