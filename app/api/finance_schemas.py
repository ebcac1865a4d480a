"""What finance may be asked and what it answers, as the API documents it."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.json_schema import SkipJsonSchema

from app.domain.attributes import NAME
from app.domain.recovery import Cause, EntryKind
from app.reports import entries, rates, recovered
from app.reports.periods import Step

Word = str | SkipJsonSchema[None]
DAY = r"2[01][0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
TIME = r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])"


def word(description: str, **schema: Any) -> Any:
    """A word of a question as it is documented; left out where it was not asked for."""
    return Field(default=None, description=description, json_schema_extra=schema)


# What a merchant may name as an attribute, as a key of a question.
ATTRIBUTE_KEY = rf"attribute\.{NAME.pattern}"


def list_of(keys: frozenset[str], *more: str) -> str:
    """The pattern of a list of keys; `more` are patterns of others."""
    names = "|".join([*sorted(keys), *more])
    return f"^({names})(,({names}))*$"


DAYS = word(
    f"Days of 24 hours that each failed invoice has. Default: {rates.DEFAULT_DAYS}.",
    pattern="^([1-9]|[1-9][0-9]|[12][0-9][0-9]|3[0-5][0-9]|36[0-6])$",
)
CURRENCY = word(
    "Only this currency, lower case. Currencies are never added to each other.",
    pattern="^[a-z]{3,8}$",
)
AS_OF = word(
    "Only what was recorded by this instant. Never later than five seconds ago, because "
    "only what is older can no longer change; the answer says which instant it used. The "
    "same `as_of` gives the same answer forever.",
    pattern=f"^{DAY}{TIME}$",
)


REPORTING = word(
    "Told in this currency as well, by the rates that you gave at `/v1/exchange-rates`: each row "
    "has its rate, the day of it, and a `reported_` amount beside each of its own.",
    pattern="^[a-z]{3,8}$",
)


class InstantWords(BaseModel):
    """The words of questions about one instant, checked like those about a span."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    currency: Word = CURRENCY
    as_of: Word = AS_OF


class SpanWords(BaseModel):
    """The words all questions share. They are checked in one place, `reports.asking`; the
    schema here only documents them."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    since: Annotated[Word, Field(alias="from")] = word(
        "First day (the merchant's time zone) or first instant. Default: eleven months before "
        "the month of `to`.",
        pattern=f"^{DAY}({TIME})?$",
    )
    to: Word = word(
        "Last day, included, or the instant before which lines count. Default: the day of `as_of`.",
        pattern=f"^{DAY}({TIME})?$",
    )
    currency: Word = CURRENCY
    as_of: Word = AS_OF


class RecoveredWords(SpanWords):
    """Of `recovered-revenue`."""

    reporting_currency: Word = REPORTING
    interval: Word = word("Length of a period. Default: `month`.", enum=[*Step])
    group_by: Word = word(
        "Further keys, separated by commas; `currency` always is one. `interval` is the "
        "billing interval of the subscription.",
        pattern=list_of(recovered.KEYS),
    )


class RateWords(SpanWords):
    """Of `recovery-rate`."""

    reporting_currency: Word = REPORTING
    interval: Word = word("Length of a period. Default: `month`.", enum=[*Step])
    group_by: Word = word(
        "Further keys, separated by commas; `currency` always is one.",
        pattern=list_of(rates.KEYS),
    )
    w: Word = DAYS
    view: Word = word("Which cohorts count. Default: `mature`.", enum=[*rates.View])


class EntryWords(SpanWords):
    """Of `recovered-revenue/entries`."""

    cause: Word = word("Only lines of this cause.", enum=[*Cause])
    kind: Word = word("Only lines of this kind.", enum=[*EntryKind])
    plan: Word = word("Only lines of this plan.", maxLength=255)
    limit: Word = word(
        f"Lines of a page, {entries.DEFAULT_LIMIT} unless asked otherwise. CSV and NDJSON give "
        "all lines unless `limit` is there.",
        pattern="^([1-9][0-9]{0,2}|1000)$",
    )
    cursor: Word = word(
        "`next_cursor` of the page before, asked with the same other parameters.",
    )


class DefinitionOut(BaseModel):
    """What a figure means."""

    model_config = ConfigDict(extra="forbid")
    column: str = Field(description="The field of the rows it fills.")
    unit: str
    definition: str


class AnswerOut(BaseModel):
    """What every answer about a span says of itself."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    figure: str
    as_of: str = Field(description="The cut-off that was used. Ask it again for this answer.")
    since: str = Field(alias="from", description="First instant, UTC.")
    to: str = Field(description="The instant before which lines count, UTC.")
    time_zone: str = Field(description="The merchant's, in which days begin and end.")
    currency: str | None


