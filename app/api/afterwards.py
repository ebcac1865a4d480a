"""Letters after leaving: the merchant's switch, a customer's permission, reasons put right."""

import re
from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.api.auth import Caller, require
from app.api.correspondence import Https
from app.api.dependencies import WorldDep
from app.api.parameters import Instant, ProviderId
from app.api.problems import OF_EVERY_BODY, Problem, invalid, problems
from app.domain.afterwards import (
    NO_SOONER,
    WIN_BACK_DAYS,
    AfterLetter,
    AfterLetters,
    MailPermission,
    MendedReason,
)
from app.domain.languages import LANGUAGES
from app.domain.merchants import Scope
from app.services import after_settings
from app.services.access import AmbiguousCustomer
from app.words.plain import one_line

router = APIRouter(prefix="/v1", tags=["messages"])
Reader = Annotated[Caller, Depends(require(Scope.MESSAGES_READ))]
Writer = Annotated[Caller, Depends(require(Scope.MESSAGES_WRITE))]
# As flows name reasons.
ReasonId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
ReasonOrNone = Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9_-]{0,39})?$")]
REASON_OR_NONE = re.compile(r"([a-z0-9][a-z0-9_-]{0,39})?")
NO_OTHERS: JsonDict = {"additionalProperties": False}
Language = Annotated[str, Field(pattern=f"^({'|'.join(LANGUAGES)})$")]
AccountQuery = Annotated[
    ProviderId | None,
    Query(description="`acc_…`; needed only where several of your accounts know the id."),
]
CustomerPath = Annotated[ProviderId, Path(description="The customer's id at the provider.")]


def _line(text: str) -> str:
    plain = one_line(text, longest=500)
    if not plain:
        raise ValueError("says nothing")
    return plain


Line = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_line)]
Days = Annotated[int, Field(ge=NO_SOONER.days, le=365)]


class AfterLettersBody(BaseModel):
    """What somebody who left is written; all is off until it stands in `on`."""

    model_config = ConfigDict(extra="forbid")
    on: Annotated[
        list[AfterLetter],
        Field(
            max_length=len(AfterLetter),
            description="The letters that are sent, to those who leave from then on.",
        ),
    ] = []
    feedback_hours: Annotated[
        int, Field(ge=1, le=720, description="From the cancellation to `exit_feedback`.")
    ] = 24
    before_end_days: Annotated[
        int, Field(ge=2, le=60, description="From `win_back_before_end` to the end.")
    ] = 7
    win_back_days: Annotated[
        dict[ReasonOrNone, Days],
        Field(
            max_length=100,
            json_schema_extra=NO_OTHERS,
            description="From the end to `win_back`, by reason; the empty one is for who gave "
            "none. A reason that is missing is not written to.",
        ),
    ] = dict(WIN_BACK_DAYS)
    return_url: Annotated[
        Https | None, Field(description="Where somebody who left subscribes again.")
    ] = None

    @classmethod
    def of(cls, row: AfterLetters) -> Self:
        return cls(
            on=[letter for letter in AfterLetter if row.since_of(letter)],
            feedback_hours=row.feedback_hours,
            before_end_days=row.before_end_days,
            win_back_days={
                k: v for k, v in row.win_back_days.items() if REASON_OR_NONE.fullmatch(k)
            },
            return_url=row.return_url,
        )


class PermissionIn(BaseModel):
    """What a customer said about letters that are not about a debt or a duty."""

    model_config = ConfigDict(extra="forbid")
    given: bool
    at: Annotated[
        Instant | None,
        Field(description="When they said so; now where it is left out. The newest word counts."),
    ] = None
    how: Annotated[Line, Field(description="How it is proven: a box at the order, a talk.")]


class PermissionOut(BaseModel):
    """The word that counts. Without one there is no permission."""

    customer: str
    given: bool
    at: datetime | None
    how: str | None

    @classmethod
    def of(cls, customer: str, row: MailPermission | None) -> Self:
        return cls(
            customer=customer,
            given=row is not None and row.given,
            at=row.at if row else None,
            how=row.how if row else None,
        )


class MendedIn(BaseModel):
    """What was put right, in the merchant's own words by language; English where one is missing."""

    model_config = ConfigDict(extra="forbid")
    note: Annotated[
        dict[Language, Line],
        Field(min_length=1, max_length=len(LANGUAGES), json_schema_extra=NO_OTHERS),
    ]


