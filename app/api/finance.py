"""Finance's questions: `/v1/finance`, as JSON, CSV or NDJSON, streamed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from app.api.auth import require
from app.api.dependencies import WorldDep
from app.api.finance_schemas import (
    EntriesOut,
    EntryWords,
    InstantWords,
    RateWords,
    RecoveredRevenueOut,
    RecoveredWords,
    RecoveryRateOut,
    SpanWords,
)
from app.api.finance_tables import (
    AtRiskOut,
    ChurnOut,
    ChurnWords,
    FailuresOut,
    FailureWords,
    IncrementalOut,
    IncrementalWords,
    LastingWords,
    MrrOut,
    MrrWords,
    OffersOut,
    OfferWords,
    ProjectionOut,
    ProjectionWords,
    ReasonsOut,
    ReasonWords,
    ReconciliationOut,
    RecoveryTimeWords,
    RiskWords,
    SavesLastingOut,
    SavesOut,
    SaveWords,
    SegmentsOut,
    SegmentWords,
    TimeToRecoveryOut,
)
from app.api.problems import Problem, invalid, problems
from app.domain.merchants import Scope
from app.ports.figures import Figures
from app.reports import finance
from app.reports.answers import Answer
from app.reports.asking import WrongParameter
from app.reports.formats import CSV, JSON, NDJSON, first_then_rest, preferred, rendered
from app.services.api_keys import Caller

router = APIRouter(prefix="/v1/finance", tags=["finance"])


async def figures_of(request: Request) -> Figures:
    """The figures this process was wired to at its start."""
    figures: Figures = request.app.state.figures
    return figures


FinanceReader = Annotated[Caller, Depends(require(Scope.FINANCE_READ))]
FiguresDep = Annotated[Figures, Depends(figures_of)]
ALSO: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            CSV: {"schema": {"type": "string", "description": "The rows, with a heading."}},
            NDJSON: {"schema": {"type": "string", "description": "A row a line."}},
        },
        "headers": {
            "Holdfast-As-Of": {
                "description": "The cut-off that was used.",
                "schema": {"type": "string", "format": "date-time"},
            },
            "Holdfast-Next-Cursor": {
                "description": "Leads to the next page, where there is one.",
                "schema": {"type": "string"},
            },
        },
    },
    **problems("not-acceptable"),
}
Asked = Callable[..., Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, in which form, and whom."""

    request: Request
    caller: FinanceReader
    figures: FiguresDep
    world: WorldDep

    async def answered(self, ask: Asked, words: SpanWords | InstantWords) -> StreamingResponse:
        """Ask, and stream the answer in the form `Accept` prefers. Nothing is sent before the
        first rows are there, so that an outage is a problem document and not half an answer."""
        media_type = preferred(self.request.headers.get("accept", "*/*"))
        if media_type is None:
            raise Problem("not-acceptable", f"Ask for {JSON}, {CSV} or {NDJSON}.")
        names = [name for name, _ in self.request.query_params.multi_items()]
        for name in {name for name in names if names.count(name) > 1}:
            raise invalid(f"query.{name}", "is there more than once")
        try:
            answer = await ask(
                words.model_dump(by_alias=True, exclude_none=True),
                merchant_id=self.caller.merchant_id,
                figures=self.figures,
                now=self.world.clock.now(),
                whole=media_type != JSON,
            )
        except WrongParameter as wrong:
            raise invalid(f"query.{wrong.name}", wrong.detail) from wrong
        pieces = await first_then_rest(rendered(answer, media_type))
        headers = _headers(answer, media_type)
        return StreamingResponse(pieces, media_type=media_type, headers=headers)


AskerDep = Annotated[Asker, Depends()]


def _headers(answer: Answer, media_type: str) -> dict[str, str]:
    headers = {"Holdfast-As-Of": answer.head["as_of"], "Vary": "Accept"}
    if cursor := answer.head.get("next_cursor"):
        headers["Holdfast-Next-Cursor"] = cursor
    if media_type == CSV:
        name = answer.head["figure"].replace("/", "-")
        headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return headers


@router.get("/recovered-revenue", response_model=RecoveredRevenueOut, responses=ALSO)
async def recovered_revenue(
    words: Annotated[RecoveredWords, Query()], asker: AskerDep
) -> StreamingResponse:
    """What came in on failed invoices, what went out again, by the date the money moved."""
    return await asker.answered(finance.answer_recovered_revenue, words)


@router.get("/recovery-rate", response_model=RecoveryRateOut, responses=ALSO)
async def recovery_rate(words: Annotated[RateWords, Query()], asker: AskerDep) -> StreamingResponse:
    """Of what failed in a period, how much was recovered within W days."""
    return await asker.answered(finance.answer_recovery_rate, words)


