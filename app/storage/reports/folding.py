"""Adding to rollups what was recorded: as SQL, so that no line leaves the database."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import DateTime, Interval, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.rollups import (
    COHORT_KEYS,
    COHORT_LAYERS,
    KEPT_DAYS,
    KEPT_MONTHS,
    MEASURES,
    CohortCell,
    FlowCell,
    day_key,
    layer_name,
    month_key,
)
from app.reports.turns import turns_of
from app.storage.reports.ledgers import SOURCES
from app.storage.reports.rolling import (
    BOUNDS,
    COHORTS_FROM,
    FOLDED,
    PLACES,
    RECORDED,
    VERDICTS,
    lines_since,
)

COUNTED = "lines"  # the layer whose cells count what was recorded on a day, table by table
_TURNS = (
    bindparam("turns", type_=ARRAY(DateTime(timezone=True))),
    bindparam("offsets", type_=ARRAY(Interval)),
    bindparam("recorded", type_=ARRAY(Text)),
)
_MONTH = "to_char({}, '\"m\"YYYY-MM')"
_DAY = "to_char({}, '\"d\"YYYY-MM-DD')"
_MONTHS_OF = "extract(year from {0}) * 12 + extract(month from {0})"


def _day_of(at: str) -> str:
    """The merchant's day of an instant."""
    offset = f"(:offsets)[width_bucket({at}, :turns) + 1]"
    return f"(({at} at time zone 'UTC') + {offset})::date"


def _added(kind: type[Any], table: str, measures: tuple[str, ...], rows: str) -> str:
    keys = ", ".join(kind.KEY)
    sums = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in measures)
    return f"""
insert into {table} ({keys}, {", ".join(measures)}) {rows}
on conflict ({keys}) do update set {sums}"""


def _flows(ledger: str) -> str:
    source = SOURCES[ledger]
    named = "".join(f", {key}" for key in source.keys)
    layers = ", ".join(
        f"('{layer_name(layer)}', json_build_array({', '.join(layer)})::text)"
        for layer in source.layers
    )
    day, month = _DAY.format("d.day"), _MONTH.format("d.day")
    grains = [f"({day}, '')", f"({month}, '')"]
    since = "null::date"
    if source.since:
        earlier = f"least({_day_of('since')}, {_day_of('happened_at')})"
        since = f"case when since is not null then {earlier} end"
        apart = f"{_MONTHS_OF.format('d.day')} - ({_MONTHS_OF.format('d.since')})"
        month_of = f"case when {apart} < {KEPT_MONTHS} then {_MONTH.format('d.since')} end"
        day_of = f"case when d.day - d.since <= {KEPT_DAYS} then {_DAY.format('d.since')} end"
        grains += [f"({day}, {month_of})", f"({month}, {month_of})", f"({day}, {day_of})"]
    return f"""
with lines as materialized ({lines_since(ledger)}
), days as materialized (
    select {_day_of("happened_at")} as day, {since} as since, currency, kind{named},
        sum(n) as n, sum(minor) as minor
    from lines
    group by 1, 2, currency, kind{named}
), cells as (
    select w.layer, g.happened, g.since, d.currency, d.kind, w.named, sum(d.n) as n,
        sum(d.minor) as minor
    from days d
    cross join lateral (values {layers}) w (layer, named)
    cross join lateral (values {", ".join(grains)}) g (happened, since)
    where g.since is not null
    group by 1, 2, 3, 4, 5, 6
)
{
        _added(
            FlowCell,
            "flow_cells",
            ("n", "minor"),
            f'''select :merchant, '{ledger}', layer, happened, since, r, currency, kind, named, n,
    minor
from cells cross join unnest(:recorded) r''',
        )
    }"""  # noqa: S608 - words of ours


