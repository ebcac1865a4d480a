"""What is folded into rollups, and what a figure adds to them: the same two readings."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import DateTime, Double, Integer, RowMapping, Text, TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.rollups import COUNTS, KINDS_WITHIN, WINDOWS, Line, Verdict
from app.storage.reports.ledgers import SOURCES, narrowed
from app.storage.reports.losses import OVERDUE_AFTER
from app.storage.reports.reading import ready_for_lines
from app.storage.reports.stretches import EDGES, SIGNED, SINCE, points_of, stretch_of
from app.storage.reports.verdicts import AUTOMATIC, MOVES, SETTLING, decided

REVENUE = "revenue"
FOLDED = tuple(name for name, source in SOURCES.items() if source.folded)
# Ledgers whose lines are counted when their day is over: whether all of them were folded.
RECORDED = (
    *("failures", "first_payments", "recovery_entries", "takings"),
    *("mrr_movements", "churn_records", "save_steps"),
)
COHORTS_FROM = frozenset({"failures", "recovery_entries", "moves"})
ARMS_FROM = frozenset({"failures", "recovery_entries"})
BOUNDS = (
    bindparam("merchant", type_=Text),
    bindparam("after", type_=DateTime(timezone=True)),
    bindparam("until", type_=DateTime(timezone=True)),
)


def lines_since(name: str, place: str = "") -> str:
    """The lines of a ledger, or those of one place, that were recorded after the one instant and
    by the other, as SQL: instants, stretch, currency, kind, count, minor units and keys, of which
    none is null."""
    source = SOURCES[name]
    told = source.parts[place] if place else source.lately or source.lines
    if source.changed:
        return source.changed
    keys = "".join(f", coalesce({key}, '') as {key}" for key in source.keys)
    since = "since" if source.since else "null::timestamptz as since"
    return f"""
        select happened_at, {since}, {stretch_of("recorded_at")} as stretch, currency, kind, n,
            minor{keys}
        from ({narrowed(told, ":after", ":until")}) e
        where recorded_at > :after and recorded_at <= :until"""  # noqa: S608 - words of ours


_LINES = {
    (name, place): text(lines_since(name, place)).bindparams(*BOUNDS, EDGES)
    for name in FOLDED
    for place in ("", *SOURCES[name].parts)
}
_COUNTS = (
    "1",
    "(exclusion is not null)::int",
    "amount_minor",
    "case when exclusion is not null then amount_minor else 0 end",
    "owed",
)


def verdicts_of(windows: Mapping[str, str]) -> str:
    """Tables of a `with`: what an invoice counts for from one time that something was recorded of
    it until the next, by the names of `windows` as `decided` takes them. The last is `verdicts`;
    `decided` has each but once."""
    within = [f"{kind}_{name}" for kind in KINDS_WITHIN for name in windows]
    counted = (*zip(_COUNTS, COUNTS, strict=True), *((name, f"{name}_minor") for name in within))
    return f"""
with touched as (
    select account_id, invoice_id, {stretch_of("recorded_at")} as stretch
    from failures where {SINCE}
    union
    select account_id, invoice_id, {stretch_of("recorded_at")}
    from recovery_entries where {SINCE} and kind in {SETTLING}
    union
    select c.account_id, c.invoice_id, {stretch_of("v.at")}
    from case_events v join cases c on c.case_id = v.case_id
    where v.merchant_id = :merchant and v.at > :after and v.at <= :until and v.type in {MOVES}
), points as ({points_of("touched", "account_id, invoice_id")}), chosen as (
    select p.stretch, p.next, p.at, f.*
    from points p
    cross join lateral (
        select * from failures f
        where f.account_id = p.account_id and f.invoice_id = p.invoice_id
            and f.merchant_id = :merchant and f.recorded_at <= p.at
        order by f.version desc limit 1
    ) f
    where {AUTOMATIC}
), {decided("chosen", name="decided", windows=windows)}, verdicts as (
    select d.failed_at, t.stretch, d.currency, coalesce(d.plan, '') as plan,
        coalesce(d.interval, '') as interval, d.trial_conversion, d.open,
        {", ".join(f"t.sign * ({c}) as {m}" for c, m in counted)}
    from decided d {SIGNED.format("d")}
)"""  # noqa: S608 - words of ours


# All that are kept, to be folded; or one, to be added to what is.
VERDICTS = verdicts_of({str(days): f"interval '{days * 24} hours'" for days in WINDOWS})
_OF_ONE = {"w": "make_interval(secs => :within_s)"}
_VERDICTS = text(f"{verdicts_of(_OF_ONE)} select * from verdicts").bindparams(  # noqa: S608
    *BOUNDS, EDGES, bindparam("within_s", type_=Double)
)
_COUNTED = (*COUNTS, *(f"{kind}_w_minor" for kind in KINDS_WITHIN))


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is recorded that rollups are made of: rows of a relation, each `shift` after
    its instant `at`."""

    relation: str
    at: str = "recorded_at"
    shift: str = ""

    def since(self) -> str:
        """The rows recorded after the one instant and by the other."""
        shift = f" - {self.shift}" if self.shift else ""
        rule = f"{self.at} > :after{shift} and {self.at} <= :until{shift}"
        return f"from {self.relation} where merchant_id = :merchant and {rule}"

    def nth(self) -> str:
        """When the row behind `:skipped` others was recorded."""
        shift = f" + {self.shift}" if self.shift else ""
        return (
            f"(select {self.at}{shift} {self.since()} order by {self.at} limit 1 offset :skipped)"
        )


