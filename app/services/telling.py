"""Telling a merchant's people of alerts: a mail, a request, once for each alert."""

import json
from dataclasses import replace
from datetime import timedelta
from html import escape

import structlog

from app.domain.correspondence import Channels
from app.domain.merchants import Merchant
from app.domain.messages import Mail, Rendered
from app.domain.operations import Alert
from app.ports.mailer import MailDeferred, MailRefused, MailUnknown
from app.ports.world import World
from app.words.plain import one_line

log = structlog.get_logger()
AT_A_TIME = 50
MOST_POSTS = 30  # with these pauses that is for a day
LONGEST_PAUSE_MIN = 60  # the first is of two minutes, and each is twice the former


async def tell_alerts(world: World) -> int:
    """Tell of alerts nobody was told of; returns how many are done with.

    Each is marked before it leaves, under a lock, so that two workers do not both tell it; where a
    server put it off, or a request was not taken, it is unmarked and that part of it told later. A
    request that nobody takes is given up after a day. A merchant who wants to hear of none keeps
    them to be looked at.
    """
    told = 0
    for alert in await _untold(world):
        claimed = await _claim(world, alert)
        if claimed is None:
            continue
        fresh, merchant, channels = claimed
        after = await _told(world, fresh, merchant, channels)
        if after.told_at is None:
            await _tell_later(world, after)
        else:
            told += 1
    return told


async def _untold(world: World) -> list[Alert]:
    """Those that are new, and as many that are told once more: neither keeps the other waiting."""
    waiting = {"told_at": None, "resolved_at": None}
    first = waiting | {"tell_at": None}
    again = waiting | {"tell_at__lte": world.clock.now()}
    async with world.store.system() as tx:
        new = await tx.find(Alert, where=first, order=("at", "alert_id"), limit=AT_A_TIME)
        late = await tx.find(Alert, where=again, order=("tell_at", "alert_id"), limit=AT_A_TIME)
    return new + late


async def _tell_later(world: World, after: Alert) -> None:
    """Unmark it, unless it was settled or opened anew meanwhile."""
    async with world.store.transaction(after.merchant_id) as tx:
        await tx.lock(after.merchant_id, ["alerts"])
        rows = await tx.load(Alert, [(after.alert_id,)])
        if rows and rows[0].at == after.at:
            await tx.save([replace(after, resolved_at=rows[0].resolved_at)])


async def _claim(world: World, alert: Alert) -> tuple[Alert, Merchant, Channels] | None:
    """Mark it as told; None where somebody else did, or nobody is to be told."""
    async with world.store.transaction(alert.merchant_id) as tx:
        await tx.lock(alert.merchant_id, ["alerts"])
        fresh = await tx.load(Alert, [(alert.alert_id,)])
        if not fresh or fresh[0].told_at is not None:
            return None
        marked = replace(fresh[0], told_at=world.clock.now())
        await tx.save([marked])
        channels = await tx.load(Channels, [(alert.merchant_id,)])
        merchants = await tx.load(Merchant, [(alert.merchant_id,)])
    if not channels or not merchants:
        return None
    return marked, merchants[0], channels[0]


async def _told(world: World, alert: Alert, merchant: Merchant, channels: Channels) -> Alert:
    """The alert as it is then: told where all who wanted to hear of it did, or never will."""
    now = world.clock.now()
    tries = alert.tries + 1
    mailed = alert.mailed_at is not None or not channels.alert_address
    if not mailed:
        mailed = await _by_mail(world, alert, merchant, channels.alert_address or "")
    posted = alert.posted_at is not None or not channels.alert_url
    if not posted and tries <= MOST_POSTS:
        posted = await _by_request(world, alert, merchant, channels.alert_url or "")
    if mailed and (posted or tries >= MOST_POSTS):
        return alert
    return replace(
        alert,
        told_at=None,
        tries=tries,
        tell_at=now + timedelta(minutes=min(2 ** min(tries, 9), LONGEST_PAUSE_MIN)),
        mailed_at=(alert.mailed_at or now) if mailed else None,
        posted_at=(alert.posted_at or now) if posted else None,
    )


async def _by_request(world: World, alert: Alert, merchant: Merchant, url: str) -> bool:
    """Whether it was taken. Each try carries the same idempotency key."""
    text = f"{merchant.name}: {alert.kind}. {alert.text}"
    body = {
        "id": alert.alert_id,
        "kind": alert.kind,
        "subject": alert.subject,
        "at": alert.at.isoformat(),
        "text": one_line(text, longest=700),
    }
    headers = {"content-type": "application/json", "idempotency-key": _told_as(alert)}
    answer = await world.outgoing.post(url, json.dumps(body).encode(), headers)
    if not answer.is_taken:
        log.warning("alert_not_taken", alert=alert.alert_id, status=answer.status)
    return answer.is_taken


def _told_as(alert: Alert) -> str:
    """What this telling goes by: an alert that opens again is told again, under the same id."""
    return f"{alert.alert_id}.{int(alert.at.timestamp())}"


async def _by_mail(world: World, alert: Alert, merchant: Merchant, address: str) -> bool:
    """Whether it left, or never will."""
    text = f"{alert.text}\n\nConcerns: {alert.subject}\nSince: {alert.at.isoformat()}\n"
    mail = Mail(
        message_id=_told_as(alert),
        sender=merchant.sender_email,
        sender_name=merchant.sender_name or merchant.name,
        recipient=address,
        reply_to=None,
        language="en",
        body=Rendered(
            subject=one_line(f"Alert: {alert.kind.replace('_', ' ')}", longest=120),
            text=text,
            html=f"<!doctype html><html lang='en'><body><pre>{escape(text)}</pre></body></html>",
        ),
    )
    try:
        await world.mailer.send(mail)
    except MailDeferred:
        return False
    except (MailRefused, MailUnknown) as fault:
        log.warning("alert_not_mailed", alert=alert.alert_id, fault=type(fault).__name__)
    return True