class MendedOut(BaseModel):
    """A reason to leave that was put right."""

    id: str
    reason: str
    note: dict[str, str]
    at: datetime

    @classmethod
    def of(cls, row: MendedReason) -> Self:
        return cls(id=row.mended_id, reason=row.reason, note=row.note, at=row.at)


class MendedList(BaseModel):
    """The latest hundred, newest first."""

    mended: list[MendedOut]


@router.get("/after-letters")
async def show_after_letters(caller: Reader, world: WorldDep) -> AfterLettersBody:
    """What somebody who left is written."""
    return AfterLettersBody.of(await after_settings.show(world, caller.merchant_id))


@router.put("/after-letters", responses=OF_EVERY_BODY)
async def set_after_letters(
    caller: Writer, world: WorldDep, given: AfterLettersBody
) -> AfterLettersBody:
    """Replace them as a whole. A letter goes to nobody who left before it was switched on, and to
    nobody without a recorded permission. Commercial mail needs a letterhead with a postal
    address."""
    try:
        row = await after_settings.switch(
            world, caller.merchant_id, actor=f"key:{caller.key_id}", **given.model_dump()
        )
    except after_settings.NotReady as missing:
        raise invalid(f"body.{missing.where}", missing.why) from missing
    return AfterLettersBody.of(row)


@router.get("/customers/{customer}/permission", responses=problems("not-found", "conflict"))
async def show_permission(
    caller: Reader, world: WorldDep, customer: CustomerPath, account: AccountQuery = None
) -> PermissionOut:
    """Whether a customer agreed to letters after leaving."""
    try:
        row = await after_settings.permission_of(
            world, caller.merchant_id, customer, account_id=account
        )
    except (after_settings.UnknownCustomer, AmbiguousCustomer) as wrong:
        raise _whose(wrong) from wrong
    return PermissionOut.of(customer, row)


@router.post(
    "/customers/{customer}/permission",
    responses=OF_EVERY_BODY | problems("not-found", "conflict"),
)
async def record_permission(
    caller: Writer,
    world: WorldDep,
    customer: CustomerPath,
    given: PermissionIn,
    account: AccountQuery = None,
) -> PermissionOut:
    """Record what a customer said; the answer is the word that counts. Repeated, late or in the
    wrong order it is the same: the newest word said counts. A withdrawal holds at once, also for a
    letter that is about to leave."""
    try:
        row = await after_settings.permit(
            world,
            caller.merchant_id,
            customer,
            account_id=account,
            actor=f"key:{caller.key_id}",
            **given.model_dump(),
        )
    except (after_settings.UnknownCustomer, AmbiguousCustomer) as wrong:
        raise _whose(wrong) from wrong
    return PermissionOut.of(customer, row)


@router.get("/mended-reasons")
async def list_mended_reasons(caller: Reader, world: WorldDep) -> MendedList:
    """The reasons to leave that were put right."""
    rows = await after_settings.list_mended(world, caller.merchant_id)
    return MendedList(mended=[MendedOut.of(row) for row in rows])


@router.post("/cancel-reasons/{reason}/mended", responses=OF_EVERY_BODY | problems("conflict"))
async def mend_reason(
    caller: Writer,
    world: WorldDep,
    reason: Annotated[ReasonId, Path(description="The id of a reason of your flows.")],
    given: MendedIn,
) -> MendedOut:
    """Say that a reason to leave was put right: who left for it within a year and agreed to such
    letters is told, in your words, over the next day. Once in 30 days for each reason."""
    try:
        row = await after_settings.mend(
            world, caller.merchant_id, reason, given.note, actor=f"key:{caller.key_id}"
        )
    except after_settings.NotReady as missing:
        raise Problem("conflict", "The letter `we_fixed_it` is switched off.") from missing
    except after_settings.MendedAlready as again:
        told = "Those who left for this reason were told within the last 30 days."
        raise Problem("conflict", told) from again
    return MendedOut.of(row)


def _whose(wrong: Exception) -> Problem:
    if isinstance(wrong, AmbiguousCustomer):
        return Problem(
            "conflict", "Several of your accounts know this customer; name one with `account`."
        )
    return Problem("not-found", "There is no such customer.")
