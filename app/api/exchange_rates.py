"""Rates of exchange for a reporting currency: `/v1/exchange-rates`."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from app.api.auth import Caller, require
from app.api.dependencies import WorldDep
from app.api.problems import OF_EVERY_BODY
from app.domain.exchange import ExchangeRate
from app.domain.merchants import Scope
from app.services import exchange_rates

router = APIRouter(prefix="/v1/exchange-rates", tags=["finance"])
Reader = Annotated[Caller, Depends(require(Scope.FINANCE_READ))]
Writer = Annotated[Caller, Depends(require(Scope.CONFIG_WRITE))]
Code = Annotated[str, Field(pattern="^[a-z]{3,8}$", examples=["usd"])]
MOST_RATES = 1_000  # of one request


def _within(day: date) -> date:
    if not date(2000, 1, 1) <= day <= date(2199, 12, 31):
        raise ValueError("lies outside of 2000 to 2199")
    return day


def _plain(rate: str) -> str:
    """The number without noughts that say nothing: the same rate is the same text."""
    if not Decimal(rate):
        raise ValueError("is nothing")
    return f"{Decimal(rate):f}".rstrip("0").rstrip(".") if "." in rate else str(int(rate))


Day = Annotated[date, AfterValidator(_within)]


class RateIn(BaseModel):
    """The rate of a day: one of `currency` is `rate` of `reporting_currency`."""

    model_config = ConfigDict(extra="forbid")
    day: Day = Field(description="Whose rate it is.")
    currency: Code
    reporting_currency: Code
    rate: Annotated[
        str,
        Field(
            pattern=r"^[0-9]{1,12}(\.[0-9]{1,12})?$",
            description="In whole units of both, as a decimal in text.",
            examples=["0.8571"],
        ),
        AfterValidator(_plain),
    ]

    @model_validator(mode="after")
    def _of_two(self) -> Self:
        if self.currency == self.reporting_currency:
            raise ValueError("is a rate of one currency")
        return self


def _one_of_each(rates: list[RateIn]) -> list[RateIn]:
    if len({(one.day, one.currency, one.reporting_currency) for one in rates}) < len(rates):
        raise ValueError("has two rates of one day and pair")
    return rates


class RatesIn(BaseModel):
    """Rates, of many days at once if need be."""

    model_config = ConfigDict(extra="forbid")
    rates: Annotated[
        list[RateIn], Field(min_length=1, max_length=MOST_RATES), AfterValidator(_one_of_each)
    ]


class RateOut(BaseModel):
    """A rate in force."""

    day: date
    currency: str
    reporting_currency: str
    rate: str
    recorded_at: str

    @classmethod
    def of(cls, row: ExchangeRate) -> Self:
        """As the API shows it."""
        return cls(
            day=date.fromisoformat(row.day),
            currency=row.currency,
            reporting_currency=row.reporting,
            rate=row.rate,
            recorded_at=row.recorded_at.isoformat().replace("+00:00", "Z"),
        )


class RatesOut(BaseModel):
    """Rates."""

    rates: list[RateOut]


class DayParameters(BaseModel):
    """Of the list."""

    model_config = ConfigDict(extra="forbid")
    day: Day = Field(description="Whose rates.")


@router.get("")
async def list_rates(
    caller: Reader, world: WorldDep, asked: Annotated[DayParameters, Query()]
) -> RatesOut:
    """The rates in force of a day."""
    found = await exchange_rates.rates_of_day(world, caller.merchant_id, asked.day)
    return RatesOut(rates=[RateOut.of(row) for row in found])


@router.put("", responses=OF_EVERY_BODY)
async def give_rates(caller: Writer, world: WorldDep, asked: RatesIn) -> RatesOut:
    """Give rates of days. A rate that was given before stays as it was recorded, and the new one
    counts from now on: an answer as of an earlier instant does not change. Answers with what is
    new; what is in force already is not written twice."""
    given = [
        exchange_rates.Given(one.day, one.currency, one.reporting_currency, one.rate)
        for one in asked.rates
    ]
    new = await exchange_rates.give_rates(world, caller.merchant_id, given, actor=caller.key_id)
    return RatesOut(rates=[RateOut.of(row) for row in new])
