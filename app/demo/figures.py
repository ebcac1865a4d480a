"""The figures at the end, asked of the finance API as finance would ask it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from app.demo.house import House
from app.demo.leaving import outcomes
from app.domain.dunning import Case
from app.domain.messages import Message, MessageState
from app.domain.money import Money
from app.ports.world import World

ByCurrency = dict[str, int]


class Unreconciled(RuntimeError):
    """The ledger says another thing than the provider's payments: these figures are wrong."""


@dataclass(slots=True)
class Figures:
    """What a run came to; amounts in minor units."""

    recovered_minor: ByCurrency = field(default_factory=dict)
    failed_minor: ByCurrency = field(default_factory=dict)
    by_cause: dict[str, ByCurrency] = field(default_factory=dict)
    cases: dict[str, int] = field(default_factory=dict)
    messages: dict[str, int] = field(default_factory=dict)
    cancellations: dict[str, int] = field(default_factory=dict)
    saved: dict[str, int] = field(default_factory=dict)

    def as_json(self, *, seed: int, seconds: float) -> dict[str, Any]:
        """The document of `--json`; `seconds` is the only part two runs may differ in."""
        return {
            "seed": seed,
            "recovered_minor": self.recovered_minor,
            "failed_minor": self.failed_minor,
            "by_cause": self.by_cause,
            "cases": self.cases,
            "messages": self.messages,
            "cancellations": self.cancellations,
            "saved": self.saved,
            "seconds": round(seconds, 1),
        }


async def collect(
    figures: Figures, world: World, house: House, api: str, span: tuple[datetime, datetime]
) -> None:
    """Add a company's: recovered by cause and failed by currency from the API; cases, letters and
    how those ended who went to the cancel page from the store.

    Raises:
        Unreconciled: the recovered revenue is not what the provider took.
    """
    asked = {"from": f"{span[0]:%Y-%m-%d}", "to": f"{span[1]:%Y-%m-%d}"}
    headers = {"Authorization": f"Bearer {house.key}"}
    async with httpx.AsyncClient(base_url=api, headers=headers) as client:
        path = "/v1/finance/recovered-revenue"
        query = asked | {"group_by": "cause", "interval": "year"}
        for row in (await _rows(client, path, query))["rows"]:
            _add_recovered(figures, row)
        query = asked | {"view": "all", "interval": "year"}
        for row in (await _rows(client, "/v1/finance/recovery-rate", query))["rows"]:
            _add(figures.failed_minor, row["currency"], row["failed_minor"])
        sides = await _rows(client, "/v1/finance/reconciliation", asked)
        if not sides["identity"]["holds"]:
            raise Unreconciled(f"{house.merchant_id}: {sides['rows']}")
    own = {"merchant_id": house.merchant_id}
    async with world.store.transaction(house.merchant_id) as tx:
        cases = await tx.find(Case, where=own)
        letters = await tx.find(Message, where=own | {"state": MessageState.SENT})
    ended, saved = await outcomes(world, house.merchant_id)
    for into, found in ((figures.cancellations, ended), (figures.saved, saved)):
        for name, count in found.items():
            _add(into, name, count)
    for case in cases:
        _add(figures.cases, case.state, 1)
    for letter in letters:
        _add(figures.messages, letter.template, 1)


async def _rows(client: httpx.AsyncClient, path: str, query: dict[str, str]) -> dict[str, Any]:
    answer = await client.get(path, params=query)
    answer.raise_for_status()
    return dict(answer.json())


def _add_recovered(figures: Figures, row: dict[str, Any]) -> None:
    cause, currency, minor = row["cause"], row["currency"], row["recovered_minor"]
    if cause is None:  # what offers took off stands in rows of its own
        return
    _add(figures.by_cause.setdefault(cause, {}), currency, minor)
    _add(figures.recovered_minor, currency, minor)


def _add(into: ByCurrency, currency: str, minor: int) -> None:
    into[currency] = into.get(currency, 0) + minor


def show(console: Console, figures: Figures) -> None:
    """Recovered revenue by cause as a table, and the counts under it."""
    currencies = sorted(figures.failed_minor)
    table = Table(title="Recovered revenue by cause", title_justify="left", expand=False)
    table.add_column("cause")
    for currency in currencies:
        table.add_column(currency.upper(), justify="right")
    for cause in sorted(figures.by_cause):
        table.add_row(cause, *_amounts(figures.by_cause[cause], currencies))
    table.add_section()
    table.add_row("recovered", *_amounts(figures.recovered_minor, currencies))
    table.add_row("of failed", *_amounts(figures.failed_minor, currencies))
    console.print()
    console.print(table)
    console.print("cases    ", _counted(figures.cases))
    console.print("letters  ", _counted(figures.messages))
    console.print("leaving  ", _counted(figures.cancellations))
    console.print("saved by ", _counted(figures.saved))


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{counts[name]} {name}" for name in sorted(counts))


def _amounts(by_currency: ByCurrency, currencies: list[str]) -> list[str]:
    return [str(Money(by_currency.get(currency, 0), currency)) for currency in currencies]