PLACES: Mapping[str, Place] = {
    **{table: Place(table) for table in RECORDED},
    "moves": Place(f"(select * from case_events where type in {MOVES}) m", "at"),  # noqa: S608
    "cases": Place("cases", "opened_at", OVERDUE_AFTER),
    "refusals": Place("(select * from attempts where number = 1) t", "refused_at"),
    "claims": Place("redemptions", "claimed_at"),
    "settlements": Place("redemptions", "settled_at"),
}
# The instant at which so many lines were recorded since, of whichever ledger came first.
_NTH = text(
    f"select least({', '.join(place.nth() for place in PLACES.values())}) as at"
).bindparams(*BOUNDS, bindparam("skipped", type_=Integer))


async def nth_recorded(
    connection: AsyncConnection, merchant_id: str, after: datetime, until: datetime, skipped: int
) -> datetime | None:
    """When the line behind `skipped` others was recorded, of the ledger that has it first; None
    where none has so many between the two instants."""
    bound = {"merchant": merchant_id, "after": after, "until": until, "skipped": skipped}
    at: datetime | None = (await connection.execute(_NTH, bound)).scalar_one()
    return at


def _many_in(places: Collection[str]) -> TextClause:
    counts = " + ".join(
        f"(select count(*) from (select {PLACES[name].since()} limit :most) l)"  # noqa: S608
        for name in sorted(places)
    )
    return text(f"select {counts}").bindparams(*BOUNDS, bindparam("most", type_=Integer))


_MANY = {
    places: _many_in(places)
    for places in {frozenset(s.tables) for s in SOURCES.values() if s.folded}
    | {frozenset({place}) for s in SOURCES.values() for place in s.parts}
    | {COHORTS_FROM, ARMS_FROM}
}


async def recorded(
    connection: AsyncConnection,
    merchant_id: str,
    after: datetime,
    until: datetime,
    places: Collection[str],
    most: int,
) -> int:
    """How many lines were recorded in these places between two instants, of each at `most`. Asked
    before what takes longer to plan than to find nothing."""
    bound = {"merchant": merchant_id, "after": after, "until": until, "most": most}
    return int((await connection.execute(_MANY[frozenset(places)], bound)).scalar_one())


async def lines(
    connection: AsyncConnection,
    merchant_id: str,
    ledger: str,
    place: str,
    after: datetime,
    until: datetime,
) -> list[Line]:
    """The lines of a ledger, or of one place, that were recorded after the one instant and by the
    other."""
    keys = SOURCES[ledger].keys
    return [
        Line(
            happened_at=row["happened_at"],
            since=row["since"],
            currency=row["currency"],
            kind=row["kind"],
            named={key: row[key] for key in keys},
            n=int(row["n"]),
            minor=int(row["minor"]),
        )
        for row in await _asked(connection, _LINES[ledger, place], merchant_id, after, until)
    ]


async def verdicts(
    connection: AsyncConnection,
    merchant_id: str,
    after: datetime,
    until: datetime,
    within: timedelta,
) -> list[Verdict]:
    """What is known by the one instant of each invoice about which something was recorded since
    the other, and what was known before, taken back."""
    more = {"within_s": within.total_seconds()}
    rows = await _asked(connection, _VERDICTS, merchant_id, after, until, more)
    return [
        Verdict(
            failed_at=row["failed_at"],
            currency=row["currency"],
            plan=row["plan"],
            interval=row["interval"],
            trial_conversion=row["trial_conversion"],
            open=row["open"],
            counts=tuple(int(row[name]) for name in _COUNTED),
        )
        for row in rows
    ]


async def _asked(
    connection: AsyncConnection,
    statement: TextClause,
    merchant_id: str,
    after: datetime,
    until: datetime,
    more: Mapping[str, Any] | None = None,
) -> list[RowMapping]:
    bound = {**between(merchant_id, (after, until)), **(more or {})}
    await ready_for_lines(connection)
    return list((await connection.execute(statement, bound)).mappings().all())


def between(merchant_id: str, edges: Sequence[datetime]) -> dict[str, Any]:
    """What statements about stretches are given: the instants between which these lie."""
    return {
        "merchant": merchant_id,
        "after": edges[0],
        "until": edges[-1],
        "edges": list(edges),
    }
