"""The ledger beside the provider: `/v1/finance/reconciliation/comparisons` and their lines."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api import cursors
from app.api.auth import require
from app.api.dependencies import WorldDep
from app.api.parameters import Instant, ProviderId
from app.api.problems import OF_EVERY_BODY, Problem, invalid, problems
from app.domain.comparing import ComparedLine, Comparison, LineKind, LineState
from app.domain.ids import SHAPE
from app.domain.merchants import Scope
from app.services import comparing, comparisons
from app.services.api_keys import Caller

router = APIRouter(prefix="/v1/finance/reconciliation/comparisons", tags=["finance"])
Reader = Annotated[Caller, Depends(require(Scope.FINANCE_READ))]
Writer = Annotated[Caller, Depends(require(Scope.CASES_WRITE))]
ComparisonId = Annotated[str, Path(description="`cmp_…`", examples=["cmp_0198"])]
LIST = "comparisons"
MISSING = problems("not-found")
LINE_CURSOR = f"^({'|'.join(sorted(LineKind))}):[!-~]{{1,255}}$"


class SideOut(BaseModel):
    """Lines of one kind and currency, added up."""

    currency: str = Field(description="ISO 4217, lower case.")
    kind: LineKind
    lines: int
    ours_minor: int = Field(description="What we have, in minor units of `currency`.")
    theirs_minor: int = Field(description="What the provider has, in minor units of `currency`.")


class ComparisonOut(BaseModel):
    """A comparison. Its figures are nought and empty until it has ended."""

    id: str = Field(description="`cmp_…`")
    account: str
    asked_by: str = Field(description="`night`, or the id of the API key that asked for it.")
    since: datetime = Field(description="Charges made from here were listed.")
    until: datetime = Field(description="The last instant of which charges were listed.")
    began_at: datetime
    ended_at: datetime | None = Field(description="Null while it is being carried out.")
    lines: int = Field(description="Things that were compared, one by one.")
    mended: int = Field(description="Of them, differed until the provider was read once more.")
    differing: int = Field(description="Of them, differ.")
    totals: list[SideOut]

    @classmethod
    def of(cls, found: Comparison) -> Self:
        """As the API shows it."""
        ended = found.ended_at is not None
        totals = (found.totals or {}) if ended else {}
        return cls(
            id=found.comparison_id,
            account=found.account_id,
            asked_by=found.asked_by,
            since=found.since,
            until=found.until,
            began_at=found.began_at,
            ended_at=found.ended_at,
            lines=found.lines if ended else 0,
            mended=found.mended if ended else 0,
            differing=found.differing if ended else 0,
            totals=[
                SideOut(
                    currency=currency,
                    kind=LineKind(kind),
                    lines=n,
                    ours_minor=ours,
                    theirs_minor=theirs,
                )
                for currency, kinds in sorted(totals.items())
                for kind, (n, ours, theirs) in sorted(kinds.items())
            ],
        )


class ComparisonList(BaseModel):
    """A page, the latest first; `next` is null at the end."""

    comparisons: list[ComparisonOut]
    next: str | None


class ListParameters(BaseModel):
    """Of the list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=20, ge=1, le=100)
    cursor: str | None = Field(default=None, max_length=300)


class LineOut(BaseModel):
    """One thing the provider names, and what each side says of it."""

    kind: LineKind = Field(
        description="`paid`: a charge on an invoice after its first failure. `given_back`: refunds "
        "of a charge, less those that failed. `lost`: a dispute. `owed`: what is still to be paid "
        "on an invoice with an active case."
    )
    ref: str = Field(description="What the provider calls it: a charge, dispute or invoice.")
    invoice: str
    currency: str = Field(description="ISO 4217, lower case.")
    ours_minor: int = Field(description="In minor units of `currency`.")
    theirs_minor: int | None = Field(
        description="In minor units of `currency`; null where the provider knows no such thing."
    )
    difference_minor: int = Field(description="Ours less theirs.")
    state: LineState
    looked_at: datetime

    @classmethod
    def of(cls, line: ComparedLine) -> Self:
        """As the API shows it."""
        return cls(
            kind=line.kind,
            ref=line.ref,
            invoice=line.invoice_id,
            currency=line.currency,
            ours_minor=line.ours_minor,
            theirs_minor=line.theirs_minor,
            difference_minor=line.ours_minor - (line.theirs_minor or 0),
            state=line.state,
            looked_at=line.looked_at,
        )


