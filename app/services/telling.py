"""Telling a merchant's people of alerts: a mail, a request, once for each alert."""

import json
from dataclasses import replace
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


async def tell_alerts(world: World) -> int:
    """Tell of alerts nobody was told of; returns how many left.

    Each is marked before it leaves, under a lock, so that two workers do not both tell it; one
    that a server put off is unmarked and told at the next look. A merchant who wants to hear of
    none keeps them to be looked at.
    """
    told = 0
    for alert in await _untold(world):
        claimed = await _claim(world, alert)
        if claimed is None:
            continue
        merchant, channels = claimed
        if await _told(world, alert, merchant, channels):
            told += 1
        else:
            async with world.store.transaction(alert.merchant_id) as tx:
                await tx.save([replace(alert, told_at=None)])
    return told


async def _untold(world: World) -> list[Alert]:
    async with world.store.system() as tx:
        where = {"told_at": None, "resolved_at": None}
        return await tx.find(Alert, where=where, order=("at", "alert_id"), limit=AT_A_TIME)


async def _claim(world: World, alert: Alert) -> tuple[Merchant, Channels] | None:
    """Mark it as told; None where somebody else did, or nobody is to be told."""
    async with world.store.transaction(alert.merchant_id) as tx:
        await tx.lock(alert.merchant_id, ["alerts"])
        fresh = await tx.load(Alert, [(alert.alert_id,)])
        if not fresh or fresh[0].told_at is not None:
            return None
        await tx.save([replace(fresh[0], told_at=world.clock.now())])
        channels = await tx.load(Channels, [(alert.merchant_id,)])
        merchants = await tx.load(Merchant, [(alert.merchant_id,)])
    if not channels or not merchants:
        return None
    return merchants[0], channels[0]


async def _told(world: World, alert: Alert, merchant: Merchant, channels: Channels) -> bool:
    """Whether all who wanted to hear of it did, or never will."""
    done = True
    if channels.alert_address:
        done = await _by_mail(world, alert, merchant, channels.alert_address)
    if channels.alert_url:
        text = f"{merchant.name}: {alert.kind}. {alert.text}"
        body = {
            "id": alert.alert_id,
            "kind": alert.kind,
            "subject": alert.subject,
            "at": alert.at.isoformat(),
            "text": one_line(text, longest=700),
        }
        headers = {"content-type": "application/json", "idempotency-key": _told_as(alert)}
        sent = json.dumps(body).encode()
        answer = await world.outgoing.post(channels.alert_url, sent, headers)
        if not answer.is_taken:
            log.warning("alert_not_taken", alert=alert.alert_id, status=answer.status)
    return done


def _told_as(alert: Alert) -> str:
    """What this telling goes by: an alert that opens again is told again, under the same id."""
    return f"{alert.alert_id}.{int(alert.at.timestamp())}"


async def _by_mail(world: World, alert: Alert, merchant: Merchant, address: str) -> bool:
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
