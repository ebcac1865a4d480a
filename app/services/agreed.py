"""What an offer had planned for later, when its customer leaves and comes back.

An end can only be planned where no schedule governs the subscription, so ours is let go for it. It
is written down before, and planned again when the customer stays: what was agreed holds.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.actions import Action, ActionKind
from app.domain.alerts import AlertKind
from app.domain.cancellations import GONE, CancelRequest, RequestState, standing_request
from app.domain.changes import PlanItems, read_change
from app.domain.departures import is_to_plan_again
from app.domain.merchants import ProviderAccount
from app.domain.mirror import Subscription
from app.domain.redemptions import Redemption, RedemptionState, RedemptionStep
from app.domain.standing import Standing
from app.ports.payments import ProviderRefused
from app.ports.store import Transaction
from app.ports.world import World
from app.services.alarms import alert
from app.services.books import Touched
from app.services.cancel_settling import finish
from app.services.customer_desk import CustomerDesk, customer_desk

PLAN = "plan"  # in an action: the redemption whose plan is let go for the end
LATER = timedelta(hours=1)
OVER = "the day it was planned for is over"


async def has_plan(tx: Transaction, request: CancelRequest) -> bool:
    """Whether an offer has planned something for this subscription, now or before."""
    return bool(await _plans(tx, request))


async def is_to_come(tx: Transaction, subscription: Subscription, now: datetime) -> bool:
    """Whether an offer has planned something for a later day, which an end would let go."""
    return any(plan.at > now for plan in await _plans(tx, subscription))


async def is_planned_again(world: World, request: CancelRequest) -> bool:
    """Whether something was let go for an end that was taken back, and is still to come."""
    async with world.store.transaction(request.merchant_id) as tx:
        gone = await _plans_gone(tx, request)
    undone = request.state is RequestState.UNDONE
    return undone and any(plan.at > world.clock.now() for plan in gone)


async def _plans(tx: Transaction, of: CancelRequest | Subscription) -> list[PlanItems]:
    about = {"account_id": of.account_id, "subscription_id": of.subscription_id}
    taken = await tx.find(Redemption, where={**about, "state": RedemptionState.APPLIED})
    return [plan for one in taken if (plan := await _plan_of(tx, one.redemption_id))]


async def remember(
    world: World, action: Action, account: ProviderAccount, request: CancelRequest
) -> bool:
    """Write down, before an end is planned, which plan of ours is let go for it. False where the
    claim stands no more."""
    standing = await world.payments.read_standing(account, request.subscription_id)
    if standing.schedule_mark is None:
        return True
    async with customer_desk(world, action, Touched()) as at:
        if at is not None:
            data = {**(at.action.data or {}), PLAN: standing.schedule_mark}
            at.book.put(replace(at.action, data=data))
        return at is not None


async def plan_again(world: World, action: Action) -> None:
    """Plan what was let go for an end that was taken back, as it was agreed; a person is told
    where that is not possible.

    Safe to repeat: what is planned already is read first. While another end stands it waits.
    """
    async with customer_desk(world, action, Touched()) as at:
        if at is None:
            return
        request, plan = await _let_go(at)
        if request is None or plan is None:
            return
        account = at.terms.account
    standing = await world.payments.read_standing(account, request.subscription_id)
    waits, why = bool(standing.ends), None
    if not waits and standing.status not in GONE and not plan.stands_in(standing):
        plan = _as_it_stands(plan, standing)
        why = await _planned(world, action, account, request.subscription_id, plan)
    async with customer_desk(world, action, Touched(), after_the_deed=True) as at:
        if at is None:
            return
        if waits:
            at.again(at.terms.now + LATER, "the end is not taken back there yet")
            return
        at.done()
        if why is not None:
            _tell(at, request, plan, why)
        await finish(at, request)


async def _let_go(at: CustomerDesk) -> tuple[CancelRequest | None, PlanItems | None]:
    """The request that was taken back and the plan that went with it; with None the action is
    done, or waits."""
    (request,) = await at.tx.load(CancelRequest, [(at.action.subject,)])
    about = {"account_id": request.account_id, "subscription_id": request.subscription_id}
    others = await at.tx.find(CancelRequest, where=about)
    if standing_request(others, request.subscription_id) is not None:
        at.again(at.terms.now + LATER, "it was cancelled again")
        return None, None
    plans = await _plans_gone(at.tx, request)
    if not plans or request.state is not RequestState.UNDONE:
        at.done("nothing that was agreed was let go")
        await finish(at, request)
        return None, None
    return request, plans[0]


async def _plans_gone(tx: Transaction, request: CancelRequest) -> list[PlanItems]:
    """What was let go for the end of this request."""
    where = {"account_id": request.account_id, "kind": ActionKind.CANCEL}
    told = await tx.find(Action, where={**where, "subject": request.request_id})
    marks = [(row.data or {}).get(PLAN) for row in told if not is_to_plan_again(row)]
    return [plan for mark in marks if mark and (plan := await _plan_of(tx, mark))]


async def _plan_of(tx: Transaction, redemption: str) -> PlanItems | None:
    steps = await tx.find(RedemptionStep, where={"redemption_id": redemption})
    changes = (read_change(step.change) for step in steps)
    return next((change for change in changes if isinstance(change, PlanItems)), None)


def _as_it_stands(plan: PlanItems, standing: Standing) -> PlanItems:
    """The plan beside the discounts that are still there."""
    there = {discount.id for discount in standing.discounts}
    return replace(plan, keep=tuple(one for one in plan.keep if one in there))


async def _planned(
    world: World, action: Action, account: ProviderAccount, owner: str, plan: PlanItems
) -> str | None:
    """Plan it, and read it back; why not, where it cannot be."""
    if plan.at <= world.clock.now():
        return OVER
    key = f"{action.subject}:plan:{action.claims}"
    try:
        await world.payments.change(account, owner, plan, customer=action.customer_id, key=key)
    except ProviderRefused as refused:
        return f"the provider refuses it: {refused}"
    seen = await world.payments.read_standing(account, owner)
    return None if plan.stands_in(seen) else "the provider does not show it"


def _tell(at: CustomerDesk, request: CancelRequest, plan: PlanItems, why: str) -> None:
    text = (
        f"{request.subscription_id} was cancelled, which let go what was agreed ({plan.mark}), and"
        f" stays after all; it could not be planned again: {why}"
    )
    kind, when = AlertKind.REDEMPTION_PARKED, at.terms.now
    at.book.add(alert(when, request.merchant_id, kind, plan.mark, text))
