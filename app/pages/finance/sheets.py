"""The sheets of the dashboard, a row each: what is asked, and how the answer is drawn."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from app.pages.finance.curve import answer_recovery_curve
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
        key="curve",
        heading="Recovery curve",
        says="How much had come back so many days after the failure, of cohorts that had as many.",
        ask=answer_recovery_curve,
        draws=("rate",),
        kind="lines",
        over="w",
    ),
    Sheet(
        key="speed",
        heading="How fast money comes back",
        says="The share of failed invoices with money back before each day, by what the bank said "
        "first. The table has the numbers at risk and a 95 % band.",
        ask=finance.answer_time_to_recovery,
        words={"group_by": "decline_kind"},
        draws=("recovered_share",),
        kind="lines",
        split="decline_kind",
        over="day",
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
    Sheet(
        key="failures",
        heading="Why payments failed",
        says="First payments of invoices that were refused, by what the bank said.",
        ask=finance.answer_payment_failures,
        words={"group_by": "decline_kind"},
        draws=("n_failed",),
        kind="pie",
        over="decline_kind",
    ),
    Sheet(
        key="mrr",
        heading="Monthly recurring revenue",
        says="What it was when each period ended.",
        ask=finance.answer_mrr,
        draws=("end_minor",),
        kind="lines",
    ),
    Sheet(
        key="ends",
        heading="Churn: voluntary and involuntary",
        says="Subscriptions whose access ended, by whether somebody asked for it.",
        ask=finance.answer_churn_reasons,
        words={"group_by": "kind_of_end"},
        draws=("n_ended",),
        split="kind_of_end",
        kind="lines",
    ),
    Sheet(
        key="churn",
        heading="Churn rates",
        says="Of the customers, and of the money, of each period's beginning.",
        ask=finance.answer_churn,
        draws=("logo_churn", "gross_mrr_churn", "net_mrr_churn"),
        kind="lines",
    ),
    Sheet(
        key="reasons",
        heading="Why customers left",
        says="The reason they gave, where they gave one.",
        ask=finance.answer_churn_reasons,
        words={"group_by": "reason"},
        draws=("n_ended",),
        kind="pie",
        over="reason",
    ),
    Sheet(
        key="segments",
        heading="Churn by plan",
        says="Subscriptions whose access ended, by the plan they had.",
        ask=finance.answer_segments,
        words={"group_by": "plan"},
        draws=("n_ended",),
        split="plan",
    ),
    Sheet(
        key="worth",
        heading="What a customer is worth, by plan",
        says="CLV: average MRR by margin, divided by churn. Empty where nobody was lost.",
        ask=finance.answer_churn,
        words={"group_by": "plan"},
        draws=("clv_minor",),
        split="plan",
    ),
    Sheet(
        key="offers",
        heading="Offers to people who leave",
        says="MRR of those still there thirty days later, beside what the offers cost at most.",
        ask=finance.answer_offers,
        draws=("saved_mrr_minor", "cost_minor"),
    ),
    Sheet(
        key="lasting",
        heading="How long saves last",
        says="The share of those who accepted an offer and were still there on each day, by offer. "
        "The table has the numbers at risk and a 95 % band.",
        ask=finance.answer_saves_lasting,
        words={"group_by": "offer"},
        draws=("lasting_share",),
        kind="lines",
        split="offer",
        over="day",
    ),
    Sheet(
        key="risk",
        heading="At risk now",
        says="MRR of subscriptions with an open case, and of those with a planned end.",
        ask=finance.answer_at_risk,
        words={"group_by": "plan"},
        draws=("at_risk_minor", "ending_minor"),
        over="plan",
    ),
)
