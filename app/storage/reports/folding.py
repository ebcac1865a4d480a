"""Adding to rollups what was recorded: as SQL, so that no line leaves the database."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.rollups import (
    KEPT_DAYS,
    KEPT_MONTHS,
    FlowCell,
    day_key,
    layer_name,
)
from app.reports.periods import day_of, midnight
from app.reports.turns import turns_of
from app.storage.reports.armed import ARMS_FOLDED
from app.storage.reports.cells import (
    HAPPENED,
    MONTH_OF,
    RECORDED_MONTH,
    RECORDED_ON,
    added,
    layers_of,
)
from app.storage.reports.cohorts import COHORTS_FOLDED
from app.storage.reports.days import RECORDED_DAYS, TURNS, months_of
from app.storage.reports.days import day_key as as_day
from app.storage.reports.days import day_of as clock_day
from app.storage.reports.days import month_key as as_month
from app.storage.reports.ledgers import SOURCES, Source
from app.storage.reports.rolling import (
    ARMS_FROM,
    BOUNDS,
    COHORTS_FROM,
    FOLDED,
    PLACES,
    RECORDED,
    between,
    lines_since,
)
from app.storage.reports.stretches import EDGES, stretch_of

COUNTED = "lines"  # the layer whose cells count what was recorded on a day, table by table

_SINCE = f"""case when since is not null
    then least({clock_day("since")}, {clock_day("happened_at")}) end"""
_SINCE_TOLD = f"""case when grouping(since_day) = 0 then {as_day("since_day")}
    when grouping(since_month) = 0 then {as_month("since_month")} else '' end"""


def _happened_sets(source: Source) -> str:
    """Sets to group by: what happened, each by the day and the month it was recorded on. What is
    not `late` has no months of what was recorded of a day."""
    happened = ["day", "month"]
    if source.since:
        happened += ["day, since_month", "month, since_month", "day, since_day"]
    return ", ".join(
        f"({name}, {recorded})"
        for name in happened
        for recorded in ("stretch", "recorded_month")
        if source.late or recorded == "stretch" or not name.startswith("day")
    )


def _kept(source: Source) -> str:
    """A rule for what was grouped: what knows no other instant has no cell by it, and `coarse`
    layers have no days."""
    rules = ["true"]
    if source.since:
        rules = [f"(grouping({s}) = 1 or {s} is not null)" for s in ("since_day", "since_month")]
    if source.coarse:
        names = ", ".join(f"'{layer_name(keys)}'" for keys in source.coarse)
        rules.append(f"(layer not in ({names}) or grouping(day) + grouping(stretch) = 2)")
    return " and ".join(rules)


def _flows(ledger: str, *, fresh: bool) -> str:
    source = SOURCES[ledger]
    named = "".join(f", {key}" for key in source.keys)
    sets, layer, values = layers_of((*source.layers, *source.coarse), source.keys)
    since, told = (_SINCE, _SINCE_TOLD) if source.since else ("null::date", "''")
    apart = f"{months_of('day')} - {months_of('since')}"
    return f"""
with lines as ({lines_since(ledger)}
), days as (
    select {clock_day("happened_at")} as day, {since} as since, stretch, currency, kind{named},
        sum(n) as n, sum(minor) as minor
    from lines
    group by 1, 2, stretch, currency, kind{named}
), layers as (
    select {layer} as layer, {values} as named, currency, kind, day,
        {MONTH_OF.format("day")} as month,
        case when day - since <= {KEPT_DAYS} then since end as since_day,
        case when {apart} < {KEPT_MONTHS} then {MONTH_OF.format("since")} end as since_month,
        stretch, {RECORDED_MONTH} as recorded_month, sum(n) as n, sum(minor) as minor
    from days
    group by day, since, stretch, currency, kind, grouping sets ({sets})
    having sum(n) <> 0 or sum(minor) <> 0
), cells as (
    select layer, {HAPPENED} as happened, {told} as since, {RECORDED_ON} as recorded, currency,
        kind, named, sum(n) as n, sum(minor) as minor
    from layers
    group by layer, currency, kind, named,
        grouping sets ({_happened_sets(source)})
    having {_kept(source)}
)
{
        added(
            FlowCell,
            "flow_cells",
            ("n", "minor"),
            f'''select :merchant, '{ledger}', layer, happened, since, recorded, currency, kind,
    named, n, minor
from cells''',
            ledger,
            fresh=fresh,
        )
    }"""  # noqa: S608 - words of ours


def _tables(*, fresh: bool) -> str:
    counts = " union all ".join(
        f"""select '{table}' as of, {stretch_of("recorded_at")} as stretch, count(*) as n
    {PLACES[table].since()} group by 2"""
        for table in RECORDED
    )
    rows = f"""select :merchant, of, '{COUNTED}', '', '', (:recorded)[stretch], 'xxx',
    '{COUNTED}', '', n, 0
