"""Looking at the last hour before a charge or a letter of a merchant leaves, and at the last day
before money goes back."""

from collections.abc import Mapping
from datetime import timedelta

from app.domain.alerts import AlertKind
from app.domain.cancellations import CancelRequest
from app.domain.dunning import Attempt
from app.domain.evidence import Evidence, EvidenceKind, of_request
from app.domain.fuses import (
    DAY,
    HOUR,
    TRAILING,
    FuseBlown,
    is_repeated,
    too_much_charged,
    too_much_given_back,
    too_much_mail,
)
from app.domain.messages import Message, MessageState
from app.services.customer_desk import CustomerDesk
from app.services.parking import ALLOWED, TOO_MUCH_GIVEN_BACK, park
from app.services.work import Desk

INSTANT = timedelta(microseconds=1)


async def look_at_charges(at: Desk, new: Attempt) -> None:
    """Raise `FuseBlown` if this charge would be too much for the merchant's hour.

    The hour is read only where the case was charged within it already: a volume over three
    times what is due needs such repeats, and the attempt that tips it is one.
    """
    since = at.terms.now - HOUR
    mine = [
        a
        for a in at.book.all(Attempt)
        if a.case_id == new.case_id and a.intent_at > since and a.attempt_id != new.attempt_id
    ]
    if not is_repeated(mine):
        return
    where = {"merchant_id": new.merchant_id, "intent_at__gte": since + INSTANT}
    hour = await at.tx.find(Attempt, where=where)
    if too_much_charged(hour, new, at.policy.bounds):
        text = f"charges of an hour exceed three times what is due ({new.currency})"
        raise FuseBlown(AlertKind.CHARGE_VOLUME, text)


async def look_at_letters(at: Desk) -> None:
    """Raise `FuseBlown` if one more letter would be too many for the merchant's hour, in the
    transaction that lets it leave. Letters of a merchant are looked at one after the other, so that
    many at once, in a storm of failures, cannot pass the bound together."""
    now, bounds = at.terms.now, at.policy.bounds
    merchant = {"merchant_id": at.case.merchant_id}
    await at.tx.lock(at.case.merchant_id, ["letters"])
    hour = await at.tx.count(Message, where={**merchant, "sent_at__gte": now - HOUR + INSTANT})
    hour += await at.tx.count(Message, where={**merchant, "state": MessageState.SENDING})
    if hour + 1 <= bounds.mails_per_hour:
        return
    span = {"sent_at__gte": now - HOUR - TRAILING, "sent_at__lte": now - HOUR}
    before = await at.tx.count(Message, where={**merchant, **span})
    if too_much_mail(hour, before, bounds):
        text = f"{hour} letters within an hour, more than three times the mean of a week"
        raise FuseBlown(AlertKind.MAIL_VOLUME, text)


async def may_give_back(at: CustomerDesk, request: CancelRequest, sums: Mapping[str, int]) -> bool:
    """Whether these payments (their amounts in minor units) may go back now. That the provider is
    asked for it is written with the desk, before it is, and each payment counts once.

    Where it would be too much for the account's day the action is parked and a person is told;
    what a person let go on is not looked at again. Refunds of an account are looked at one after
    the other, so that many at once cannot pass the bound together.
    """
    now, account = at.terms.now, request.account_id
    await at.tx.lock(account, ["refunds"])
    asked: dict[str, object] = {"account_id": account, "kind": EvidenceKind.REFUND_ASKED}
    mine = {**asked, "subscription_id": request.subscription_id}
    known = {(line.data or {}).get("payment") for line in await at.tx.find(Evidence, where=mine)}
    new = {payment: minor for payment, minor in sums.items() if payment not in known}
    if new and not (at.action.data or {}).get(ALLOWED):
        day = await at.tx.count(Evidence, where={**asked, "at__gte": now - DAY + INSTANT})
        span = {"at__gte": now - DAY - TRAILING, "at__lte": now - DAY}
        before = await at.tx.count(Evidence, where={**asked, **span})
        if too_much_given_back(day + len(new), before, at.terms.policy.bounds):
            text = f"{day} refunds within a day; {', '.join(new)} of {request.request_id} waits"
            await park(at.tx, at.book, at.action, text, now, kind=TOO_MUCH_GIVEN_BACK)
            return False
    for payment, minor in new.items():
        line = {"payment": payment, "amount_minor": minor}
        at.book.add(of_request(request, EvidenceKind.REFUND_ASKED, now, payment, **line))
    return True
