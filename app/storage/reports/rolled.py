"""Figures out of rollups: the cells up to a day's end, and what was recorded since."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    Date,
    RowMapping,
    Text,
    TextClause,
    bindparam,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.domain.holdouts import Arm
from app.domain.rollups import (
    COHORT_KEYS,
    COHORT_LAYERS,
    COUNTS,
    KINDS_WITHIN,
    LONGEST_WINDOW,
    WINDOWS,
    Line,
    Verdict,
    layer_for,
    layer_name,
)
from app.ports.figures import CohortRule, CohortSums, Excerpt, FlowSums, Keys, Period
from app.storage.reports.armed import arms
from app.storage.reports.basis import Basis, Piece, basis_of
from app.storage.reports.counted import Counted
from app.storage.reports.ledgers import SOURCES
from app.storage.reports.reading import snapshot
from app.storage.reports.rolling import COHORTS_FROM, lines, recorded, verdicts

_CELLS = """
select p.period, c.currency, {keys}, {sums}
from unnest(:periods, :pieces, :lows, :highs{more}) as p (period, piece, low, high{names})
join {table} c
    on c.merchant_id = :merchant and {of} and {axis} and c.recorded >= p.low and c.recorded < p.high
where :currency is null or c.currency = :currency
{groups}
"""
_BOUNDS: tuple[BindParameter[Any], ...] = (
    *(bindparam(name, type_=Text) for name in ("merchant", "layer", "currency")),
    bindparam("periods", type_=ARRAY(Date)),
    *(bindparam(name, type_=ARRAY(Text)) for name in ("pieces", "lows", "highs")),
)


def _by(names: Iterable[str]) -> str:
    return ", ".join(f"case when :by_{n} then nullif(c.{n}, '') end as {n}" for n in names)


def _flows(sums: str, groups: str) -> TextClause:
    form = _CELLS.format(
        more=", :sinces",
        names=", since",
        keys="p.since <> '' as young, c.kind, c.named",
        sums=sums,
        table="flow_cells",
        of="c.ledger = :ledger and c.layer = :layer",
        axis="c.happened = p.piece and c.since = p.since",
        groups=groups,
    )
    return text(form).bindparams(
        *_BOUNDS,
        bindparam("ledger", type_=Text),
        bindparam("sinces", type_=ARRAY(Text)),
    )


_FLOWS = _flows("sum(c.n) as n, sum(c.minor) as minor", "group by 1, 2, 3, 4, 5")
# Of periods that are days nearly each cell is a row of its own, and not worth adding up twice.
_FLOWS_OF_DAYS = _flows("c.n, c.minor", "")


def _cohorts(table: str, of: str, counts: str, within: str) -> TextClause:
    """`counts` and `within` are sums, in which `{}` stands for a name of theirs."""
    form = _CELLS.format(
        more="",
        names="",
        keys=f"{_by(COHORT_KEYS)}, c.trial_conversion, c.open",
        sums=", ".join(
            [
                *(f"{counts.format(name)} as {name}" for name in COUNTS),
                *(f"{within.format(kind)} as {kind}" for kind in KINDS_WITHIN),
            ]
        ),
        table=table,
        of=of,
        axis="c.failed = p.piece",
        groups="group by 1, 2, 3, 4, 5, 6",
    )
    return text(form).bindparams(
        *_BOUNDS, *(bindparam(f"by_{name}", type_=Boolean) for name in COHORT_KEYS)
    )


_LAYER = "c.layer = :layer"
_COHORTS = {
    days: _cohorts("cohort_cells", _LAYER, "sum(c.{})", f"sum(c.{{}}_{days}_minor)")
    for days in WINDOWS
}
# Of a window that is not kept: what counts whatever the window, and the steps up to it.
_COHORTS_ANYHOW = _cohorts("cohort_cells", _LAYER, "sum(c.{})", "0")
_COHORT_STEPS = _cohorts(
    "cohort_steps", f"{_LAYER} and c.days <= :days", "0", "sum(c.{}_minor)"
).bindparams(bindparam("days", type_=BigInteger))


# As many lines as a figure adds to what is folded. Of more, the ledgers are added up instead.
TAIL = 20_000


class Rolled:
    """Sums out of rollups. None where they cannot tell: a span that does not begin and end with
    days, a window that is not kept, a merchant without rollups or with much that is not folded."""

    def __init__(self, engine: AsyncEngine, *, tail: int = TAIL) -> None:
        self._engine, self._tail = engine, tail

    async def flows(
        self, ledger: str, excerpt: Excerpt, periods: Sequence[Period], by: Collection[str]
    ) -> list[FlowSums] | None:
        """Sums of a ledger by period, currency, the keys of `by`, and kind."""
        source = SOURCES[ledger]
        fine = layer_for(by, source.layers)
        layer = layer_for(by, source.coarse) if fine is None else fine
        if layer is None:
            return None
        async with snapshot(self._engine, excerpt.merchant_id) as connection:
            basis = await basis_of(connection, excerpt, periods, ledger=ledger)
            probes = basis.probes(since=source.since, late=source.late) if basis else None
            if basis is None or probes is None or (fine is None and not basis.in_months):
                return None
            bound = _bound(excerpt, layer) | probes | {"ledger": ledger}
            statement = _FLOWS_OF_DAYS if basis.day_by_day else _FLOWS
            rows = (await connection.execute(statement, bound)).mappings().all()
            tail = await self._lines(connection, excerpt, basis, ledger)
        if tail is None:
            return None
        counted = Counted(since=source.since)
        wanted = [name for name in source.keys if name in by]
        for row in rows:
            values = dict(zip(layer, json.loads(row["named"]), strict=True))
            named = tuple((name, values[name] or None) for name in wanted)
            place = (row["period"], row["currency"], named)
            n, minor = int(row["n"]), int(row["minor"])
            counted.add(place, row["kind"], n, minor, young=row["young"])
        for piece, line in tail:
            named = tuple((name, line.named[name] or None) for name in wanted)
            place = (piece.day, line.currency, named)
            n, minor = basis.sign * line.n, basis.sign * line.minor
            counted.add(place, line.kind, n, minor, young=False)
            if line.since is not None and line.since >= piece.starts_at:
                counted.add(place, line.kind, n, minor, young=True)
        return counted.sums()

    async def cohorts(
        self, excerpt: Excerpt, periods: Sequence[Period], by: Collection[str], rule: CohortRule
    ) -> list[CohortSums] | None:
        """Cohorts by period, currency, trial conversion and the keys of `by`."""
        days = rule.within.days
        kept = [_until(period, rule.before) for period in periods]
        kept = [period for period in kept if period.starts_at < period.ends_at]
        if timedelta(days=days) != rule.within or not 0 < days <= LONGEST_WINDOW:
            return None
        if not kept:
            return []
        async with snapshot(self._engine, excerpt.merchant_id) as connection:
            basis = await basis_of(connection, excerpt, kept)
            if basis is None:
                return None
            bound = _bound(excerpt, layer_for(by, COHORT_LAYERS) or ())
            bound |= {f"by_{name}": name in by for name in COHORT_KEYS}
            rows = await _cohort_cells(connection, basis, bound, days)
            tail = await self._verdicts(connection, excerpt, basis, rule.within)
        if tail is None:
            return None
        counted: Cohorts = defaultdict(lambda: [0] * len(MEASURED))
        for row in rows:
            keys = replace(_keys(row, COHORT_KEYS), trial_conversion=row["trial_conversion"])
            _add(counted[keys, row["open"]], [int(row[name]) for name in MEASURED])
        for piece, one in tail:
            keys = _of(one, piece.day, by, COHORT_KEYS)
            keys = replace(keys, trial_conversion=one.trial_conversion)
            _add(counted[keys, one.open], [basis.sign * count for count in one.counts])
        return _cohort_sums(counted, closed_only=rule.closed_only)

    async def arms(
        self, excerpt: Excerpt, starts_at: datetime, ends_at: datetime, within: timedelta
    ) -> dict[str, dict[str, Arm]] | None:
        """The holdout's arms by currency."""
        span = Period(day=starts_at.date(), starts_at=starts_at, ends_at=ends_at)
        if starts_at >= ends_at:
            return {}
        return await arms(self._engine, excerpt, span, within, tail=self._tail)

    async def _lines(
        self, connection: AsyncConnection, excerpt: Excerpt, basis: Basis, ledger: str
    ) -> list[tuple[Piece, Line]] | None:
        source, found = SOURCES[ledger], list[Line]()
        for place in source.parts or ("",):
            tables = (place,) if place else source.tables
            if place and place == source.prompt and basis.ends_at <= basis.tail[0]:
                continue
            many = await self._many(connection, excerpt, basis, tables)
            if many > self._tail:
                return None
            if many:
                found += await lines(connection, excerpt.merchant_id, ledger, place, *basis.tail)
        pieces = [basis.piece_of(line.happened_at) for line in found]
        return _asked_for(excerpt, pieces, found)

    async def _verdicts(
        self, connection: AsyncConnection, excerpt: Excerpt, basis: Basis, within: timedelta
    ) -> list[tuple[Piece, Verdict]] | None:
        many = await self._many(connection, excerpt, basis, COHORTS_FROM)
        if not 0 < many <= self._tail:
            return None if many else []
        found = await verdicts(connection, excerpt.merchant_id, *basis.tail, within)
        pieces = [basis.piece_of(one.failed_at) for one in found]
        return _asked_for(excerpt, pieces, found)

    async def _many(
        self, connection: AsyncConnection, excerpt: Excerpt, basis: Basis, places: Collection[str]
    ) -> int:
        """How many lines must be added or taken back."""
        after, until = basis.tail
        if after >= until:
            return 0
        most = self._tail + 1
        return await recorded(connection, excerpt.merchant_id, after, until, places, most)


