"""The sheets of the dashboard, a row each: what is asked, and how the answer is drawn."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from app.pages.finance.curve import answer_recovery_curve
from app.reports import finance
from app.reports.answers import Answer

Ask = Callable[..., Awaitable[Answer]]
PARTS: Mapping[str, str] = {
    "back": "What came back",
    "churn": "Recurring revenue and churn",
    "saves": "Saves and offers",
    "ahead": "What is ahead",
}
IN_ORDER = frozenset({"period", "day", "month", "w", "rung"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One chart with its table, in one of the page's `PARTS`.

    `words` are added to what the page asks for. Each column of `draws` is a series, or each value
    of the column `split` is one (of the first of `draws`). `over` labels the bottom; a pie has its
    slices there. `tells` are further columns of the table; `notes` is one whose numbers stand
    beside the values of a split one. With `rungs` a bar is drawn for each of them, of the columns
    it names, added up over the whole span. `adds`: whether the values of several rows may be added
    up, and a missing row is nothing. `first` heads the labels. `unknown` is said where there are
    rows and all of them are empty.
    """

    key: str
    part: str
    heading: str
    says: str
    ask: Ask
    draws: tuple[str, ...] = ()
    kind: str = "bars"
    split: str | None = None
    over: str = "period"
    words: Mapping[str, str] = field(default_factory=dict)
    tells: tuple[str, ...] = ()
    notes: str = ""
    rungs: tuple[tuple[str, Mapping[str, str]], ...] = ()
    adds: bool = True
    first: str = ""
    unknown: str = ""

    @property
    def kinds(self) -> bool:
        """Whether what stands along the bottom has no order of its own, as plans have none."""
        return self.over not in IN_ORDER

    @property
    def drawn_alike(self) -> bool:
        """Whether all series are of one figure, or counts of one thing."""
        return bool(self.split or self.rungs)

    @property
    def figures(self) -> tuple[str, ...]:
        """The columns of the answer that are shown."""
        if self.rungs:
            return tuple(column for _, columns in self.rungs for column in columns.values())
        if self.split:
            return (self.draws[0], self.notes) if self.notes else self.draws[:1]
        return (*self.draws, *self.tells)


def _rung(label: str, column: str) -> tuple[str, Mapping[str, str]]:
    return label, {
        "Held": f"n_{column}",
        "Did not hold": f"n_{column}_lost",
        "Not known yet": f"n_{column}_open",
    }


