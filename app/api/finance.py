"""Finance's questions: `/v1/finance`, as JSON, CSV or NDJSON, streamed."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

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


@dataclass(frozen=True, slots=True)
class Route:
    """A path of finance: whom it asks, in which words, in which shape it answers, what it says."""

    path: str
    ask: Asked
    words: type[SpanWords] | type[InstantWords]
    shape: type[BaseModel]
    says: str


ROUTES = (
    Route(
        "recovered-revenue",
        finance.answer_recovered_revenue,
        RecoveredWords,
        RecoveredRevenueOut,
        "What came in on failed invoices, what went out again, by the date the money moved.",
    ),
    Route(
        "recovery-rate",
        finance.answer_recovery_rate,
        RateWords,
        RecoveryRateOut,
        "Of what failed in a period, how much was recovered within W days.",
    ),
    Route(
        "payment-failures",
        finance.answer_payment_failures,
        FailureWords,
        FailuresOut,
        "How many first payments were refused, why, and where.",
    ),
    Route(
        "mrr",
        finance.answer_mrr,
        MrrWords,
        MrrOut,
        "Monthly recurring revenue: start, movements, end.",
    ),
    Route(
        "churn",
        finance.answer_churn,
        ChurnWords,
        ChurnOut,
        "Who was lost, by the definition of a preset; what that did to MRR.",
    ),
    Route(
        "churn-reasons",
        finance.answer_churn_reasons,
        ReasonWords,
        ReasonsOut,
        "Why subscriptions ended.",
    ),
    Route(
        "segments",
        finance.answer_segments,
        SegmentWords,
        SegmentsOut,
        "Where subscriptions end: by plan, country, tenure and MRR.",
    ),
    Route(
        "offers",
        finance.answer_offers,
        OfferWords,
        OffersOut,
        "What each offer cost, and what it kept.",
    ),
    Route(
        "saves",
        finance.answer_saves,
        SaveWords,
        SavesOut,
        "Who accepted an offer, and was still there 24 hours, 30 and 90 days later.",
    ),
    Route(
        "time-to-recovery",
        finance.answer_time_to_recovery,
        RecoveryTimeWords,
        TimeToRecoveryOut,
        "How fast money comes back, as a curve with numbers at risk and a band.",
    ),
    Route(
        "saves-lasting",
        finance.answer_saves_lasting,
        LastingWords,
        SavesLastingOut,
        "How long those stay who accepted an offer, as a curve with numbers at risk and a band.",
    ),
    Route(
        "reconciliation",
        finance.answer_reconciliation,
        SpanWords,
        ReconciliationOut,
        "Where the ledger and the provider's payments differ, invoice by invoice.",
    ),
    Route(
        "at-risk",
        finance.answer_at_risk,
        RiskWords,
        AtRiskOut,
        "MRR of subscriptions with an open case, and apart those with a planned end.",
    ),
    Route(
        "incremental",
        finance.answer_incremental,
        IncrementalWords,
        IncrementalOut,
        "What came back only because customers were treated, beside those held out.",
    ),
    Route(
        "projection",
        finance.answer_projection,
        ProjectionWords,
        ProjectionOut,
        "What becomes of MRR when the same share is lost every month, and when less is.",
    ),
    Route(
        "recovered-revenue/entries",
        finance.answer_entries,
        EntryWords,
        EntriesOut,
        "The ledger lines behind recovered revenue, page by page; as CSV or NDJSON all of them.",
    ),
)


def _endpoint(route: Route) -> Callable[..., Awaitable[StreamingResponse]]:
    async def answer(words: Any, asker: AskerDep) -> StreamingResponse:
        return await asker.answered(route.ask, words)

    answer.__annotations__["words"] = Annotated[route.words, Query()]
    return answer


for _route in ROUTES:
    router.add_api_route(
        f"/{_route.path}",
        _endpoint(_route),
        name=re.sub("[/-]", "_", _route.path),
        description=_route.says,
        response_model=_route.shape,
        responses=ALSO,
    )