COHORT_PROBES = ("periods", "pieces", "lows", "highs")
MEASURED = (*COUNTS, *KINDS_WITHIN)
Cohorts = dict[tuple[Keys, bool], list[int]]


async def _cohort_cells(
    connection: AsyncConnection, basis: Basis, bound: dict[str, Any], days: int
) -> list[RowMapping]:
    """Sums of cells within so many days; of a window that is not kept they come in two."""
    cells = bound | _probes(basis, late=True)
    statement = _COHORTS.get(days, _COHORTS_ANYHOW)
    found = list((await connection.execute(statement, cells)).mappings().all())
    if days not in WINDOWS:
        steps = bound | _probes(basis, late=False) | {"days": days}
        found += (await connection.execute(_COHORT_STEPS, steps)).mappings().all()
    return found


def _probes(basis: Basis, *, late: bool) -> dict[str, list[Any]]:
    probes = basis.probes(late=late) or {}
    return {name: probes.get(name, []) for name in COHORT_PROBES}


def _add(held: list[int], counts: Iterable[int]) -> None:
    for place, count in enumerate(counts):
        held[place] += count


def _until(period: Period, before: datetime | None) -> Period:
    return replace(period, ends_at=min(period.ends_at, before or period.ends_at))


def _cohort_sums(counted: Cohorts, *, closed_only: bool) -> list[CohortSums]:
    found: list[CohortSums] = []
    for keys in dict.fromkeys(keys for keys, _ in counted):
        nothing = [0] * len(MEASURED)
        closed = counted.get((keys, False), nothing)
        still = nothing if closed_only else counted.get((keys, True), nothing)
        n, excluded, failed, excluded_minor, _, cash, other, credited = (
            a + b for a, b in zip(closed, still, strict=True)
        )
        if n:
            found.append(
                CohortSums(
                    keys=keys,
                    n=n,
                    n_open=still[0],
                    n_excluded=excluded,
                    failed_minor=failed,
                    recovered_within_w_minor=cash,
                    settled_other_within_w_minor=other,
                    credited_within_w_minor=credited,
                    open_minor=still[COUNTS.index("owed_minor")],
                    excluded_minor=excluded_minor,
                )
            )
    return found


def _bound(excerpt: Excerpt, layer: tuple[str, ...]) -> dict[str, Any]:
    return {
        "merchant": excerpt.merchant_id,
        "currency": excerpt.currency,
        "layer": layer_name(layer),
    }


T = TypeVar("T", Line, Verdict)


def _asked_for(
    excerpt: Excerpt, pieces: Sequence[Piece | None], found: Sequence[T]
) -> list[tuple[Piece, T]]:
    return [
        (piece, one)
        for piece, one in zip(pieces, found, strict=True)
        if piece is not None and excerpt.currency in (None, one.currency)
    ]


def _keys(row: RowMapping, known: Sequence[str]) -> Keys:
    named: dict[str, str | None] = {name: row[name] for name in known}
    return _named(row["period"], row["currency"], named)


def _of(one: Verdict, period: date, by: Collection[str], known: Sequence[str]) -> Keys:
    named = {name: getattr(one, name) or None for name in known if name in by}
    return _named(period, one.currency, named)


def _named(period: date, currency: str, named: Mapping[str, str | None]) -> Keys:
    return Keys(
        period=period,
        currency=currency,
        cause=named.get("cause"),
        plan=named.get("plan"),
        interval=named.get("interval"),
    )
