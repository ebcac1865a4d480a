"""Cells of the holdout's arms: added to as folding goes on, and read."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import BigInteger, DateTime, Text, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.domain.holdouts import Arm
from app.domain.rollups import (
    ARM_MEASURES,
    ARM_STEPS,
    LONGEST_WINDOW,
    WINDOWS,
    ArmCell,
    ArmStep,
)
from app.domain.rollups import day_key as key_of_day
from app.domain.rollups import month_key as key_of_month
from app.ports.figures import EARLIEST, Excerpt, Period
from app.reports.periods import day_of, midnight
from app.reports.turns import turns_of
from app.storage.reports.arms import ARM_GAINS, arms_changed
from app.storage.reports.basis import Basis, basis_of
from app.storage.reports.cells import added, added_beside
from app.storage.reports.days import RECORDED_DAYS, TURNS, day_key, month_key, recorded_in
from app.storage.reports.reading import ready_for_lines, snapshot
from app.storage.reports.rolling import ARMS_FROM, BOUNDS, between, recorded
from app.storage.reports.stretches import EDGES

# A ledger whose lines lie on the days on which something failed.
OF_FAILURES = "recovering"
_WINDOWS = {str(days): str(days) for days in WINDOWS}
# A step is recorded about when it is made: of days no months of what was recorded are kept.
_OF_STEPS = f"""cross join lateral (
        values ({day_key("g.day")}, (:recorded)[g.stretch]),
            ({month_key("g.day")}, (:recorded)[g.stretch]),
            ({month_key("g.day")}, 'm' || substr((:recorded)[g.stretch], 2, 7))
    ) k (failed, recorded)"""


def _folded(*, fresh: bool) -> str:
    names, steps = ", ".join(ARM_MEASURES), ", ".join(ARM_STEPS)
    beside = added_beside(
        ArmStep,
        "arm_steps",
        ARM_STEPS,
        f"select :merchant, failed, since, recorded, currency, arm, days, {steps} from steps",  # noqa: S608
        fresh=fresh,
    )
    cells = added(
        ArmCell,
        "arm_cells",
        ARM_MEASURES,
        f"select :merchant, failed, since, recorded, currency, arm, {names} from cells",  # noqa: S608
        fresh=fresh,
    )
    return f"""
{arms_changed(_WINDOWS)}, cells as (
    select arm, currency, g.failed, coalesce({month_key("a.since")}, '') as since, r.recorded,
        {", ".join(f"sum({name}) as {name}" for name in ARM_MEASURES)}
    from arms a
    cross join lateral (values ({day_key("a.day")}), ({month_key("a.day")})) g (failed)
    {recorded_in("a.stretch")}
    group by 1, 2, 3, 4, 5
), {ARM_GAINS}, steps as (
    select g.arm, g.currency, k.failed, coalesce({month_key("g.since")}, '') as since, k.recorded,
        g.days, {", ".join(f"sum({name}) as {name}" for name in ARM_STEPS)}
    from gains g {_OF_STEPS}
    group by 1, 2, 3, 4, 5, 6
), steps_added as ({beside})
{cells}"""  # noqa: S608 - words of ours


ARMS_FOLDED = {
    fresh: text(_folded(fresh=fresh)).bindparams(*BOUNDS, EDGES, *TURNS, RECORDED_DAYS)
    for fresh in (True, False)
}


# What an `Arm` is made of: whatever the window, and within one.
_ANYHOW = {
    "customers": "customers",
    "invoices": "n",
    "f": "failed_minor",
    "ff": "failed_failed",
}
_WITHIN = {"c": "cash_{w}_minor", "fc": "failed_cash_{w}", "cc": "cash_cash_{w}"}
_STEPPED = {"c": "cash_minor", "fc": "failed_cash", "cc": "cash_cash"}


def _sums(columns: Mapping[str, str], *, days: object = "") -> str:
    """Each sum of an `Arm` by its name; what is no column of these is nothing."""
    told = (f"sum({columns[name].format(w=days)})" if name in columns else "0" for name in SUMS)
    return ", ".join(f"{column} as {name}" for column, name in zip(told, SUMS, strict=True))


PROBES = ("pieces", "sinces", "lows", "highs")
SUMS = ("customers", "invoices", "f", "c", "ff", "fc", "cc")


def _cells(table: str, sums: str, rule: str = "true") -> TextClause:
    return text(f"""
select c.currency, c.arm, {sums}
from unnest(:pieces, :sinces, :lows, :highs) as p (piece, since, low, high)
join {table} c
    on c.merchant_id = :merchant and c.failed = p.piece and c.since = p.since
        and c.recorded >= p.low and c.recorded < p.high and {rule}
