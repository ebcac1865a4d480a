"""The figures port over PostgreSQL: each call one short read-only transaction of one merchant."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any, cast
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping, TextClause
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.exchange import Rates
from app.domain.holdouts import Arm
from app.domain.openings import RETRY_EXPERIMENT
from app.domain.recovery import Cause, EntryKind, RecoveryEntry
from app.ports.figures import (
    EARLIEST,
    LATEST,
    BothSides,
    CohortRule,
    CohortSums,
    Difference,
    EntryFilter,
    Excerpt,
    FlowSums,
    Keys,
    Period,
    RecoveredSums,
)
from app.storage.reports import sided, statements
from app.storage.reports.armed import SUMS as ARM_SUMS
from app.storage.reports.arms import ARMS
from app.storage.reports.at_risk import AT_RISK, RISK_KEYS
from app.storage.reports.counted import Counted
from app.storage.reports.edges import apart
from app.storage.reports.keeping import kept_standing
from app.storage.reports.ledgers import SOURCES, STATEMENTS
from app.storage.reports.reading import read
from app.storage.reports.revenue import recovered_of
from app.storage.reports.rolled import Rolled
from app.storage.reports.rolling import REVENUE
from app.storage.reports.sides import BOTH, DIFFERENCES
from app.storage.reports.standing import MOVES_AT_ONCE, standing, sums_of

KEYS = ("period", "currency", "cause", "plan", "interval", "trial_conversion")

COHORTS = (
    *("n", "n_open", "n_excluded", "failed_minor", "open_minor", "excluded_minor"),
    *("recovered_within_w_minor", "settled_other_within_w_minor", "credited_within_w_minor"),
)


# Lines added up in one statement where no rollups can tell.
AT_ONCE = timedelta(days=31)


class PostgresFigures:
    """Reads the ledgers as the merchant who asks; may stand on a replica's engine.

    Sums come as numeric from the database and leave as int: exact whatever their size. They are
    read from rollups where those can tell, else from the ledgers; `plain` reads ledgers only.
    """

    def __init__(
        self, engine: AsyncEngine, *, plain: bool = False, at_once: int = MOVES_AT_ONCE
    ) -> None:
        self._engine, self._at_once = engine, at_once
        self._rolled = None if plain else Rolled(engine)

    async def time_zone(self, merchant_id: str) -> str:
        rows = await self._ask(statements.TIME_ZONE, merchant_id, {})
        return cast("str", rows[0]["time_zone"]) if rows else "UTC"

    async def attributes(self, merchant_id: str) -> tuple[str, ...]:
        rows = await self._ask(statements.ATTRIBUTES, merchant_id, {})
        return tuple(row["name"] for row in rows)

    async def rates(
        self, merchant_id: str, as_of: datetime, reporting: str, first: date, last: date
    ) -> Rates:
        bound = {"as_of": as_of, "reporting": reporting}
        bound |= {"first": first.isoformat(), "last": last.isoformat()}
        found: dict[str, list[tuple[date, str]]] = {}
        for row in await self._ask(statements.RATES, merchant_id, bound):
            pair = (date.fromisoformat(row["day"]), row["rate"])
            found.setdefault(row["currency"], []).append(pair)
        return found

    async def _zone(self, excerpt: Excerpt) -> ZoneInfo:
        return ZoneInfo(await self.time_zone(excerpt.merchant_id))

    async def recovered(
        self, excerpt: Excerpt, periods: Sequence[Period], by: Collection[str]
    ) -> list[RecoveredSums]:
        return [recovered_of(sums) for sums in await self.flows(REVENUE, excerpt, periods, by)]

    async def ledger(
        self, excerpt: Excerpt, starts_at: datetime, ends_at: datetime
    ) -> dict[str, int]:
        whole = [_whole(starts_at, ends_at)]
        return {
            sums.currency: sum(sums.kinds[kind][1] for kind in EntryKind if kind in sums.kinds)
            for sums in await self.flows(REVENUE, excerpt, whole, ())
        }

    async def flows(
        self, ledger: str, excerpt: Excerpt, periods: Sequence[Period], by: Collection[str]
    ) -> list[FlowSums]:
        source = SOURCES[ledger]
        rolled = await self._of_cells(ledger, excerpt, periods, by)
        if rolled is not None:
            return rolled
        if source.coarse:
            # the last is often a month that is not over, and no cells of months tell of that one
            rolled = await self._of_cells(ledger, excerpt, periods[:-1], by)
        rest = periods if rolled is None else periods[-1:]
        counted = Counted(since=source.since)
        if rolled is None and not source.since:
            whole, edges = apart(periods, await self._zone(excerpt))
            found = await self._of_cells(ledger, excerpt, whole, by) if edges else None
            rest = rest if found is None else edges
            counted.include(found or ())
        # where it matters in which period somebody began, a period stays whole
        parts = [[period] for period in rest] if source.since else _parts(rest)
        for part in parts:
            await self._add(counted, ledger, excerpt, part, by)
        return [*(rolled or ()), *counted.sums()]

    async def _of_cells(
        self, ledger: str, excerpt: Excerpt, periods: Sequence[Period], by: Collection[str]
    ) -> list[FlowSums] | None:
        if self._rolled is None or not periods or not SOURCES[ledger].folded:
            return None
        return await self._rolled.flows(ledger, excerpt, periods, by)

    async def balance(
        self, ledger: str, excerpt: Excerpt, at: datetime, by: Collection[str]
    ) -> list[FlowSums]:
        whole = [Period(day=at.date(), starts_at=EARLIEST, ends_at=at)]
        rolled = await self._of_cells(ledger, excerpt, whole, by)
        if rolled is not None:
            return rolled
        counted = Counted()
        await self._add(counted, ledger, excerpt, whole, by)
        return counted.sums()

    async def _add(
        self,
        counted: Counted,
        ledger: str,
        excerpt: Excerpt,
        periods: Sequence[Period],
        by: Collection[str],
    ) -> None:
        known = SOURCES[ledger].keys
        bound = _excerpt(excerpt) | _periods(periods) | _keys(by, *known)
        for row in await self._ask(STATEMENTS[ledger], excerpt.merchant_id, bound):
            named = tuple((name, row[name]) for name in known if name in by)
            place = (row["period"], row["currency"], named)
            n, minor = int(row["n"]), int(row["minor"])
            counted.add(place, row["kind"], n, minor)
            if row["young"]:
                counted.add(place, row["kind"], n, minor, young=True)

    async def standing(
        self, excerpt: Excerpt, period: Period, by: Collection[str]
    ) -> list[FlowSums]:
        rows: Sequence[RowMapping] | None = None
        if self._rolled:
            rows = await kept_standing(self._engine, excerpt, period, by)
        if rows is None:
            rows = await standing(self._engine, excerpt, period, by, at_once=self._at_once)
        return sums_of(rows, period, by)

    async def cohorts(
        self,
        excerpt: Excerpt,
        periods: Sequence[Period],
        by: Collection[str],
        rule: CohortRule,
    ) -> list[CohortSums]:
        if self._rolled:
            found = await self._rolled.cohorts(excerpt, periods, by, rule)
            if found is not None:
                return found
        counted: dict[Keys, CohortSums] = {}
        rest = periods
        if self._rolled:
            whole, edges = apart(periods, await self._zone(excerpt))
            found = await self._rolled.cohorts(excerpt, whole, by, rule) if edges else None
            rest = rest if found is None else edges
            counted |= {sums.keys: sums for sums in found or ()}
        for part in _parts(rest):
            bound = _excerpt(excerpt) | _periods(part) | _keys(by, "plan", "interval")
            bound |= {
                "before": rule.before,
                "within_s": rule.within.total_seconds(),
                "closed_only": rule.closed_only,
            }
            for row in await self._ask(statements.COHORTS, excerpt.merchant_id, bound):
                keys = _keys_of(row)
                sums = CohortSums(keys=keys, **_counts(row, COHORTS))
                counted[keys] = _added(counted.get(keys), sums)
        return list(counted.values())

    async def at_risk(self, excerpt: Excerpt, by: Collection[str]) -> list[FlowSums]:
        day = excerpt.as_of.date()
        if self._rolled:
            always = [Period(day=day, starts_at=EARLIEST, ends_at=LATEST)]
            rolled = await self._rolled.flows("risk", excerpt, always, by)
            if rolled is not None:
                return rolled
        bound, counted = _excerpt(excerpt) | _keys(by, *RISK_KEYS), Counted()
        for row in await self._ask(AT_RISK, excerpt.merchant_id, bound):
            named = tuple((name, row[name]) for name in RISK_KEYS if name in by)
            place = (day, row["currency"], named)
            counted.add(place, row["kind"], int(row["n"]), int(row["minor"] or 0))
        return counted.sums()

    async def arms(
        self, excerpt: Excerpt, starts_at: datetime, ends_at: datetime, within: timedelta
    ) -> dict[str, dict[str, Arm]]:
        if self._rolled:
            rolled = await self._rolled.arms(excerpt, starts_at, ends_at, within)
            if rolled is not None:
                return rolled
        bound = _excerpt(excerpt) | {
            "starts_at": starts_at,
            "ends_at": ends_at,
            "within_s": within.total_seconds(),
            "experiment": RETRY_EXPERIMENT,
        }
        found: dict[str, dict[str, Arm]] = {}
        for row in await self._ask(ARMS, excerpt.merchant_id, bound):
            sums = {name: int(row[name]) for name in ARM_SUMS}
            found.setdefault(row["currency"], {})[row["arm"]] = Arm(**sums)
        return found

    async def differences(
        self,
        excerpt: Excerpt,
        starts_at: datetime,
        ends_at: datetime,
        *,
        after: tuple[str, str],
        limit: int,
    ) -> list[Difference]:
        if self._rolled:
            rolled = await sided.differences(self._rolled, excerpt, _whole(starts_at, ends_at))
            if rolled is not None:
                behind = (one for one in rolled if (one.account_id, one.invoice_id) > after)
                return list(islice(behind, limit))
        bound = _excerpt(excerpt) | {"starts_at": starts_at, "ends_at": ends_at, "limit": limit}
        bound |= {"after_account": after[0], "after_invoice": after[1]}
        return [
            Difference(
                account_id=row["account_id"],
                invoice_id=row["invoice_id"],
                currency=row["currency"],
                sides=_sides(row),
            )
            for row in await self._ask(DIFFERENCES, excerpt.merchant_id, bound)
        ]

    async def both_sides(
        self, excerpt: Excerpt, starts_at: datetime, ends_at: datetime
    ) -> list[BothSides]:
        if self._rolled:
            rolled = await sided.both_sides(self._rolled, excerpt, _whole(starts_at, ends_at))
            if rolled is not None:
                return rolled
        bound = _excerpt(excerpt) | {"starts_at": starts_at, "ends_at": ends_at}
        return [
            BothSides(
                currency=row["currency"],
                n_invoices=row["n_invoices"],
                n_differences=row["n_differences"],
                sides=_sides(row),
            )
            for row in await self._ask(BOTH, excerpt.merchant_id, bound)
        ]

    async def entries(
        self,
        excerpt: Excerpt,
        chosen: EntryFilter,
        *,
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> list[RecoveryEntry]:
        # The empty id sorts before every id: without a position the first line is included.
        after_at, after_id = after or (chosen.starts_at, "")
        bound = _excerpt(excerpt) | {
            "starts_at": chosen.starts_at,
            "ends_at": chosen.ends_at,
            "cause": chosen.cause,
            "kind": chosen.kind,
            "plan": chosen.plan,
            "after_at": after_at,
            "after_id": after_id,
            "limit": limit,
        }
        rows = await self._ask(statements.ENTRIES, excerpt.merchant_id, bound)
        return [_entry(row) for row in rows]

    async def _ask(
        self, statement: TextClause, merchant_id: str, bound: Mapping[str, Any]
    ) -> Sequence[RowMapping]:
        return await read(self._engine, statement, {"merchant": merchant_id, **bound})


def _whole(starts_at: datetime, ends_at: datetime) -> Period:
    return Period(day=starts_at.date(), starts_at=starts_at, ends_at=ends_at)


def _parts(periods: Sequence[Period]) -> Iterator[list[Period]]:
    """Periods, or parts of them, about a month at a time: no transaction gets long, whatever was
    asked."""
    held: list[Period] = []
    for period in periods:
        starts_at = period.starts_at
        while starts_at < period.ends_at:
            ends_at = min(period.ends_at, starts_at + AT_ONCE)
            if held and ends_at - held[0].starts_at > AT_ONCE:
                yield held
                held = []
            held.append(replace(period, starts_at=starts_at, ends_at=ends_at))
            starts_at = ends_at
    if held:
        yield held


def _added(former: CohortSums | None, sums: CohortSums) -> CohortSums:
    if former is None:
        return sums
    return replace(sums, **{name: getattr(former, name) + getattr(sums, name) for name in COHORTS})


def _excerpt(excerpt: Excerpt) -> dict[str, Any]:
    return {"as_of": excerpt.as_of, "currency": excerpt.currency}


def _periods(periods: Sequence[Period]) -> dict[str, Any]:
    return {
        "days": [period.day for period in periods],
        "starts": [period.starts_at for period in periods],
        "ends": [period.ends_at for period in periods],
        "starts_at": periods[0].starts_at,
        "ends_at": periods[-1].ends_at,
    }


def _keys(by: Collection[str], *known: str) -> dict[str, Any]:
    return {f"by_{name}": name in by for name in known}


def _keys_of(row: RowMapping) -> Keys:
    return Keys(**{name: row[name] for name in KEYS if name in row})


def _sides(row: RowMapping) -> tuple[int, int, int, int]:
    recovered, paid = int(row["recovered"]), int(row["paid"])
    return recovered, paid, int(row["refunded"]), int(row["given_back"])


def _counts(row: RowMapping, names: Collection[str]) -> dict[str, int]:
    return {name: int(row[name]) for name in names}


def _entry(row: RowMapping) -> RecoveryEntry:
    fields = dict(row)
    return RecoveryEntry(
        **fields | {"kind": EntryKind(fields["kind"]), "cause": Cause(fields["cause"])}
    )
