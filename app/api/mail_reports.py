"""`POST /webhooks/mail/{merchant}/{provider}`: what became of mails, as their provider tells."""

import re
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel

from app.api.dependencies import WorldDep
from app.api.metrics import MAIL_REPORTS
from app.api.problems import Problem, problems, unavailable
from app.domain.correspondence import Channels
from app.ports.mail_reports import BadProof, BadReport, MailReport, UnknownProvider
from app.ports.secrets import SecretUnreadable
from app.ports.store import RowRefused
from app.ports.world import World
from app.services import channels, suppressions

router = APIRouter(prefix="/webhooks/mail", tags=["webhooks"])
MERCHANT = re.compile(r"mer_[0-9a-f]{32}")


class TakenOut(BaseModel):
    """How many of the reports were new."""

    new: int


@router.post(
    "/{merchant}/{provider}",
    responses=problems(
        "bad-signature",
        "bad-event",
        "not-found",
        "request-timeout",
        "body-too-large",
        "unavailable",
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": '`plain`: `{"reports": [{"id", "kind", "recipient", "at", '
            '"message_id", "detail"}]}` with `Authorization: Bearer` and the report secret; '
            "`kind` is `bounced`, `soft_bounced`, `complained` or `unsubscribed`. `mailgun`: as "
            "Mailgun sends it, signed with the report secret.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    },
)
async def take_mail_reports(
    request: Request,
    world: WorldDep,
    merchant: Annotated[str, Path(description="Our id of the merchant, `mer_…`.")],
    provider: Annotated[str, Path(description="`plain` or `mailgun`.")],
) -> TakenOut:
    """Takes reports about bounces, complaints and unsubscribing; heard twice they count once.

    A hard bounce and a complaint end all mail to the address, a soft bounce is counted."""
    row = await _channels(world, merchant)
    reports = await _read(world, row, provider, request)
    try:
        new = await suppressions.take_reports(world, row.merchant_id, provider, reports)
    except RowRefused as odd:
        raise Problem("bad-event", "The report cannot be stored.") from odd
    for report in reports:
        MAIL_REPORTS.labels(report.kind.value).inc()
    return TakenOut(new=new)


async def _channels(world: World, merchant: str) -> Channels:
    row = await channels.channels_of(world, merchant) if MERCHANT.fullmatch(merchant) else None
    if row is None or row.report_secret_sealed is None:
        raise Problem("not-found", "No reports are taken here.")
    return row


async def _read(world: World, row: Channels, provider: str, request: Request) -> list[MailReport]:
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        secret = world.sealer.open(row.report_secret_sealed or "")
        return world.mail_reports.read(
            provider, await request.body(), headers, secret=secret, now=world.clock.now()
        )
    except SecretUnreadable as lost:
        raise unavailable("The report secret cannot be opened.") from lost
    except UnknownProvider:
        raise Problem("not-found", "No reports of this provider are taken.") from None
    except BadProof:
        raise Problem(
            "bad-signature", "The report secret of this merchant did not prove it."
        ) from None
    except BadReport as odd:
        raise Problem("bad-event", f"The request is proven, but is no report: {odd}.") from odd
