"""The dashboard under `/operator/finance`, and the downloads of its sheets."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from app.domain.merchants import Merchant, Scope
from app.pages.finance.sheets import PARTS, SHEETS, Sheet
from app.pages.finance.span import STEPS, Chosen, read_span
from app.pages.finance.telling import Told, told
from app.pages.finance.words import cell, ticked
from app.pages.headers import PRIVATE
from app.pages.operator.desk import NOT_FOUND, Desk, Visit
from app.pages.operator.largest import largest_open_cases
from app.ports.figures import Figures
from app.reports import finance
from app.reports.answers import Answer
from app.reports.asking import SETTLING, WrongParameter
from app.reports.defined.shape import MINOR, SHARE
from app.reports.formats import CSV, first_then_rest, rendered
from app.reports.periods import Step

LAST = tuple(PARTS)[-1]
BY_KEY = {sheet.key: sheet for sheet in SHEETS}


FAILED = "all"
ASKED: Mapping[str, tuple[Any, dict[str, str]]] = {
    "revenue": (finance.answer_recovered_revenue, {}),
    FAILED: (finance.answer_recovery_rate, {"view": "all"}),
    "mature": (finance.answer_recovery_rate, {"view": "mature"}),
}


@dataclass(frozen=True, slots=True)
class Tile:
    """One number at the top: the totals of which question, which column, in which unit."""

    heading: str
    asked: str
    column: str
    unit: str


TILES = (
    Tile("Failed", FAILED, "failed_minor", MINOR),
    Tile("Recovered cash", "revenue", "recovered_minor", MINOR),
    Tile("Recovered, net", "revenue", "net_minor", MINOR),
    Tile("Recovery rate, 30 days", "mature", "rate", SHARE),
)
Totals = Mapping[str, Mapping[str, Mapping[str, Any]]]


def finance_router(desk: Desk) -> APIRouter:
    """`/operator/finance`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/finance")
    async def dashboard(request: Request) -> Response:
        return await desk.show(request, Scope.FINANCE_READ, show_dashboard)

    @router.get("/finance/{key}.csv")
    async def download(request: Request, key: str) -> Response:
        return await desk.show(
            request, Scope.FINANCE_READ, lambda visit: _download(visit, BY_KEY.get(key))
        )

    return router


async def show_dashboard(visit: Visit) -> Response:
    """Every sheet of one currency and span that has something to tell, the numbers above them, and
    the span before. All are asked as of one instant."""
    now = visit.world.clock.now()
    merchant = await _merchant(visit)
    chosen = read_span(visit.request.query_params, now, merchant.time_zone)
    desk = Reader(visit, now)
    totals, before, paying = await asyncio.gather(
        desk.totals(chosen.words()), desk.totals(chosen.before()), desk.paying(chosen.words())
    )
    currencies = _currencies(totals, paying)
    currency = chosen.currency if chosen.currency in currencies else (currencies or [""])[0]
    if chosen.currency and chosen.currency != currency:
        chosen.faults["currency"] = "There is nothing in this currency within these days."
    asked = SHEETS if currency else ()
    sheets = [(sheet, await desk.sheet(sheet, chosen, currency)) for sheet in asked]
    open_cases = await largest_open_cases(visit, merchant, currency) if currency else []
    return await visit.page(
        "finance",
        here="finance",
        merchant=merchant,
        chosen=chosen,
        currency=currency,
        currencies=[(code, code.upper()) for code in currencies],
        steps=list(STEPS.items()),
        as_of=visit.teller(merchant).minute(now - SETTLING),
        tiles=[_tile(tile, totals, before, currency, chosen) for tile in TILES] if currency else [],
        parts_of=_parts([shown for _, shown in sheets if shown], open_cases=bool(open_cases)),
        silent=[sheet.heading for sheet, shown in sheets if not shown],
        open_cases=open_cases,
        lists_cases=visit.may(Scope.CASES_READ),
        tick=ticked,
        cell=cell,
    )


def _parts(sheets: Sequence[Told], *, open_cases: bool) -> list[tuple[str, str, list[Told]]]:
    """The parts of the page that have something to show: key, heading, sheets. The largest open
    cases stand in the last."""
    shown = {part: [told for told in sheets if told.sheet.part == part] for part in PARTS}
    return [
        (part, heading, shown[part])
        for part, heading in PARTS.items()
        if shown[part] or (open_cases and part == LAST)
    ]


