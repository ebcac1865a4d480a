"""How a merchant writes: letterhead, channels, and the addresses nothing is sent to."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.api import cursors
from app.api.auth import Caller, require
from app.api.dependencies import WorldDep
from app.api.problems import OF_EVERY_BODY, Problem, problems
from app.domain.correspondence import Channel, Channels, Letterhead, Suppression, SuppressionReason
from app.domain.ids import SHAPE
from app.domain.merchants import Scope
from app.services import channels, suppressions
from app.words.links import safe_link
from app.words.plain import one_line

router = APIRouter(prefix="/v1", tags=["messages"])
Reader = Annotated[Caller, Depends(require(Scope.MESSAGES_READ))]
Writer = Annotated[Caller, Depends(require(Scope.MESSAGES_WRITE))]


def _https(url: str) -> str:
    if not url.startswith("https://"):
        raise ValueError("must begin with https://")
    return safe_link(url)


def _line(text: str) -> str:
    return one_line(text, longest=300)


Https = Annotated[str, Field(pattern=r"^https://[!-~]{1,1900}$"), AfterValidator(_https)]
Address = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,189}$")
]
Line = Annotated[str, Field(min_length=1, max_length=300), AfterValidator(_line)]


class LetterheadBody(BaseModel):
    """What letters look like. What is left out is not shown."""

    model_config = ConfigDict(extra="forbid")
    colour: Annotated[
        str | None,
        Field(
            pattern=r"^#[0-9a-fA-F]{6}$",
            description="Of buttons and links; made darker or lighter where it cannot be read.",
        ),
    ] = None
    logo_url: Annotated[Https | None, Field(description="A picture, 160 pixels wide.")] = None
    support: Annotated[Address | None, Field(description="Where customers may write.")] = None
    postal_address: Annotated[Line | None, Field(description="On one line.")] = None
    manage_url: Annotated[
        Https | None,
        Field(description="Where a customer sees, changes and cancels the subscription."),
    ] = None

    @classmethod
    def of(cls, head: Letterhead) -> Self:
        return cls(
            colour=head.colour,
            logo_url=head.logo_url,
            support=head.support,
            postal_address=head.postal_address,
            manage_url=head.manage_url,
        )


class ChannelsOut(BaseModel):
    """Ways out besides mail, and who is told of alerts."""

    sms_on: bool
    sms_url: str | None
    sms_sender: str | None
    sms_secret_set: bool
    alert_address: str | None
    alert_url: str | None
    report_secret_set: bool = Field(description="Whether reports about mail can be proven.")

    @classmethod
    def of(cls, row: Channels) -> Self:
        return cls(
            sms_on=row.sms_on,
            sms_url=row.sms_url,
            sms_sender=row.sms_sender,
            sms_secret_set=row.sms_secret_sealed is not None,
            alert_address=row.alert_address,
            alert_url=row.alert_url,
            report_secret_set=row.report_secret_sealed is not None,
        )


class ChannelsIn(BaseModel):
    """Replaces the channels as a whole; a secret that is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")
    sms_on: bool = False
    sms_url: Https | None = None
    sms_sender: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9+]{1,15}$")] = None
    sms_secret: Annotated[str | None, Field(pattern=r"^[!-~]{8,200}$")] = None
    alert_address: Address | None = None
    alert_url: Https | None = None


class ReportSecretIn(BaseModel):
    """A mail provider's signing key; without one a secret is made."""

    model_config = ConfigDict(extra="forbid")
    secret: Annotated[str | None, Field(pattern=r"^[!-~]{16,200}$")] = None


class ReportSecretOut(BaseModel):
    """The secret by which reports are proven, shown once, and where they are posted."""

    secret: str
    plain_url: str
    mailgun_url: str


class SuppressionOut(BaseModel):
    """An address nothing is sent to, until it is lifted."""

    id: str
    channel: Channel
    recipient: str
    reason: SuppressionReason
    detail: str | None
    at: datetime
    lifted_at: datetime | None

    @classmethod
    def of(cls, row: Suppression) -> Self:
        return cls(
            id=row.suppression_id,
            channel=row.channel,
            recipient=row.recipient,
            reason=row.reason,
            detail=row.detail,
            at=row.at,
            lifted_at=row.lifted_at,
        )


class SuppressionList(BaseModel):
    """A page of suppressions; `next` is the cursor of the following one, null at the end."""

    suppressions: list[SuppressionOut]
    next: str | None


