"""The sheets of the dashboard, a row each: what is asked, and how the answer is drawn."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from app.reports import finance
from app.reports.answers import Answer

Ask = Callable[..., Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One chart with its table.

    `words` are added to what the page asks for. Each column of `draws` is a series, or each value
    of the column `split` is one (of the first of `draws`). `over` labels the bottom; a pie has its
    slices there.
    """

    key: str
    heading: str
    says: str
    ask: Ask
    draws: tuple[str, ...]
    kind: str = "bars"
    split: str | None = None
    over: str = "period"
    words: Mapping[str, str] = field(default_factory=dict)
    periodic: bool = True


SHEETS = (
    Sheet(
        key="recovered",
        heading="Recovered revenue by cause",
        says="What came in after a first failure, by what brought it.",
        ask=finance.answer_recovered_revenue,
        words={"group_by": "cause"},
        draws=("recovered_minor",),
        split="cause",
    ),
    Sheet(
        key="net",
        heading="Recovered, given back, and lost",
        says="Net of refunds and disputes, by the date the money moved.",
        ask=finance.answer_recovered_revenue,
        draws=("net_minor", "refunded_minor", "dispute_lost_minor"),
        kind="lines",
    ),
    Sheet(
        key="rate",
        heading="Recovery rate",
        says="Of what failed in a period, how much came back within 30 days. Only cohorts whose 30 "
        "days are over.",
        ask=finance.answer_recovery_rate,
        draws=("rate",),
        kind="lines",
        split="trial_conversion",
    ),
    Sheet(
        key="plans",
        heading="Recovered revenue by plan",
        says="The same money by the plan it was owed for.",
        ask=finance.answer_recovered_revenue,
        words={"group_by": "plan"},
        draws=("recovered_minor",),
        split="plan",
    ),
)