def _cohorts() -> str:
    layers = ", ".join(
        "('{}', {})".format(
            layer_name(layer),
            ", ".join(f"d.{key}" if key in layer else "''" for key in COHORT_KEYS),
        )
        for layer in COHORT_LAYERS
    )
    sums = ", ".join(f"sum({name}) as {name}" for name in MEASURES)
    moved = " or ".join(f"sum({name}) <> 0" for name in MEASURES)
    return f"""
{VERDICTS}, days as materialized (
    select {_day_of("failed_at")} as day, currency, plan, interval, trial_conversion, open, {sums}
    from verdicts
    group by 1, 2, 3, 4, 5, 6
    having {moved}
), cells as (
    select w.layer, g.failed, d.currency, w.plan, w.interval, d.trial_conversion, d.open, {sums}
    from days d
    cross join lateral (values {layers}) w (layer, plan, interval)
    cross join lateral (
        values ({_DAY.format("d.day")}), ({_MONTH.format("d.day")})
    ) g (failed)
    group by 1, 2, 3, 4, 5, 6, 7
)
{
        _added(
            CohortCell,
            "cohort_cells",
            MEASURES,
            f'''select :merchant, layer, failed, r, currency, plan, interval, trial_conversion,
    open, {", ".join(MEASURES)}
from cells cross join unnest(:recorded) r''',
        )
    }"""  # noqa: S608 - words of ours


def _tables() -> str:
    counts = " union all ".join(
        f"select '{table}' as of, count(*) as n {PLACES[table].since()}" for table in RECORDED
    )
    others = " union all ".join(
        f"select '{name}' where exists (select {place.since()})"
        for name, place in PLACES.items()
        if name not in RECORDED
    )
    rows = f"""select :merchant, of, '{COUNTED}', '', '', r, 'xxx', '{COUNTED}', '', n, 0
from ({counts}) counts cross join unnest((:recorded)[1:1]) r where n > 0"""  # noqa: S608
    counting = _added(FlowCell, "flow_cells", ("n", "minor"), rows)
    return f"""with counting as ({counting} returning ledger)
select ledger from counting union all {others}"""  # noqa: S608 - words of ours


_FLOWS = {ledger: text(_flows(ledger)).bindparams(*BOUNDS, *_TURNS) for ledger in FOLDED}
_COHORTS = text(_cohorts()).bindparams(*BOUNDS, *_TURNS)
_COUNT = text(_tables()).bindparams(*BOUNDS, _TURNS[2])
_COMPLETE = text(
    " union all ".join(
        f"""select (
    select count(*) from {table}
    where merchant_id = :merchant and recorded_at > :after and recorded_at <= :until
) = (
    select coalesce(sum(n), 0) from flow_cells
    where merchant_id = :merchant and ledger = '{table}' and layer = '{COUNTED}'
        and happened = '' and since = '' and recorded = :recorded
)"""  # noqa: S608 - words of ours
        for table in RECORDED
    )
).bindparams(*BOUNDS, bindparam("recorded", type_=Text))


async def fold(
    connection: AsyncConnection,
    merchant_id: str,
    after: datetime,
    until: datetime,
    *,
    recorded: date,
    zone: ZoneInfo,
) -> None:
    """Add to the cells of a recorded day all that was recorded after the one instant and by the
    other. Not safe to repeat: the mark tells what was folded, in the same transaction."""
    turns, offsets = turns_of(zone)
    bound: dict[str, Any] = {
        "merchant": merchant_id,
        "after": after,
        "until": until,
        "recorded": [day_key(recorded), month_key(recorded)],
    }
    places = set((await connection.execute(_COUNT, bound)).scalars())
    bound |= {"turns": list(turns), "offsets": list(offsets)}
    for ledger, statement in _FLOWS.items():
        if places.intersection(SOURCES[ledger].tables):
            await connection.execute(statement, bound)
    if places & COHORTS_FROM:
        await connection.execute(_COHORTS, bound)


async def complete(
    connection: AsyncConnection, merchant_id: str, after: datetime, until: datetime, *, day: date
) -> bool:
    """Whether the cells of a recorded day, which lies between the two instants, have as many
    lines of each ledger as it has."""
    bound = {"merchant": merchant_id, "after": after, "until": until, "recorded": day_key(day)}
    return all((await connection.execute(_COMPLETE, bound)).scalars())
