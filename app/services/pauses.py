"""A pause that an offer made: told of before it ends, and ended by us on the day that was told."""

from datetime import datetime, timedelta
from typing import Any

from app.domain.actions import Action
from app.domain.cancellations import CancelRequest, RequestState
from app.domain.changes import Pause, Resume, read_change
from app.domain.redemptions import Redemption, RedemptionState, RedemptionStep, StepState
from app.domain.reminders import card_name, expires_at, expiry_of
from app.ports.payments import RenewalReading
from app.ports.store import Ask, Transaction
from app.ports.world import World
from app.services.before_charging import waits_out_pause
from app.services.books import Touched
from app.services.customer_desk import CustomerDesk, customer_desk
from app.services.occasions import Occasion
from app.services.reminders import tell_customer

PAUSED_BY = frozenset({"active", "paused"})
LOOK_AGAIN = timedelta(days=1)


async def end_pause(world: World, action: Action) -> None:
    """Resume what the offer paused, at the price it had; a new period begins and is charged.

    Safe to repeat: what runs already, has ended, was never paused, or was granted a longer pause
    since is left. Who has cancelled since is not charged for another period: it is looked at daily,
    for that may be taken back, and as the last thing before the call, like the pause of an account;
    the charge of one whose word comes during the call goes back (`domain/departures`). A charge
    that is refused leaves the subscription past due, like any renewal. Raises what `Payments`
    raises.
    """
    async with customer_desk(world, action, Touched()) as at:
        if at is None:
            return
        account = at.terms.account
        redemption, pause = await _paused(at.tx, action.subject)
    if redemption is not None and pause is not None:
        resume = Resume(anew=True, collection=pause.collection)
        standing = await world.payments.read_standing(account, redemption.subscription_id)
        ours = not resume.stands_in(standing) and not pause.is_other(standing)
        if standing.status in PAUSED_BY and ours:
            if await _waits(world, action, redemption, ends=bool(standing.ends)):
                return
            await world.payments.change(
                account,
                redemption.subscription_id,
                resume,
                customer=redemption.customer_id,
                key=f"{redemption.redemption_id}:resume:{action.claims}",
            )
    async with customer_desk(world, action, Touched(), after_the_deed=True) as at:
        if at is not None:
            at.done()


async def _waits(world: World, action: Action, redemption: Redemption, *, ends: bool) -> bool:
    """The last look before a period is charged: whether somebody has cancelled what is paused, and
    has not taken it back, or nothing is to be charged at all now."""
    about = {"account_id": redemption.account_id, "subscription_id": redemption.subscription_id}
    touched = Touched(subscriptions={redemption.subscription_id})
    async with customer_desk(world, action, touched) as at:
        if at is None or waits_out_pause(at, action):
            return True
        if at.customer is not None and at.customer.erased:
            at.done("the customer was erased")
            return True
        found = await at.tx.find(CancelRequest, where=about)
        leaves = ends or any(request.state is not RequestState.UNDONE for request in found)
        if leaves:
            at.again(at.terms.now + LOOK_AGAIN, "it was cancelled")
        return leaves


async def tell_of_resuming(world: World, action: Action) -> None:
    """Tell that a pause will end, and what will be charged then; not of one that was made longer
    since. Safe to repeat, like any reminder."""
    subscription = str((action.data or {})["subscription"])
    account = None
    async with customer_desk(world, action, Touched(subscriptions={subscription})) as at:
        if at is None or not at.is_day():
            return
        account = at.terms.account
        _, pause = await _paused(at.tx, action.subject)
    standing = await world.payments.read_standing(account, subscription)
    if pause is not None and pause.is_other(standing):
        async with customer_desk(world, action, Touched()) as at:
            if at is not None:
                at.done("it is paused for longer by now")
        return
    reading = await world.payments.read_renewal(account, subscription)
    await tell_customer(world, action, reading, _resuming)


async def _resuming(at: CustomerDesk, reading: RenewalReading) -> Occasion | str:
    """The occasion, or why there is none: it runs already, was ended, or nothing is charged."""
    resumes_at = datetime.fromisoformat((at.action.data or {})["resumes_at"])
    live = reading.subscription
    if live.status != "paused" and not live.collection_paused:
        return "it is not paused any more"
    if not reading.amount_minor or resumes_at <= at.terms.now:
        return "nothing will be charged"
    facts: dict[str, Any] = {"renews_at": resumes_at}
    month = expiry_of(reading.method) if reading.method else None
    expired = month is not None and expires_at(month) <= resumes_at
    if expired:
        facts |= {"card": card_name(reading.method), "card_expires": month}
    return Occasion(
        template="pause_ending",
        step=f"pause:{resumes_at.date()}",
        dated=resumes_at,
        facts=facts,
        courtesy=False,
        asks_for_card=expired,
    )


async def _paused(tx: Transaction, redemption: str) -> tuple[Redemption | None, Pause | None]:
    """The redemption, where it still holds, and the pause it made."""
    rows, steps = await tx.ask(
        Ask(Redemption, keys=[(redemption,)]),
        Ask(RedemptionStep, where={"redemption_id": redemption, "state": StepState.DONE}),
    )
    found = rows[0]
    changes = [read_change(step.change) for step in steps]
    pause = next((change for change in changes if isinstance(change, Pause)), None)
    return (found if found.state is RedemptionState.APPLIED else None), pause
