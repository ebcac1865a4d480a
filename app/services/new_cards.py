"""A customer's new card: made the default where it counts, then tried on what is open, once."""

from dataclasses import replace

from app.domain.actions import Action, ActionKind, ActionState
from app.domain.dunning import Case, CaseKind, CaseState, Trigger
from app.domain.mirror import Subscription
from app.domain.openings import case_action
from app.domain.records import Book
from app.ports.world import World
from app.services.books import Touched, account_terms, load_touched, write

CHARGED_LATER = ["active", "past_due", "trialing", "unpaid"]


async def try_new_card(world: World, action: Action) -> None:
    """Set the new method on customer and subscriptions, then plan one attempt per open case,
    oldest first. A card entered by way of a reminder, with nothing open, is for every subscription
    of the customer that will be charged. Safe to repeat: setting a default twice is one default,
    and the attempts' keys are made of case and method."""
    data = action.data or {}
    method, customer = data["method"], action.subject
    async with world.store.transaction(action.merchant_id) as tx:
        book = await load_touched(tx, action.account_id, Touched(customers={customer}))
        account = (await account_terms(tx, world, action.merchant_id, action.account_id)).account
        open_cases = _open_cases(book, customer)
        subscriptions = {c.subscription_id for c in open_cases if c.subscription_id}
        if not open_cases and data.get("link"):
            where = {"account_id": action.account_id, "customer_id": customer}
            found = await tx.find(Subscription, where=where | {"status": CHARGED_LATER})
            subscriptions = {one.subscription_id for one in found}
    if open_cases or subscriptions:
        await world.payments.set_default_method(
            account,
            customer=customer,
            subscriptions=tuple(sorted(subscriptions)),
            method=method,
            key=f"{action.action_id}:default",
        )
    async with world.store.transaction(action.merchant_id) as tx:
        book = await load_touched(tx, action.account_id, Touched(customers={customer}))
        now = world.clock.now()
        for case in _open_cases(book, customer):
            attempt = {"trigger": Trigger.NEW_CARD, "method": method, "link": data.get("link")}
            due = case_action(case, ActionKind.RETRY, now, nth=f"card:{method}", data=attempt)
            book.add(due)
        book.put(replace(action, state=ActionState.DONE, leased_until=None))
        await write(tx, book, at=now)


def _open_cases(book: Book, customer: str) -> list[Case]:
    cases = [
        case
        for case in book.all(Case)
        if case.customer_id == customer
        and case.state is CaseState.ACTIVE
        and case.kind is CaseKind.PAYMENT
    ]
    return sorted(cases, key=lambda c: (c.opened_at, c.case_id))