class Grouped(AnswerOut):
    """What every table says of itself."""

    interval: Step
    group_by: list[str]
    definitions: dict[str, DefinitionOut]


class Beside(BaseModel):
    """What a row has besides where a reporting currency was asked for: the rate, the day of it, and
    each of its amounts converted, `reported_` before its name."""

    reporting_currency: str | None = None
    exchange_rate: str | None = Field(default=None, description="As it was given; `1` of itself.")
    exchange_day: str | None = None


def reported(columns: Iterable[str]) -> dict[str, Any]:
    """The fields of converted amounts."""
    return {f"reported_{name}": (int | None, None) for name in columns if name.endswith("_minor")}


class ReportingOut(BaseModel):
    """How amounts were converted."""

    model_config = ConfigDict(extra="forbid")
    currency: str
    unit: str
    definition: str


class ReportedOut(BaseModel):
    """What all currencies come to, by the keys of the rows: amounts and counts that add up."""

    model_config = ConfigDict(extra="allow")
    currency: str = Field(description="The reporting currency.")
    __pydantic_extra__: dict[str, int | str | bool | None] = Field(init=False)


class Reporting(BaseModel):
    """What an answer has besides where a reporting currency was asked for."""

    reporting: ReportingOut | None = None
    reported: list[ReportedOut] | None = None


class CurrencyCheck(BaseModel):
    """Both sides of an identity."""

    model_config = ConfigDict(extra="forbid")
    currency: str
    rows_minor: int
    ledger_minor: int


class LedgerIdentity(BaseModel):
    """That the rows add up to the ledger."""

    model_config = ConfigDict(extra="forbid")
    says: str
    holds: bool
    by_currency: list[CurrencyCheck]


class RecoveredAmounts(BaseModel):
    """Minor units of `currency`. See `definitions`."""

    model_config = ConfigDict(extra="forbid")
    currency: str
    recovered_minor: int
    settled_other_minor: int
    credited_minor: int
    refunded_minor: int
    dispute_lost_minor: int
    dispute_won_minor: int
    net_minor: int
    discounts_minor: int


_RecoveredRow: Any = create_model(
    "_RecoveredRow", __base__=(RecoveredAmounts, Beside), **reported(RecoveredAmounts.model_fields)
)


class RecoveredRow(_RecoveredRow):
    """A period; the keys of `group_by` are there when asked for."""

    period: str = Field(description="First day of the period.")
    cause: Cause | None = None
    plan: str | None = None
    interval: str | None = None


class RecoveredRevenueOut(Grouped, Reporting):
    """Recovered revenue by the date the money moved. Periods without lines have no row."""

    rows: list[RecoveredRow]
    totals: list[RecoveredAmounts]
    identity: LedgerIdentity


class RateAmounts(BaseModel):
    """Counts, minor units of `currency`, and shares as decimal text. See `definitions`."""

    model_config = ConfigDict(extra="forbid")
    currency: str
    trial_conversion: bool = Field(description="First payments after a trial stand apart.")
    n: int
    n_open: int
    n_excluded: int
    failed_minor: int
    recovered_within_w_minor: int
    settled_other_within_w_minor: int
    credited_within_w_minor: int
    open_minor: int
    excluded_minor: int
    rate: str | None = Field(description="Such as `0.476190`; null where nothing failed.")
    open_share: str | None


_RateRow: Any = create_model(
    "_RateRow", __base__=(RateAmounts, Beside), **reported(RateAmounts.model_fields)
)


class RateRow(_RateRow):
    """A cohort; the keys of `group_by` are there when asked for."""

    period: str = Field(description="First day of the period of the first failures.")
    plan: str | None = None
    interval: str | None = None


class RowsIdentity(BaseModel):
    """That the rows add up to the whole."""

    model_config = ConfigDict(extra="forbid")
    says: str
    holds: bool


class RecoveryRateOut(Grouped, Reporting):
    """The recovery rate by the day of the first failure."""

    w: int
    view: rates.View
    rows: list[RateRow]
    totals: list[RateAmounts]
    identity: RowsIdentity


class EntryRow(BaseModel):
    """A line of the ledger. `amount_minor` is signed: taken back is negative."""

    model_config = ConfigDict(extra="forbid")
    entry_id: str
    occurred_at: str
    recorded_at: str
    failed_at: str
    account: str
    invoice: str
    case: str | None
    kind: EntryKind
    cause: Cause
    assisted_by: str | None
    currency: str
    amount_minor: int
    tax_minor: int
    plan: str | None
    interval: str | None
    provider_ref: str


class EntriesOut(AnswerOut):
    """A page of ledger lines in the order in which the money moved."""

    cause: Cause | None
    kind: EntryKind | None
    plan: str | None
    next_cursor: str | None = Field(description="Null on the last page.")
    rows: list[EntryRow]