class SuppressionParameters(BaseModel):
    """The filters of the list."""

    model_config = ConfigDict(extra="forbid")
    recipient: Annotated[str | None, Field(pattern=r"^[!-~]{1,254}$")] = None
    with_lifted: bool = False
    cursor: Annotated[str | None, Field(max_length=200, description="`next` of a page.")] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class SuppressionIn(BaseModel):
    """An address to suppress: of mail, or a telephone number (E.164)."""

    model_config = ConfigDict(extra="forbid")
    channel: Channel = Channel.MAIL
    recipient: Annotated[
        str,
        Field(
            pattern=r"^([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,189}|\+[0-9]{7,15})$"
        ),
    ]


@router.get("/letterhead")
async def show_letterhead(caller: Reader, world: WorldDep) -> LetterheadBody:
    """What the merchant's letters look like."""
    return LetterheadBody.of(await channels.letterhead_of(world, caller.merchant_id))


@router.put("/letterhead", responses=OF_EVERY_BODY)
async def set_letterhead(caller: Writer, world: WorldDep, given: LetterheadBody) -> LetterheadBody:
    """Write on this from now on; it replaces the letterhead as a whole."""
    colour = given.colour.lower() if given.colour else None
    fields = given.model_dump() | {"colour": colour}
    head = Letterhead(merchant_id=caller.merchant_id, **fields)
    return LetterheadBody.of(
        await channels.set_letterhead(world, head, actor=f"key:{caller.key_id}")
    )


@router.get("/channels")
async def show_channels(caller: Reader, world: WorldDep) -> ChannelsOut:
    """Ways out besides mail, and who is told of alerts. Secrets are never shown."""
    return ChannelsOut.of(await channels.channels_of(world, caller.merchant_id))


@router.put("/channels", responses=OF_EVERY_BODY)
async def set_channels(caller: Writer, world: WorldDep, given: ChannelsIn) -> ChannelsOut:
    """Set them as a whole. SMS is off until it is switched on with a gateway's URL."""
    row = await channels.set_channels(
        world, caller.merchant_id, actor=f"key:{caller.key_id}", **given.model_dump()
    )
    return ChannelsOut.of(row)


@router.post("/channels/report-secret", responses=OF_EVERY_BODY)
async def renew_report_secret(
    caller: Writer, world: WorldDep, given: ReportSecretIn
) -> ReportSecretOut:
    """Take the mail provider's signing key, or make a secret, by which reports about bounces and
    complaints are proven from now on. The former is void."""
    secret = await channels.new_report_secret(
        world, caller.merchant_id, actor=f"key:{caller.key_id}", secret=given.secret
    )
    base = f"{world.public_url}/webhooks/mail/{caller.merchant_id}"
    return ReportSecretOut(secret=secret, plain_url=f"{base}/plain", mailgun_url=f"{base}/mailgun")


@router.get("/suppressions")
async def list_suppressions(
    caller: Reader, world: WorldDep, asked: Annotated[SuppressionParameters, Query()]
) -> SuppressionList:
    """Addresses nothing is sent to, the latest first."""
    filters = asked.model_dump_json(exclude={"cursor", "limit"})
    found = await suppressions.find(
        world,
        caller.merchant_id,
        recipient=asked.recipient,
        with_lifted=asked.with_lifted,
        after=cursors.read(asked.cursor, of=filters) if asked.cursor else None,
        limit=asked.limit + 1,
    )
    page = found[: asked.limit]
    last = page[-1] if len(found) > len(page) else None
    return SuppressionList(
        suppressions=[SuppressionOut.of(row) for row in page],
        next=cursors.write(last.at, last.suppression_id, of=filters) if last else None,
    )


@router.post("/suppressions", responses=OF_EVERY_BODY)
async def suppress(caller: Writer, world: WorldDep, given: SuppressionIn) -> SuppressionOut:
    """Send nothing to this address any more. Repeated it changes nothing."""
    row = await suppressions.suppress(
        world,
        caller.merchant_id,
        given.recipient,
        channel=given.channel,
        actor=f"key:{caller.key_id}",
    )
    return SuppressionOut.of(row)


@router.post("/suppressions/{suppression_id}/lift", responses=OF_EVERY_BODY | problems("not-found"))
async def lift_suppression(
    caller: Writer,
    world: WorldDep,
    suppression_id: Annotated[str, Path(description="`sup_…`", examples=["sup_0198"])],
) -> SuppressionOut:
    """Let the address be written to again. A bounce or complaint that follows suppresses anew."""
    row = None
    if SHAPE.fullmatch(suppression_id):
        row = await suppressions.lift(
            world, caller.merchant_id, suppression_id, actor=f"key:{caller.key_id}"
        )
    if row is None:
        raise Problem("not-found", "There is no such suppression.")
    return SuppressionOut.of(row)
