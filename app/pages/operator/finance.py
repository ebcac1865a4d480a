"""The dashboard under `/operator/finance`, and the downloads of its sheets."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from app.domain.merchants import Merchant, Scope
from app.pages.finance.sheets import SHEETS, Sheet
from app.pages.finance.span import STEPS, Chosen, read_span
from app.pages.finance.telling import cell, heading_of, shown, ticked
from app.pages.headers import PRIVATE
from app.pages.operator.desk import NOT_FOUND, Desk, Visit
from app.ports.figures import Figures
from app.reports import finance
from app.reports.asking import WrongParameter
from app.reports.defined.shape import MINOR, SHARE
from app.reports.formats import CSV, first_then_rest, rendered

BY_KEY = {sheet.key: sheet for sheet in SHEETS}


ASKED: Mapping[str, tuple[Any, dict[str, str]]] = {
    "revenue": (finance.answer_recovered_revenue, {}),
    "all": (finance.answer_recovery_rate, {"view": "all"}),
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
    Tile("Failed", "all", "failed_minor", MINOR),
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
        async def told(visit: Visit) -> Response:
            return await _download(visit, BY_KEY.get(key))

        return await desk.show(request, Scope.FINANCE_READ, told)

    return router


async def show_dashboard(visit: Visit) -> Response:
    """Every sheet of one currency and span, the numbers above them, and the span before."""
    merchant = await _merchant(visit)
    chosen = read_span(visit.request.query_params, visit.world.clock.now(), merchant.time_zone)
    now, before = await asyncio.gather(
        _totals(visit, chosen.words()),
        _totals(visit, chosen.before()),
    )
    counts = {code: total["n"] for code, total in now["all"].items()}
    found = {code for totals in now.values() for code in totals}
    currencies = sorted(found, key=lambda code: (-counts.get(code, 0), code))
    currency = chosen.currency if chosen.currency in currencies else (currencies or [""])[0]
    if chosen.currency and chosen.currency != currency:
        chosen.faults["currency"] = "Nothing failed in this currency within these days."
    sheets = []
    if currency:
        for sheet in SHEETS:
            answer = await _asked(visit, sheet, chosen, currency)
            sheets.append(await shown(sheet, answer, currency))
    return await visit.page(
        "finance",
        here="finance",
        merchant=merchant,
        chosen=chosen,
        currency=currency,
        currencies=[(code, code.upper()) for code in currencies],
        steps=list(STEPS.items()),
        tiles=[_tile(tile, now, before, currency, chosen) for tile in TILES] if currency else [],
        sheets=sheets,
        tick=ticked,
        cell=cell,
        heading_of=heading_of,
    )


def _figures(visit: Visit) -> Figures:
    figures: Figures = visit.request.app.state.figures
    return figures


async def _merchant(visit: Visit) -> Merchant:
    async with visit.world.store.transaction(visit.merchant_id) as tx:
        (merchant,) = await tx.load(Merchant, [(visit.merchant_id,)])
    return merchant


async def _answer(visit: Visit, ask: Any, words: Mapping[str, str], *, whole: bool) -> Any:
    return await ask(
        words,
        merchant_id=visit.merchant_id,
        figures=_figures(visit),
        now=visit.world.clock.now(),
        whole=whole,
    )


async def _asked(visit: Visit, sheet: Sheet, chosen: Chosen, currency: str) -> Any:
    words = {**chosen.words(), "currency": currency, **sheet.words}
    return await _answer(visit, sheet.ask, words, whole=True)


async def _totals(visit: Visit, words: Mapping[str, str]) -> Totals:
    """Of each question its totals by currency. First payments after a trial are counted apart, as
    the definition of the rate says, so they are left out here."""
    return {name: await _total(visit, *asked, words) for name, asked in ASKED.items()}


async def _total(
    visit: Visit, ask: Any, more: Mapping[str, str], words: Mapping[str, str]
) -> dict[str, Mapping[str, Any]]:
    answer = await _answer(visit, ask, {**words, **more}, whole=False)
    async for _ in answer.rows:
        pass
    totals = (await answer.tail())["totals"]
    return {total["currency"]: total for total in totals if not total.get("trial_conversion")}


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
    merchant = await _merchant(visit)
    chosen = read_span(visit.request.query_params, visit.world.clock.now(), merchant.time_zone)
    try:
        words = {**chosen.words(), **sheet.words}
        if chosen.currency:
            words["currency"] = chosen.currency
        answer = await _answer(visit, sheet.ask, words, whole=True)
    except WrongParameter as wrong:
        raise NOT_FOUND from wrong
    name = f"{sheet.key}-{chosen.since}-{chosen.to}.csv"
    headers = {**PRIVATE, "Content-Disposition": f'attachment; filename="{name}"'}
    pieces = await first_then_rest(rendered(answer, CSV))
    return StreamingResponse(pieces, media_type=CSV, headers=headers)
