"""Rates of exchange, given by the merchant day by day. A correction is a line of its own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from app.domain.exchange import ExchangeRate
from app.domain.ids import derive_id
from app.ports.store import Transaction
from app.ports.world import World


@dataclass(frozen=True, slots=True)
class Given:
    """What a merchant says of a day: one of `currency` is `rate` of `reporting`."""

    day: date
    currency: str
    reporting: str
    rate: str


async def give_rates(
    world: World, merchant_id: str, given: Sequence[Given], *, actor: str
) -> list[ExchangeRate]:
    """Write the rates that are not in force yet, each of another day or pair; the new lines. Safe
    to repeat."""
    now = world.clock.now()
    async with world.store.transaction(merchant_id) as tx:
        await tx.lock("exchange_rates", [merchant_id])
        days = sorted({one.day.isoformat() for one in given})
        known = {_pair(row): row.rate for row in await _in_force(tx, merchant_id, days)}
        lines = [
            ExchangeRate(
                rate_id=derive_id(
                    "rate", now, merchant_id, one.currency, one.reporting, one.day, one.rate
                ),
                merchant_id=merchant_id,
                currency=one.currency,
                reporting=one.reporting,
                day=one.day.isoformat(),
                rate=one.rate,
                recorded_by=actor,
                recorded_at=now,
            )
            for one in given
        ]
        return await tx.insert([line for line in lines if known.get(_pair(line)) != line.rate])


async def rates_of_day(world: World, merchant_id: str, day: date) -> list[ExchangeRate]:
    """The rates in force of a day, by currency."""
    async with world.store.transaction(merchant_id) as tx:
        found = await _in_force(tx, merchant_id, [day.isoformat()])
    return sorted(found, key=lambda row: (row.currency, row.reporting))


async def _in_force(
    tx: Transaction, merchant_id: str, days: Sequence[str]
) -> Iterable[ExchangeRate]:
    rows = await tx.find(
        ExchangeRate,
        where={"merchant_id": merchant_id, "day": list(days)},
        order=["recorded_at", "rate_id"],
    )
    return {_pair(row): row for row in rows}.values()


def _pair(row: ExchangeRate) -> tuple[str, str, str]:
    return row.day, row.currency, row.reporting
