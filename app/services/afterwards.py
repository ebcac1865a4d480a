"""Writing to somebody who left: planned an hour later, looked at live when due, sent at most once.

A letter that would leave late is dropped, and so is one to somebody who came back, withdrew their
permission, or owes or disputes something: nobody misses a letter of this kind.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.actions import Action, ActionKind, ActionState, action_for
from app.domain.afterwards import (
    LEFT_WITHIN,
    AfterLetter,
    AfterLetters,
    ExitFeedback,
    Left,
    MailPermission,
    MendedReason,
    Planned,
    letters_after,
    mended_letters,
    when_free,
    why_never,
    words_for,
)
from app.domain.calendar import in_daytime
from app.domain.cancellations import CancelRequest
from app.domain.compliance.places import place_of
from app.domain.dunning import Case
from app.domain.ids import derive_id
from app.domain.languages import language_for, written
from app.domain.messages import Letter, Message
from app.domain.mirror import Customer, Dispute, Subscription
from app.domain.mirroring import forward
from app.domain.reasons import said
from app.domain.sessions import CancelSession
from app.ports.payments import ProviderRefused
from app.ports.store import Ask, Transaction
from app.ports.world import World
from app.services import mailing
from app.services.books import Touched
from app.services.customer_desk import CustomerDesk, customer_desk
from app.services.posting import Outgoing, post

FEEDBACK, BACK = "feedback", "back"
# Where the button of each letter leads: to the question, or to the way back.
LEADS_TO = {
    AfterLetter.EXIT_FEEDBACK: ("q", FEEDBACK),
    AfterLetter.WIN_BACK_BEFORE_END: ("b", BACK),
    AfterLetter.WIN_BACK: ("b", BACK),
    AfterLetter.WE_FIXED_IT: ("b", BACK),
}
AT_A_TIME = 200
NEXT_PAGE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Somebody who left, and what was put right for them, where that is what is told."""

    left: Left
    mended: MendedReason | None


async def settings_of(tx: Transaction, merchant_id: str) -> AfterLetters:
    """What a merchant has switched on; everything is off where nothing was set."""
    found = await tx.load(AfterLetters, [(merchant_id,)])
    return found[0] if found else AfterLetters(merchant_id=merchant_id)


async def plan(world: World, action: Action) -> None:
    """Plan the letters that follow a cancellation. Safe to repeat, and to be late: what should
    have left by now is not planned at all."""
    async with customer_desk(world, action, Touched()) as at:
        if at is None:
            return
        found = await at.tx.load(CancelRequest, [(action.subject,)])
        settings = await settings_of(at.tx, action.merchant_id)
        for request in found:
            for planned in letters_after(request, settings, at.terms.now):
                at.book.add(planned.action(request))
        at.done()


async def write(world: World, action: Action) -> None:
    """Send one letter to somebody who left, if all still speaks for it when it is due.

    Looked at before and after the subscription is read live, and in the transaction that commits
    `sending`: who came back or withdrew their permission by then gets nothing. Safe to repeat.
    """
    planned = Planned.of(action)
    async with customer_desk(world, action, Touched()) as at:
        told = await _may_leave(at, planned) if at is not None else None
        if at is None or told is None:
            return
        account, subscription = at.terms.account, told.left.request.subscription_id
    try:
        reading = await world.payments.read_object(
            account,
            type="subscription",
            id=subscription,
            event=f"after:{action.action_id}",
            at=world.clock.now(),
        )
    except ProviderRefused:
        reading = []  # it is gone there: the mirror has the last that was known
    out: Outgoing | None = None
    async with customer_desk(world, action, Touched(subscriptions={subscription})) as at:
        if at is None:
            return
        for notice in reading:
            if isinstance(notice.snapshot, Subscription):
                forward(at.book, notice.snapshot, at.terms)
        told = await _may_leave(at, planned)
        if told is not None:
            out = await _begin(at, planned, told, world)
    if out is not None:
        await mailing.record(world, action, out, await post(world, out))


async def _may_leave(at: CustomerDesk, planned: Planned) -> Told | None:
    """What the letter is about, if it may leave now; else the action is closed or put off."""
    told = await _told(at, planned)
    if told is None:
        at.done("there is nothing to write about any more")
        return None
    if (why := why_never(planned, told.left)) is not None:
        at.done(why)
        return None
    if (free := when_free(told.left)) is not None:
        at.again(_by_day(at, free[0]), free[1])
        return None
    return told if at.is_day() else None


def _by_day(at: CustomerDesk, when: datetime) -> datetime:
    return in_daytime(when, at.terms.zone_of(at.customer))


