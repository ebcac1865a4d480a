"""What finance's tables are asked and answer, as the API documents it: rows follow the registry."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from app.api.finance_schemas import (
    ATTRIBUTE_KEY,
    DAYS,
    REPORTING,
    AnswerOut,
    Beside,
    CurrencyCheck,
    DefinitionOut,
    Grouped,
    InstantWords,
    Reporting,
    RowsIdentity,
    SpanWords,
    Word,
    list_of,
    reported,
    word,
)
from app.domain.churn_rates import Preset, Recognition
from app.reports.defined.churn import CHURN, MRR, OFFERS, REASONS, SEGMENTS
from app.reports.defined.lasting import RECOVERY_TIMES, SAVES_LASTING
from app.reports.defined.recovery import RECONCILIATION
from app.reports.defined.risk import AT_RISK, FAILURES, INCREMENTAL, PROJECTION
from app.reports.defined.saves import SAVES
from app.reports.defined.shape import DECIMAL, Endpoint
from app.reports.periods import Step
from app.reports.risk import ChurnFrom


def _keys(endpoint: Endpoint, also: str = "") -> Any:
    more = (ATTRIBUTE_KEY,) if endpoint.attributed else ()
    if endpoint.attributed:
        also += " `attribute.` and a name is one that you named at `/v1/attributes`."
    return word(
        f"Further keys, separated by commas; `currency` always is one.{also}",
        pattern=list_of(endpoint.keys, *more),
    )


class TableWords(SpanWords):
    """Of every table."""

    reporting_currency: Word = REPORTING
    interval: Word = word("Length of a period. Default: `month`.", enum=[*Step])


class FailureWords(TableWords):
    """Of `payment-failures`."""

    group_by: Word = _keys(FAILURES)


class MrrWords(TableWords):
    """Of `mrr`."""

    group_by: Word = _keys(MRR, " Plan, interval and country are those of each movement's time.")


class ChurnWords(TableWords):
    """Of `churn`."""

    group_by: Word = _keys(CHURN)
    preset: Word = word("Whose definition. Default: `holdfast`.", enum=[*Preset])
    recognition: Word = word(
        "When somebody is lost, other than the preset says: at the end of access, or when it is "
        "asked for.",
        enum=[*Recognition],
    )
    margin: Word = word(
        "Gross margin in percent, for the value of a customer. Default: 100.",
        pattern="^([1-9]|[1-9][0-9]|100)$",
    )


class ReasonWords(TableWords):
    """Of `churn-reasons`."""

    group_by: Word = _keys(REASONS, " Default: `reason`.")


class SegmentWords(TableWords):
    """Of `segments`."""

    group_by: Word = _keys(SEGMENTS, " Default: `plan`.")


class OfferWords(TableWords):
    """Of `offers`."""

    group_by: Word = _keys(OFFERS, " Default: `offer`.")


class SaveWords(TableWords):
    """Of `saves`."""

    group_by: Word = _keys(SAVES)


class RecoveryTimeWords(SpanWords):
    """Of `time-to-recovery`."""

    group_by: Word = _keys(RECOVERY_TIMES)


class LastingWords(SpanWords):
    """Of `saves-lasting`."""

    group_by: Word = _keys(SAVES_LASTING)


class RiskWords(InstantWords):
    """Of `at-risk`."""

    reporting_currency: Word = REPORTING
    group_by: Word = _keys(AT_RISK)


class IncrementalWords(SpanWords):
    """Of `incremental`."""

    reporting_currency: Word = REPORTING
    w: Word = DAYS


PERCENT = r"^(100|[0-9]{1,2}(\.[0-9]{1,4})?)$"


class ProjectionWords(InstantWords):
    """Of `projection`."""

    months: Word = word(
        "For how many months. Default: 12.", pattern="^([1-9]|[1-9][0-9]|1[01][0-9]|120)$"
    )
    churn: Word = word("What is lost a month, in percent, such as `4.25`.", pattern=PERCENT)
    reduction: Word = word("By how many percent churn is reduced. Default: 0.", pattern=PERCENT)
    start_minor: Word = word(
        "What to start from, minor units of `currency`.", pattern="^[0-9]{1,15}$"
    )


class _Cells(BaseModel):
    model_config = ConfigDict(extra="forbid")
    currency: str


class _Row(_Cells):
    period: str = Field(description="First day of the period.")


class _AttributedRow(_Row):
    """Also has the attributes that were asked for, `attribute.` and a name."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str | None] = Field(init=False)


def _figures(endpoint: Endpoint) -> dict[str, Any]:
    return {
        figure.column: (_type(figure.unit, empty=figure.empty), ...) for figure in endpoint.figures
    }


def _type(unit: str, *, empty: bool) -> Any:
    if unit in DECIMAL:
        return str | None
    return int | None if empty else int


