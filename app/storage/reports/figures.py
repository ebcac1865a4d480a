"""The figures port over PostgreSQL: each call one short read-only transaction of one merchant."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import RowMapping, TextClause
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.recovery import Cause, EntryKind, RecoveryEntry
from app.ports.figures import (
    CohortRule,
    CohortSums,
    EntryFilter,
    Excerpt,
    Keys,
    Period,
    RecoveredSums,
)
from app.storage.reports import statements
from app.storage.reports.reading import read
from app.storage.reports.rolled import Rolled
from app.storage.reports.rolling import REVENUE

KEYS = ("period", "currency", "cause", "plan", "interval", "trial_conversion")
RECOVERED = (
    "recovered_minor",
    "settled_other_minor",
    "credited_minor",
    "refunded_minor",
    "dispute_lost_minor",
    "dispute_won_minor",
)
COHORTS = (
    "n",
    "n_open",
    "n_excluded",
    "failed_minor",
    "recovered_within_w_minor",
    "settled_other_within_w_minor",
    "credited_within_w_minor",
    "open_minor",
    "excluded_minor",
)


class PostgresFigures:
    """Reads the ledgers as the merchant who asks; may stand on a replica's engine.

    Sums come as numeric from the database and leave as int: exact whatever their size. They are
    read from rollups where those can tell, else from the ledgers; `plain` reads ledgers only.
    """

    def __init__(self, engine: AsyncEngine, *, plain: bool = False) -> None:
        self._engine = engine
        self._rolled = None if plain else Rolled(engine)

    async def time_zone(self, merchant_id: str) -> str:
        rows = await self._ask(statements.TIME_ZONE, merchant_id, {})
        return cast("str", rows[0]["time_zone"]) if rows else "UTC"

    async def recovered(
        self, excerpt: Excerpt, periods: Sequence[Period], by: Collection[str]
    ) -> list[RecoveredSums]:
        found = await self._flows(REVENUE, excerpt, periods, by)
        if found is not None:
            return [_recovered(keys, kinds) for keys, kinds in found.items()]
        bound = _excerpt(excerpt) | _periods(periods) | _keys(by, "cause", "plan", "interval")
        rows = await self._ask(statements.RECOVERED, excerpt.merchant_id, bound)
        return [RecoveredSums(keys=_keys_of(row), **_counts(row, RECOVERED)) for row in rows]

    async def ledger(
        self, excerpt: Excerpt, starts_at: datetime, ends_at: datetime
    ) -> dict[str, int]:
        whole = Period(day=starts_at.date(), starts_at=starts_at, ends_at=ends_at)
        found = await self._flows(REVENUE, excerpt, [whole], ())
        if found is not None:
            return {keys.currency: sum(kinds.values()) for keys, kinds in found.items()}
        bound = _excerpt(excerpt) | {"starts_at": starts_at, "ends_at": ends_at}
        rows = await self._ask(statements.LEDGER, excerpt.merchant_id, bound)
        return {row["currency"]: int(row["minor"]) for row in rows}

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
        bound = _excerpt(excerpt) | _periods(periods) | _keys(by, "plan", "interval")
        bound |= {
            "before": rule.before,
            "within_s": rule.within.total_seconds(),
            "closed_only": rule.closed_only,
        }
        rows = await self._ask(statements.COHORTS, excerpt.merchant_id, bound)
        return [CohortSums(keys=_keys_of(row), **_counts(row, COHORTS)) for row in rows]

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

    async def _flows(
        self, ledger: str, excerpt: Excerpt, periods: Sequence[Period], by: Collection[str]
    ) -> dict[Keys, dict[str, int]] | None:
        if self._rolled is None:
            return None
        return await self._rolled.flows(ledger, excerpt, periods, by)

    async def _ask(
        self, statement: TextClause, merchant_id: str, bound: Mapping[str, Any]
    ) -> Sequence[RowMapping]:
        return await read(self._engine, statement, {"merchant": merchant_id, **bound})


def _recovered(keys: Keys, kinds: Mapping[str, int]) -> RecoveredSums:
    """From the signed sums of a group by kind."""

    def minor(*names: EntryKind) -> int:
        return sum(kinds.get(name, 0) for name in names)

    return RecoveredSums(
        keys=keys,
        recovered_minor=minor(EntryKind.RECOVERED),
        settled_other_minor=minor(EntryKind.SETTLED_OTHER),
        credited_minor=minor(EntryKind.CREDITED, EntryKind.CREDIT_VOIDED),
        refunded_minor=-minor(EntryKind.REFUNDED, EntryKind.REFUND_FAILED),
        dispute_lost_minor=-minor(EntryKind.DISPUTE_LOST),
        dispute_won_minor=minor(EntryKind.DISPUTE_WON),
    )


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


def _counts(row: RowMapping, names: Collection[str]) -> dict[str, int]:
    return {name: int(row[name]) for name in names}


def _entry(row: RowMapping) -> RecoveryEntry:
    fields = dict(row)
    return RecoveryEntry(
        **fields | {"kind": EntryKind(fields["kind"]), "cause": Cause(fields["cause"])}
    )
