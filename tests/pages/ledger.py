"""Figures that are told, not kept: for pages that are looked at, not for numbers that are right."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from app.domain.recovery import RecoveryEntry
from app.ports.figures import (
    CohortRule,
    CohortSums,
    EntryFilter,
    Excerpt,
    FlowSums,
    Keys,
    Period,
    RecoveredSums,
)

CAUSES = ("holdfast_retry", "customer_new_card", "customer_paid_link", "account_updater")
PLANS = ("Starter", "Team", "Scale")
NAMED = {"cause": CAUSES, "plan": PLANS, "interval": ("month", "year")}


class ToldFigures:
    """Euros in every period, for each cause and plan."""

    async def time_zone(self, merchant_id: str) -> str:
        return "Europe/Berlin"

    async def recovered(
        self, excerpt: Excerpt, periods: Sequence[Period], by: Collection[str]
    ) -> list[RecoveredSums]:
        return [
            RecoveredSums(
                keys=keys,
                recovered_minor=49_00 * (number % 7 + 1),
                settled_other_minor=0,
                credited_minor=0,
                refunded_minor=19_00 * (number % 2),
                dispute_lost_minor=0,
                dispute_won_minor=0,
            )
            for number, keys in enumerate(_keys(periods, by))
        ]

    async def ledger(
        self, excerpt: Excerpt, starts_at: datetime, ends_at: datetime
    ) -> dict[str, int]:
        return {"eur": 1}

    async def flows(
        self, ledger: str, excerpt: Excerpt, periods: Sequence[Period], by: Collection[str]
    ) -> list[FlowSums]:
        names = ("insufficient_funds", "new_method") if "decline_kind" in by else ("",)
        return [
            FlowSums(
                period=period.day,
                currency="eur",
                named=dict.fromkeys(by, name or None),
                kinds={"failed": (3 + number, 147_00), "paid": (40, 1960_00)},
            )
            for period in periods
            for number, name in enumerate(names)
            if ledger == "attempts"
        ]

    async def balance(
        self, ledger: str, excerpt: Excerpt, at: datetime, by: Collection[str]
    ) -> list[FlowSums]:
        return []

    async def at_risk(self, excerpt: Excerpt, by: Collection[str]) -> list[FlowSums]:
        return []

    async def cohorts(
        self,
        excerpt: Excerpt,
        periods: Sequence[Period],
        by: Collection[str],
        rule: CohortRule,
    ) -> list[CohortSums]:
        return [
            CohortSums(
                keys=keys,
                n=9,
                n_open=1,
                n_excluded=0,
                failed_minor=441_00,
                recovered_within_w_minor=200_00 + 10_00 * number,
                settled_other_within_w_minor=0,
                credited_within_w_minor=0,
                open_minor=49_00,
                excluded_minor=0,
            )
            for number, keys in enumerate(_keys(periods, by))
        ]

    async def entries(
        self,
        excerpt: Excerpt,
        chosen: EntryFilter,
        *,
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> list[RecoveryEntry]:
        return []


def _keys(periods: Sequence[Period], by: Collection[str]) -> list[Keys]:
    (name, *_) = [name for name in by if name in NAMED] or [""]

    def named(period: Period, **keys: Any) -> Keys:
        return replace(Keys(period=period.day, currency="eur"), **keys)

    return [
        named(period, **({name: value} if name else {}))
        for period in periods
        for value in NAMED.get(name, ("",))
    ]