class LineList(BaseModel):
    """A page of lines in order of kind and ref; `next` is null at the end."""

    lines: list[LineOut]
    next: str | None


class LineParameters(BaseModel):
    """Of the lines."""

    model_config = ConfigDict(extra="forbid")

    state: list[LineState] = Field(
        default=[LineState.DIFFERS],
        max_length=4,
        description="In which states. Default: those that differ.",
    )
    limit: int = Field(default=100, ge=1, le=1000)
    cursor: str | None = Field(default=None, pattern=LINE_CURSOR, max_length=300)


class ComparisonIn(BaseModel):
    """What to compare."""

    model_config = ConfigDict(extra="forbid")

    account: ProviderId = Field(description="The provider account, `acc_…`.")
    since: Instant | None = Field(
        default=None, description="Charges made from here. Default: 35 days before `until`."
    )
    until: Instant | None = Field(
        default=None, description="Up to here, an hour ago at the latest, which is the default."
    )


@router.get("")
async def list_comparisons(
    caller: Reader, world: WorldDep, asked: Annotated[ListParameters, Query()]
) -> ComparisonList:
    """Comparisons of the ledger with the provider's own lists: each night's, and those that were
    asked for."""
    after = cursors.read(asked.cursor, of=LIST) if asked.cursor else None
    found = await comparisons.find(world, caller.merchant_id, after=after, limit=asked.limit + 1)
    page = found[: asked.limit]
    last = page[-1] if len(found) > len(page) else None
    return ComparisonList(
        comparisons=[ComparisonOut.of(one) for one in page],
        next=cursors.write(last.began_at, last.comparison_id, of=LIST) if last else None,
    )


@router.post("", status_code=202, responses=OF_EVERY_BODY | MISSING)
async def begin_comparison(caller: Writer, world: WorldDep, asked: ComparisonIn) -> ComparisonOut:
    """Compare now: the provider's charges of a span, its refunds of 35 days before that, its
    disputes of 120, and what our active cases say is owed. What differs is read once more and
    taken in, like an event that was missed; nothing is charged or written to anybody for it.
    Asked again for the same within a minute it is the same one."""
    try:
        account = await comparisons.account_of(world, caller.merchant_id, asked.account)
        begun = await comparing.begin_comparison(
            world, account, asked_by=caller.key_id, since=asked.since, until=asked.until
        )
    except comparisons.UnknownComparison as unknown:
        raise Problem("not-found", "There is no such account.") from unknown
    except comparing.SpanTooLong as wrong:
        raise invalid("body.since", str(wrong)) from wrong
    return ComparisonOut.of(begun)


@router.get("/{comparison_id}", responses=MISSING)
async def show_comparison(
    caller: Reader, world: WorldDep, comparison_id: ComparisonId
) -> ComparisonOut:
    """One comparison; its figures once it has ended."""
    return ComparisonOut.of(await _known(caller, world, comparison_id))


@router.get("/{comparison_id}/lines", responses=MISSING)
async def comparison_lines(
    caller: Reader,
    world: WorldDep,
    comparison_id: ComparisonId,
    asked: Annotated[LineParameters, Query()],
) -> LineList:
    """What differs, one by one and never averaged; other lines with `state`."""
    known = await _known(caller, world, comparison_id)
    kind, _, ref = (asked.cursor or "").partition(":")
    found = await comparisons.lines(
        world,
        caller.merchant_id,
        known.comparison_id,
        states=asked.state,
        after=(LineKind(kind), ref) if ref else None,
        limit=asked.limit + 1,
    )
    page = found[: asked.limit]
    more = len(found) > len(page)
    return LineList(
        lines=[LineOut.of(line) for line in page],
        next=f"{page[-1].kind}:{page[-1].ref}" if more else None,
    )


async def _known(caller: Caller, world: WorldDep, comparison_id: str) -> Comparison:
    try:
        if SHAPE.fullmatch(comparison_id):
            return await comparisons.show(world, caller.merchant_id, comparison_id)
    except comparisons.UnknownComparison:
        pass
    raise Problem("not-found", "There is no such comparison.")