where :currency is null or c.currency = :currency
group by 1, 2
""").bindparams(  # noqa: S608 - words of ours
        *(bindparam(name, type_=Text) for name in ("merchant", "currency")),
        *(bindparam(name, type_=ARRAY(Text)) for name in PROBES),
    )


_CELLS = {days: _cells("arm_cells", _sums(_ANYHOW | _WITHIN, days=days)) for days in WINDOWS}
# Of a window that is not kept: what counts whatever the window, and the steps up to it.
_CELLS_ANYHOW = _cells("arm_cells", _sums(_ANYHOW))
_STEPS = _cells("arm_steps", _sums(_STEPPED), "c.days <= :days").bindparams(
    bindparam("days", type_=BigInteger)
)
_TAIL = text(f"""
{arms_changed({"w": ":days"}, before=True)}
select currency, arm, day, since, {_sums(_ANYHOW | _WITHIN, days="w")}
from arms
where :currency is null or currency = :currency
group by 1, 2, 3, 4
""").bindparams(  # noqa: S608 - words of ours
    *BOUNDS,
    EDGES,
    *TURNS,
    bindparam("currency", type_=Text),
    bindparam("days", type_=BigInteger),
    bindparam("before", type_=DateTime(timezone=True)),
)
Found = dict[tuple[str, str], dict[str, int]]


async def arms(
    engine: AsyncEngine, excerpt: Excerpt, span: Period, within: timedelta, *, tail: int
) -> dict[str, dict[str, Arm]] | None:
    """The arms of a span, by currency; None where cells cannot tell: a
    span that begins within a month or long before it ends, more than `tail` lines to be added."""
    days = within.days
    if timedelta(days=days) != within or not 0 < days <= LONGEST_WINDOW:
        return None
    async with snapshot(engine, excerpt.merchant_id) as connection:
        basis = await basis_of(connection, excerpt, [span], ledger=OF_FAILURES)
        if basis is None:
            return None
        found: Found = {}
        asked = {"merchant": excerpt.merchant_id, "currency": excerpt.currency}
        for statement, more in _statements(days):
            probes = _probes(basis, late=statement is not _STEPS)
            if probes is None:
                return None
            bound = asked | {name: probes[name] for name in PROBES} | more
            for row in (await connection.execute(statement, bound)).mappings():
                _add(found, row, 1)
        whole = await _complete(connection, found, excerpt, basis, span, days, tail)
    return _arms(found) if whole else None


def _statements(days: int) -> list[tuple[TextClause, dict[str, Any]]]:
    """What reads the cells of a window, each with what it is given besides."""
    if days in WINDOWS:
        return [(_CELLS[days], {})]
    return [(_CELLS_ANYHOW, {}), (_STEPS, {"days": days})]


def _probes(basis: Basis, *, late: bool) -> dict[str, list[Any]] | None:
    """The cells of a span, no earlier than the first there are: nothing failed before."""
    opens = EARLIEST
    if basis.first < "n":
        opens = midnight(date.fromisoformat(f"{basis.first[1:]}-01"), basis.zone)
    pieces = {
        key: replace(piece, starts_at=max(piece.starts_at, opens))
        for key, piece in basis.pieces.items()
    }
    if any(day_of(piece.starts_at, basis.zone).day != 1 for piece in pieces.values()):
        return None
    return replace(basis, pieces=pieces).probes(since=True, late=late)


async def _complete(
    connection: AsyncConnection,
    found: Found,
    excerpt: Excerpt,
    basis: Basis,
    span: Period,
    days: int,
    tail: int,
) -> bool:
    """Add what was recorded since, or take back what was then. False where that is too much."""
    after, until = basis.tail
    if after >= until:
        return True
    many = await recorded(connection, excerpt.merchant_id, after, until, ARMS_FROM, tail + 1)
    if not 0 < many <= tail:
        return not many
    turns, offsets = turns_of(basis.zone)
    bound = between(excerpt.merchant_id, basis.tail) | {"currency": excerpt.currency}
    bound |= {"turns": list(turns), "offsets": list(offsets), "days": days}
    bound["before"] = span.ends_at
    await ready_for_lines(connection)
    for row in (await connection.execute(_TAIL, bound)).mappings():
        if _lies_in(basis, span, row["day"], row["since"]):
            _add(found, row, basis.sign)
    return True


def _lies_in(basis: Basis, span: Period, day: date, since: date | None) -> bool:
    pieces = basis.pieces
    if key_of_day(day) not in pieces and key_of_month(day) not in pieces:
        return False
    return since is None or since >= day_of(span.starts_at, basis.zone)


def _add(found: Found, row: Any, sign: int) -> None:
    held = found.setdefault((row["currency"], row["arm"]), dict.fromkeys(SUMS, 0))
    for name in SUMS:
        held[name] += sign * int(row[name])


def _arms(found: Found) -> dict[str, dict[str, Arm]]:
    arms: dict[str, dict[str, Arm]] = {}
    for (currency, arm), sums in found.items():
        if sums["invoices"]:
            arms.setdefault(currency, {})[arm] = Arm(**sums)
    return arms