def _currencies(totals: Totals, paying: Mapping[str, int]) -> list[str]:
    """Those in which anything moved or is paid, the one with most failures first."""
    failed = {code: total["n"] for code, total in totals[FAILED].items()}
    found = {*paying, *(code for figures in totals.values() for code in figures)}
    return sorted(found, key=lambda code: (-failed.get(code, 0), -paying.get(code, 0), code))


async def _merchant(visit: Visit) -> Merchant:
    async with visit.world.store.transaction(visit.merchant_id) as tx:
        (merchant,) = await tx.load(Merchant, [(visit.merchant_id,)])
    return merchant


@dataclass(frozen=True, slots=True)
class Reader:
    """Asks finance for a visitor, as of one instant."""

    visit: Visit
    now: datetime

    async def answer(self, ask: Any, words: Mapping[str, str], *, whole: bool) -> Answer:
        """The answer of one question."""
        figures: Figures = self.visit.request.app.state.figures
        answer: Answer = await ask(
            words,
            merchant_id=self.visit.merchant_id,
            figures=figures,
            now=self.now,
            whole=whole,
        )
        return answer

    async def sheet(self, sheet: Sheet, chosen: Chosen, currency: str) -> Told | None:
        """A sheet in one currency; None where it has nothing to tell."""
        words = {**chosen.words(), "currency": currency, **sheet.words}
        return await told(sheet, await self.answer(sheet.ask, words, whole=True), currency)

    async def totals(self, words: Mapping[str, str]) -> Totals:
        """Of each question its totals by currency. First payments after a trial are counted apart
        in a rate, as its definition says; what failed has them, as recovered cash does."""
        return {
            name: await self._total(*asked, words, trials=name == FAILED)
            for name, asked in ASKED.items()
        }

    async def _total(
        self, ask: Any, more: Mapping[str, str], words: Mapping[str, str], *, trials: bool
    ) -> dict[str, Mapping[str, Any]]:
        answer = await self.answer(ask, {**words, **more}, whole=False)
        async for _ in answer.rows:
            pass
        totals = (await answer.tail())["totals"]
        if trials:
            return _whole(totals)
        return {total["currency"]: total for total in totals if not total.get("trial_conversion")}

    async def paying(self, words: Mapping[str, str]) -> dict[str, int]:
        """Each currency that has MRR or had some, and how many subscriptions paid in it at last."""
        asked = {**words, "interval": Step.YEAR.value}
        answer = await self.answer(finance.answer_mrr, asked, whole=False)
        return {row["currency"]: row["n_end"] async for row in answer.rows}


def _whole(totals: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """How many failed and how much, with first payments after a trial."""
    found: dict[str, dict[str, Any]] = {}
    for total in totals:
        sums = found.setdefault(total["currency"], {"n": 0, "failed_minor": 0})
        for name in sums:
            sums[name] += total[name]
    return dict(found)


def _tile(tile: Tile, now: Totals, before: Totals, currency: str, chosen: Chosen) -> dict[str, str]:
    value, former = (
        totals[tile.asked].get(currency, {}).get(tile.column) for totals in (now, before)
    )
    return {
        "heading": tile.heading,
        "value": cell(value, tile.unit, currency),
        "before": cell(former, tile.unit, currency) if chosen.compared else "",
    }


async def _download(visit: Visit, sheet: Sheet | None) -> Response:
    """The sheet's rows as CSV: those of the page's span and currency, all of them."""
    if sheet is None:
        raise NOT_FOUND
    merchant, now = await _merchant(visit), visit.world.clock.now()
    chosen = read_span(visit.request.query_params, now, merchant.time_zone)
    try:
        words = {**chosen.words(), **sheet.words}
        if chosen.currency:
            words["currency"] = chosen.currency
        answer = await Reader(visit, now).answer(sheet.ask, words, whole=True)
    except WrongParameter as wrong:
        raise NOT_FOUND from wrong
    name = f"{sheet.key}-{chosen.since}-{chosen.to}.csv"
    headers = {**PRIVATE, "Content-Disposition": f'attachment; filename="{name}"'}
    pieces = await first_then_rest(rendered(answer, CSV))
    return StreamingResponse(pieces, media_type=CSV, headers=headers)