SHEETS = (
    Sheet(
        key="recovered",
        part="back",
        heading="Recovered revenue by cause",
        says="What came in after a first failure, by what brought it.",
        ask=finance.answer_recovered_revenue,
        words={"group_by": "cause"},
        draws=("recovered_minor",),
        split="cause",
    ),
    Sheet(
        key="net",
        part="back",
        heading="Recovered, given back, and lost",
        says="Net of refunds and disputes, by the date the money moved.",
        ask=finance.answer_recovered_revenue,
        draws=("net_minor", "refunded_minor", "dispute_lost_minor"),
        kind="lines",
        tells=(
            "recovered_minor",
            "settled_other_minor",
            "credited_minor",
            "dispute_won_minor",
            "discounts_minor",
        ),
    ),
    Sheet(
        key="rate",
        part="back",
        heading="Recovery rate",
        says="Of what failed in a period, how much came back within 30 days. Only cohorts whose 30 "
        "days are over.",
        ask=finance.answer_recovery_rate,
        draws=("rate",),
        kind="lines",
        split="trial_conversion",
        notes="n",
        adds=False,
    ),
    Sheet(
        key="curve",
        part="back",
        heading="Recovery curve",
        says="How much had come back so many days after the failure, of cohorts that had as many.",
        ask=answer_recovery_curve,
        draws=("rate",),
        kind="lines",
        over="w",
        tells=("n", "failed_minor", "recovered_within_w_minor"),
        adds=False,
    ),
    Sheet(
        key="speed",
        part="back",
        heading="How fast money comes back",
        says="The share of failed invoices with money back before each day, by what the bank said "
        "first. The table says of how many; the download has a 95 % band.",
        ask=finance.answer_time_to_recovery,
        words={"group_by": "decline_kind"},
        draws=("recovered_share",),
        kind="lines",
        split="decline_kind",
        over="day",
        notes="n_at_risk",
        adds=False,
        first="Before day",
    ),
    Sheet(
        key="plans",
        part="back",
        heading="Recovered revenue by plan",
        says="The same money by the plan it was owed for.",
        ask=finance.answer_recovered_revenue,
        words={"group_by": "plan"},
        draws=("recovered_minor",),
        split="plan",
    ),
    Sheet(
        key="failures",
        part="back",
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
        part="churn",
        heading="Monthly recurring revenue",
        says="What it was when each period ended.",
        ask=finance.answer_mrr,
        draws=("end_minor",),
        kind="lines",
        tells=(
            "new_minor",
            "reactivation_minor",
            "expansion_minor",
            "contraction_minor",
            "churn_voluntary_minor",
            "churn_involuntary_minor",
            "n_end",
        ),
        adds=False,
    ),
    Sheet(
        key="ends",
        part="churn",
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
        part="churn",
        heading="Churn rates",
        says="Of the customers, and of the money, of each period's beginning.",
        ask=finance.answer_churn,
        draws=("logo_churn", "gross_mrr_churn", "net_mrr_churn"),
        kind="lines",
        tells=("n_start", "n_lost", "grr", "nrr", "quick_ratio"),
        adds=False,
    ),
    Sheet(
        key="reasons",
        part="churn",
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
        part="churn",
        heading="Churn by plan",
        says="Subscriptions whose access ended, by the plan they had.",
        ask=finance.answer_segments,
        words={"group_by": "plan"},
        draws=("n_ended",),
        split="plan",
    ),
    Sheet(
        key="worth",
        part="churn",
        heading="What a customer is worth, by plan",
        says="CLV: average MRR divided by churn a month, month by month; empty where nobody was "
        "lost.",
        ask=finance.answer_churn,
        words={"group_by": "plan", "interval": "month"},
        draws=("clv_minor",),
        split="plan",
        kind="beside",
        adds=False,
    ),
    Sheet(
        key="saves",
        part="saves",
        heading="The save ladder",
        says="Who accepted an offer within these days, and of how many it held. Who went away "
        "without a word is not saved.",
        ask=finance.answer_saves,
        rungs=(
            ("Accepted", {"Held": "n_accepted"}),
            _rung("After 24 hours", "deflected_24h"),
            _rung("After 30 days", "saved_30d"),
            _rung("After 90 days", "saved_90d"),
            ("Abandoned", {"Left without a word": "n_abandoned"}),
        ),
        over="rung",
    ),
    Sheet(
        key="offers",
        part="saves",
        heading="What offers are worth, net",
        says="Cash kept in the ninety days after an offer, less what was given back of it. "
        "Discounts are out of it already: what the offer cost at most stands beside it and is not "
        "subtracted.",
        ask=finance.answer_offers,
        words={"group_by": "offer"},
        draws=("retained_minor", "cost_minor"),
        tells=("n_accepted", "n_applied", "n_judged_30d", "n_saved_30d", "saved_mrr_minor"),
        kind="beside",
        over="offer",
    ),
    Sheet(
        key="lasting",
        part="saves",
        heading="How long saves last",
        says="The share of those who accepted an offer and were still there on each day, by offer. "
        "The table says of how many; the download has a 95 % band.",
        ask=finance.answer_saves_lasting,
        words={"group_by": "offer"},
        draws=("lasting_share",),
        kind="lines",
        split="offer",
        over="day",
        notes="n_at_risk",
        adds=False,
        first="On day",
    ),
    Sheet(
        key="risk",
        part="ahead",
        heading="At risk now",
        says="MRR of subscriptions with an open case, and of those with a planned end. "
        "Who has both is in both.",
        ask=finance.answer_at_risk,
        words={"group_by": "plan"},
        draws=("at_risk_minor", "ending_minor"),
        over="plan",
        tells=("n_at_risk", "owed_minor", "n_ending", "both_minor"),
        kind="beside",
    ),
    Sheet(
        key="projection",
        part="ahead",
        heading="What becomes of MRR",
        says="Over the next twelve months, if as much goes every month as in the last three.",
        ask=finance.answer_projection,
        words={"reduction": "20"},
        draws=("usual_minor", "reduced_minor"),
        kind="lines",
        over="month",
        tells=("gain_minor",),
        adds=False,
        first="Months from now",
        unknown="Churn is not known yet: none of the last three whole months began with MRR in "
        "this currency. Nothing is projected.",
    ),
)
