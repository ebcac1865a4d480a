"""Looking at the last hour before a charge or a letter of a merchant leaves."""

from datetime import timedelta

from app.domain.dunning import Attempt
from app.domain.fuses import (
    HOUR,
    TRAILING,
    FuseBlown,
    is_repeated,
    too_much_charged,
    too_much_mail,
)
from app.domain.messages import Message
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
        raise FuseBlown("charge_volume", text)


async def look_at_letters(at: Desk) -> None:
    """Raise `FuseBlown` if one more letter would be too many for the merchant's hour."""
    now, bounds = at.terms.now, at.policy.bounds
    merchant = {"merchant_id": at.case.merchant_id}
    hour = await at.tx.count(Message, where={**merchant, "sent_at__gte": now - HOUR + INSTANT})
    if hour + 1 <= bounds.mails_per_hour:
        return
    span = {"sent_at__gte": now - HOUR - TRAILING, "sent_at__lte": now - HOUR}
    before = await at.tx.count(Message, where={**merchant, **span})
    if too_much_mail(hour, before, bounds):
        text = f"{hour} letters within an hour, more than three times the mean of a week"
        raise FuseBlown("mail_volume", text)
