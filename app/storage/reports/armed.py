"""Cells of the holdout's arms: added to as folding goes on, and read."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.domain.holdouts import Arm
from app.domain.rollups import ARM_MEASURES, WINDOWS, ArmCell
from app.domain.rollups import day_key as key_of_day
from app.domain.rollups import month_key as key_of_month
from app.ports.figures import EARLIEST, Excerpt, Period
from app.reports.periods import day_of, midnight
from app.reports.turns import turns_of
from app.storage.reports.arms import ARMS_CHANGED
from app.storage.reports.basis import Basis, basis_of
from app.storage.reports.cells import added
from app.storage.reports.days import RECORDED_DAYS, TURNS, day_key, month_key, recorded_in
from app.storage.reports.reading import ready_for_lines, snapshot
from app.storage.reports.rolling import ARMS_FROM, BOUNDS, between, recorded
from app.storage.reports.stretches import EDGES

# A ledger whose lines lie on the days on which something failed.
OF_FAILURES = "recovering"
_NAMES = ", ".join(ARM_MEASURES)
ARMS_FOLDED = {
    fresh: text(f"""
{ARMS_CHANGED}, cells as (
    select arm, currency, g.failed, coalesce({month_key("a.since")}, '') as since, r.recorded,
        {", ".join(f"sum({name}) as {name}" for name in ARM_MEASURES)}
    from arms a
    cross join lateral (values ({day_key("a.day")}), ({month_key("a.day")})) g (failed)
    {recorded_in("a.stretch")}
    group by 1, 2, 3, 4, 5
)
{
        added(
            ArmCell,
            "arm_cells",
            ARM_MEASURES,
            f"select :merchant, failed, since, recorded, currency, arm, {_NAMES} from cells",
            fresh=fresh,
        )
    }
""").bindparams(  # noqa: S608 - words of ours
        *BOUNDS, EDGES, *TURNS, RECORDED_DAYS
    )
    for fresh in (True, False)
}


def _sums(days: int) -> str:
    """What an `Arm` is made of, of one window."""
    named = {
        "customers": "customers",
        "invoices": "n",
        "f": "failed_minor",
        "c": f"cash_{days}_minor",
        "ff": "failed_failed",
        "fc": f"failed_cash_{days}",
        "cc": f"cash_cash_{days}",
    }
    return ", ".join(f"sum({column}) as {name}" for name, column in named.items())


PROBES = ("pieces", "sinces", "lows", "highs")
SUMS = ("customers", "invoices", "f", "c", "ff", "fc", "cc")
_CELLS = {
    days: text(f"""
select c.currency, c.arm, {_sums(days)}
from unnest(:pieces, :sinces, :lows, :highs) as p (piece, since, low, high)
join arm_cells c
    on c.merchant_id = :merchant and c.failed = p.piece and c.since = p.since
        and c.recorded >= p.low and c.recorded < p.high
where :currency is null or c.currency = :currency
group by 1, 2
""").bindparams(  # noqa: S608 - words of ours
        *(bindparam(name, type_=Text) for name in ("merchant", "currency")),
        *(bindparam(name, type_=ARRAY(Text)) for name in PROBES),
    )
    for days in WINDOWS
}
_TAIL = {
    days: text(f"""
{ARMS_CHANGED}
select currency, arm, day, since, {_sums(days)}
from arms
where :currency is null or currency = :currency
group by 1, 2, 3, 4
""").bindparams(  # noqa: S608 - words of ours
        *BOUNDS, EDGES, *TURNS, bindparam("currency", type_=Text)
    )
    for days in WINDOWS
}
Found = dict[tuple[str, str], dict[str, int]]


async def arms(
    engine: AsyncEngine, excerpt: Excerpt, span: Period, within: timedelta, *, tail: int
) -> dict[str, dict[str, Arm]] | None:
    """The arms of a span, by currency; None where cells cannot tell: a window that is not kept, a
    span that begins within a month or long before it ends, more than `tail` lines to be added."""
    days = within.days
    if timedelta(days=days) != within or days not in WINDOWS:
        return None
    async with snapshot(engine, excerpt.merchant_id) as connection:
        basis = await basis_of(connection, excerpt, [span], ledger=OF_FAILURES)
        probes = _probes(basis) if basis else None
        if basis is None or probes is None:
            return None
        bound: dict[str, Any] = {
            "merchant": excerpt.merchant_id,
            "currency": excerpt.currency,
            **{name: probes[name] for name in PROBES},
        }
        found: Found = {}
        for row in (await connection.execute(_CELLS[days], bound)).mappings():
            _add(found, row, 1)
        whole = await _complete(connection, found, excerpt, basis, span, days, tail)
    return _arms(found) if whole else None


def _probes(basis: Basis) -> dict[str, list[Any]] | None:
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
    return replace(basis, pieces=pieces).probes(since=True, late=True)


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
    bound |= {"turns": list(turns), "offsets": list(offsets)}
    await ready_for_lines(connection)
    for row in (await connection.execute(_TAIL[days], bound)).mappings():
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