from ({counts}) counts"""  # noqa: S608 - words of ours
    return added(FlowCell, "flow_cells", ("n", "minor"), rows, fresh=fresh)


# Each by whether the cells are fresh.
_FLOWS = {
    fresh: {
        ledger: text(_flows(ledger, fresh=fresh)).bindparams(*BOUNDS, EDGES, *TURNS, RECORDED_DAYS)
        for ledger in FOLDED
    }
    for fresh in (True, False)
}
_TOUCHED = text(
    " union all ".join(
        f"select '{name}' where exists (select {place.since()})" for name, place in PLACES.items()
    )
).bindparams(*BOUNDS)
_COUNT = {
    fresh: text(_tables(fresh=fresh)).bindparams(*BOUNDS, EDGES, RECORDED_DAYS)
    for fresh in (True, False)
}
_COMPLETE = text(
    " union all ".join(
        f"""select (
    select count(*) from {table}
    where merchant_id = :merchant and recorded_at > :after and recorded_at <= :until
) = (
    select coalesce(sum(n), 0) from flow_cells
    where merchant_id = :merchant and ledger = '{table}' and layer = '{COUNTED}'
        and happened = '' and since = '' and recorded between :first and :last
)"""  # noqa: S608 - words of ours
        for table in RECORDED
    )
).bindparams(*BOUNDS, *(bindparam(name, type_=Text) for name in ("first", "last")))


async def fold(
    connection: AsyncConnection,
    merchant_id: str,
    edges: Sequence[datetime],
    zone: ZoneInfo,
    *,
    fresh: bool,
) -> None:
    """Add to the cells all that was recorded after the first instant and by the last. Between two
    neighbours lies a day of the merchant, or a part of one. `fresh` tells that nothing recorded in
    a month of theirs is in the cells.

    Not safe to repeat: the mark tells what was folded, in the same transaction."""
    turns, offsets = turns_of(zone)
    bound = between(merchant_id, edges)
    bound["recorded"] = [day_key(day_of(edge, zone)) for edge in edges[:-1]]
    places = set((await connection.execute(_TOUCHED, bound)).scalars())
    await connection.execute(_COUNT[fresh], bound)
    bound |= {"turns": list(turns), "offsets": list(offsets)}
    for ledger, statement in _FLOWS[fresh].items():
        if places.intersection(SOURCES[ledger].tables):
            await connection.execute(statement, bound)
    if places & COHORTS_FROM:
        await connection.execute(COHORTS_FOLDED[fresh], bound)
    if places & ARMS_FROM:
        await connection.execute(ARMS_FOLDED[fresh], bound)


async def complete(
    connection: AsyncConnection, merchant_id: str, first: date, last: date, zone: ZoneInfo
) -> bool:
    """Whether the cells of recorded days, from the first to the last, have as many lines of each
    ledger as it has."""
    bound = {
        "merchant": merchant_id,
        "after": midnight(first, zone),
        "until": midnight(last + timedelta(days=1), zone),
        "first": day_key(first),
        "last": day_key(last),
    }
    return all((await connection.execute(_COMPLETE, bound)).scalars())