async def _told(at: CustomerDesk, planned: Planned) -> Told | None:
    action, merchant = at.action, at.action.merchant_id
    found = await at.tx.load(CancelRequest, [(action.subject,)])
    if not found or not found[0].customer_id:
        return None
    request = found[0]
    mine = {"account_id": request.account_id, "customer_id": request.customer_id}
    (
        settings,
        permissions,
        customers,
        subscriptions,
        cases,
        disputes,
        letters,
        sessions,
        mended,
    ) = await at.tx.ask(
        Ask(AfterLetters, keys=[(merchant,)]),
        Ask(MailPermission, keys=[(request.account_id, request.customer_id)]),
        Ask(Customer, keys=[(request.account_id, request.customer_id)]),
        Ask(Subscription, where=mine),
        Ask(Case, where=mine),
        Ask(Dispute, where=mine),
        Ask(Message, where=mine),
        Ask(CancelSession, keys=[(request.session_id,)]),
        Ask(MendedReason, keys=[(planned.mended,)]),
    )
    at.book.know([*customers, *subscriptions])
    own = at.book.get(Subscription, request.account_id, request.subscription_id)
    others = [one for one in subscriptions if one.subscription_id != request.subscription_id]
    customer = customers[0] if customers else None
    claimed = sessions[0].place if sessions else None
    left = Left(
        request=request,
        settings=settings[0] if settings else AfterLetters(merchant_id=merchant),
        customer=customer,
        permission=permissions[0] if permissions else None,
        subscription=own,
        others=tuple(others),
        cases=tuple(cases),
        disputes=tuple(disputes),
        letters=tuple(one for one in letters if one.message_id != _message_id(request, planned)),
        place=claimed or place_of(None, customer, None, None),
        now=at.terms.now,
    )
    return Told(left=left, mended=mended[0] if mended else None)


async def _begin(at: CustomerDesk, planned: Planned, told: Told, world: World) -> Outgoing | None:
    """Commit `sending` with the links the letter carries; None where it must not leave."""
    begun = await mailing.begin(at, _message(at, planned, told), courtesy=True)
    if begun is None:
        return None
    message, paper = begun
    letter = replace(_letter(at, message, told), look=paper.look, wording=paper.wording)
    path, purpose = LEADS_TO[planned.letter]
    token = mailing.add_link(at, message, purpose, letter.currency, world)
    url, headers = mailing.unsubscribing(at, message, letter.currency, world)
    letter = replace(letter, link=f"{world.public_url}/{path}/{token}", unsubscribe_url=url)
    return Outgoing(message=message, letter=letter, merchant=at.terms.merchant, headers=headers)


def _message_id(request: CancelRequest, planned: Planned) -> str:
    return derive_id("message", planned.at, request.request_id, planned.nth)


def _message(at: CustomerDesk, planned: Planned, told: Told) -> Message:
    request, customer = told.left.request, told.left.customer
    spoken = (customer and customer.language) or (request.session_id and request.language)
    return Message(
        message_id=_message_id(request, planned),
        merchant_id=request.merchant_id,
        account_id=request.account_id,
        customer_id=request.customer_id,
        subscription_id=request.subscription_id,
        step=f"{planned.nth}:{request.request_id}",
        template=planned.letter,
        recipient=(customer.email if customer else None) or "",
        language=language_for(spoken or None, at.terms.merchant.language),
        due_at=at.terms.now,
    )


def _letter(at: CustomerDesk, message: Message, told: Told) -> Letter:
    request, customer, now = told.left.request, told.left.customer, at.terms.now
    return Letter(
        template=message.template,
        language=message.language,
        time_zone=at.terms.zone_of(customer).key,
        merchant_name=at.terms.merchant.name,
        customer_name=customer.name if customer else None,
        plan=request.plan,
        invoice_number=None,
        amount_minor=0,
        currency="usd",
        link=None,
        requested_at=request.requested_at,
        ends_at=request.ends_at if request.ends_at > now else None,
        left_for=words_for(request.reason),
        mended=said(told.mended.note, written(message.language) or "") if told.mended else None,
    )


async def tell_mended(world: World, action: Action) -> None:
    """Plan the letters to those who left for what is mended now, a page at a time. Safe to repeat:
    each letter is planned once."""
    page: str | None = (action.data or {}).get("after")
    async with world.store.transaction(action.merchant_id) as tx:
        (mended,) = await tx.load(MendedReason, [(action.subject,)])
        settings = await settings_of(tx, action.merchant_id)
        now = world.clock.now()
        where = {
            "merchant_id": action.merchant_id,
            "account_id": action.account_id,
            "reason": mended.reason,
            "requested_at__gte": now - LEFT_WITHIN,
        }
        requests = await tx.find(
            CancelRequest, where=where, order=("request_id",), after=(page or "",), limit=AT_A_TIME
        )
        await tx.insert(mended_letters(requests, mended, settings, now))
        if len(requests) == AT_A_TIME:
            await tx.insert([tell_action(mended, action.account_id, now, requests[-1].request_id)])
        await tx.save([replace(action, state=ActionState.DONE, leased_until=None)])


def tell_action(
    mended: MendedReason, account_id: str, now: datetime, after: str | None = None
) -> Action:
    """What finds those who left for a reason, from the first or after a request."""
    return action_for(
        ActionKind.TELL_MENDED,
        subject=mended.mended_id,
        merchant_id=mended.merchant_id,
        account_id=account_id,
        due_at=now + NEXT_PAGE if after else now,
        nth=after or "first",
        data={"after": after},
    )


async def forget(world: World, action: Action) -> None:
    """Empty what was answered afterwards, a year later. Safe to repeat."""
    async with world.store.transaction(action.merchant_id) as tx:
        for row in await tx.load(ExitFeedback, [(action.subject,)]):
            await tx.save([replace(row, words=None, forgotten_at=world.clock.now())])
        await tx.save([replace(action, state=ActionState.DONE, leased_until=None)])