def row_of(endpoint: Endpoint, name: str, base: type[_Cells] = _Row, **more: Any) -> Any:
    """A row of a table; the keys of `group_by` are there when asked for."""
    known = [key for key in (*endpoint.by, *endpoint.standing) if key != "currency"]
    keys: dict[str, Any] = dict.fromkeys(known, (str | None, None))
    bases: tuple[Any, ...] = (_AttributedRow if endpoint.attributed else base,)
    if endpoint.exchanged:
        bases += (Beside,)
        keys |= reported(endpoint.columns)
    return create_model(f"{name}Row", __base__=bases, **keys, **more, **_figures(endpoint))


def _answer(
    endpoint: Endpoint,
    name: str,
    base: type[BaseModel] = Grouped,
    row: Any = None,
    **more: Any,
) -> type[BaseModel]:
    rows: dict[str, Any] = {"rows": (list[row or row_of(endpoint, name)], ...)}  # type: ignore[misc]
    bases: Any = (base, Reporting) if endpoint.exchanged else base
    return create_model(f"{name}Out", __base__=bases, __doc__=endpoint.says, **rows, **more)


def _table(endpoint: Endpoint, name: str) -> type[BaseModel]:
    totals = create_model(f"{name}Totals", __base__=_Cells, **_figures(endpoint))
    return _answer(
        endpoint,
        name,
        totals=(list[totals], ...),
        identity=(RowsIdentity, ...),
    )


class MrrIdentity(RowsIdentity):
    """That MRR adds up, per currency."""

    by_currency: list[CurrencyCheck]


class RuleOut(BaseModel):
    """What a preset stands for."""

    model_config = ConfigDict(extra="forbid")
    recognition: str
    denominator: str
    same_period: str
    past_due: str
    discount: str
    returns: str
    reactivation_window: str


FailuresOut = _table(FAILURES, "PaymentFailures")
ReasonsOut = _table(REASONS, "ChurnReasons")
SegmentsOut = _table(SEGMENTS, "Segments")
OffersOut = _table(OFFERS, "Offers")
SavesOut = _table(SAVES, "Saves")
MrrOut = _answer(MRR, "Mrr", identity=(MrrIdentity, ...))
ChurnOut = _answer(
    CHURN,
    "Churn",
    preset=(Preset, ...),
    rule=(RuleOut, ...),
    margin_percent=(int, ...),
    identity=(RowsIdentity, ...),
)


class AtInstant(BaseModel):
    """What every answer about an instant says of itself."""

    model_config = ConfigDict(extra="forbid")
    figure: str
    as_of: str = Field(description="The cut-off that was used. Ask it again for this answer.")
    currency: str | None
    definitions: dict[str, DefinitionOut]
    identity: RowsIdentity


class OverSpan(AnswerOut):
    """What every answer about a span as a whole says of itself."""

    definitions: dict[str, DefinitionOut]
    identity: RowsIdentity


_RiskTotals = create_model("AtRiskTotals", __base__=_Cells, **_figures(AT_RISK))
AtRiskOut = _answer(
    AT_RISK,
    "AtRisk",
    AtInstant,
    row_of(AT_RISK, "AtRisk", _Cells),
    group_by=(list[str], ...),
    totals=(list[_RiskTotals], ...),
)
IncrementalOut = _answer(
    INCREMENTAL, "Incremental", OverSpan, row_of(INCREMENTAL, "Incremental", _Cells), w=(int, ...)
)
TimeToRecoveryOut = _answer(
    RECOVERY_TIMES,
    "TimeToRecovery",
    OverSpan,
    row_of(RECOVERY_TIMES, "TimeToRecovery", _Cells),
    group_by=(list[str], ...),
)
SavesLastingOut = _answer(
    SAVES_LASTING,
    "SavesLasting",
    OverSpan,
    row_of(SAVES_LASTING, "SavesLasting", _Cells),
    group_by=(list[str], ...),
)
ProjectionOut = _answer(
    PROJECTION,
    "Projection",
    AtInstant,
    row_of(PROJECTION, "Projection", _Cells, churn=(str | None, ...), churn_from=(ChurnFrom, ...)),
    months=(int, ...),
    reduction=(str, ...),
)
_SidesTotals = create_model(
    "ReconciliationTotals",
    __base__=_Cells,
    n_invoices=(int, ...),
    n_differences=(int, ...),
    **_figures(RECONCILIATION),
)
ReconciliationOut = _answer(
    RECONCILIATION,
    "Reconciliation",
    OverSpan,
    row_of(RECONCILIATION, "Reconciliation", _Cells, account=(str, ...), invoice=(str, ...)),
    totals=(list[_SidesTotals], ...),
)