@router.get("/payment-failures", response_model=FailuresOut, responses=ALSO)
async def payment_failures(
    words: Annotated[FailureWords, Query()], asker: AskerDep
) -> StreamingResponse:
    """How many first payments were refused, why, and where."""
    return await asker.answered(finance.answer_payment_failures, words)


@router.get("/mrr", response_model=MrrOut, responses=ALSO)
async def mrr(words: Annotated[MrrWords, Query()], asker: AskerDep) -> StreamingResponse:
    """Monthly recurring revenue: start, movements, end."""
    return await asker.answered(finance.answer_mrr, words)


@router.get("/churn", response_model=ChurnOut, responses=ALSO)
async def churn(words: Annotated[ChurnWords, Query()], asker: AskerDep) -> StreamingResponse:
    """Who was lost, by the definition of a preset; what that did to MRR."""
    return await asker.answered(finance.answer_churn, words)


@router.get("/churn-reasons", response_model=ReasonsOut, responses=ALSO)
async def churn_reasons(
    words: Annotated[ReasonWords, Query()], asker: AskerDep
) -> StreamingResponse:
    """Why subscriptions ended."""
    return await asker.answered(finance.answer_churn_reasons, words)


@router.get("/segments", response_model=SegmentsOut, responses=ALSO)
async def segments(words: Annotated[SegmentWords, Query()], asker: AskerDep) -> StreamingResponse:
    """Where subscriptions end: by plan, country, tenure and MRR."""
    return await asker.answered(finance.answer_segments, words)


@router.get("/offers", response_model=OffersOut, responses=ALSO)
async def offers(words: Annotated[OfferWords, Query()], asker: AskerDep) -> StreamingResponse:
    """What each offer cost, and what it kept."""
    return await asker.answered(finance.answer_offers, words)


@router.get("/saves", response_model=SavesOut, responses=ALSO)
async def saves(words: Annotated[SaveWords, Query()], asker: AskerDep) -> StreamingResponse:
    """Who accepted an offer, and was still there 24 hours, 30 and 90 days later."""
    return await asker.answered(finance.answer_saves, words)


@router.get("/time-to-recovery", response_model=TimeToRecoveryOut, responses=ALSO)
async def time_to_recovery(
    words: Annotated[RecoveryTimeWords, Query()], asker: AskerDep
) -> StreamingResponse:
    """How fast money comes back, as a curve with numbers at risk and a band."""
    return await asker.answered(finance.answer_time_to_recovery, words)


@router.get("/saves-lasting", response_model=SavesLastingOut, responses=ALSO)
async def saves_lasting(
    words: Annotated[LastingWords, Query()], asker: AskerDep
) -> StreamingResponse:
    """How long those stay who accepted an offer, as a curve with numbers at risk and a band."""
    return await asker.answered(finance.answer_saves_lasting, words)


@router.get("/reconciliation", response_model=ReconciliationOut, responses=ALSO)
async def reconciliation(
    words: Annotated[SpanWords, Query()], asker: AskerDep
) -> StreamingResponse:
    """Where the ledger and the provider's payments differ, invoice by invoice."""
    return await asker.answered(finance.answer_reconciliation, words)


@router.get("/at-risk", response_model=AtRiskOut, responses=ALSO)
async def at_risk(words: Annotated[RiskWords, Query()], asker: AskerDep) -> StreamingResponse:
    """MRR of subscriptions with an open case, and apart those with a planned end."""
    return await asker.answered(finance.answer_at_risk, words)


@router.get("/incremental", response_model=IncrementalOut, responses=ALSO)
async def incremental(
    words: Annotated[IncrementalWords, Query()], asker: AskerDep
) -> StreamingResponse:
    """What came back only because customers were treated, beside those held out."""
    return await asker.answered(finance.answer_incremental, words)


@router.get("/projection", response_model=ProjectionOut, responses=ALSO)
async def projection(
    words: Annotated[ProjectionWords, Query()], asker: AskerDep
) -> StreamingResponse:
    """What becomes of MRR when the same share is lost every month, and when less is."""
    return await asker.answered(finance.answer_projection, words)


@router.get("/recovered-revenue/entries", response_model=EntriesOut, responses=ALSO)
async def recovered_revenue_entries(
    words: Annotated[EntryWords, Query()], asker: AskerDep
) -> StreamingResponse:
    """The ledger lines behind recovered revenue, page by page; as CSV or NDJSON all of them."""
    return await asker.answered(finance.answer_entries, words)
