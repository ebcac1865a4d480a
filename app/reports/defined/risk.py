"""Figures of payments that are refused, and of what may be lost."""

from app.reports.defined.shape import MINOR, SHARE, Endpoint, Figure

FAILURES = Endpoint(
    "payment-failures",
    "How many first payments of invoices were refused, by the day of the first try.",
    ("country", "currency", "decline_kind", "interval", "network", "plan"),
    (
        Figure(
            "first_attempts",
            "n_attempts",
            "invoices",
            "Invoices that were charged automatically for the first time: refused, or paid without "
            "a refusal before. Invoices that are sent and those of nothing do not count.",
        ),
        Figure(
            "first_attempts_failed",
            "n_failed",
            "invoices",
            "Those whose first automatic payment was refused.",
        ),
        Figure(
            "first_attempted_amount",
            "attempted_minor",
            MINOR,
            "What was to be paid by these first attempts: what was owed where it was refused, what "
            "was paid where it went through.",
        ),
        Figure(
            "first_failed_amount",
            "failed_minor",
            MINOR,
            "The part of it that was refused.",
        ),
        Figure(
            "payment_failure_rate",
            "failure_rate",
            SHARE,
            "First attempts refused divided by first attempts. Grouped by decline kind it is the "
            "share of that kind in all first attempts of the period.",
        ),
        Figure(
            "failed_share",
            "failed_share",
            SHARE,
            "First failed amount divided by first attempted amount, in the same way.",
        ),
    ),
)
_SUBSCRIPTIONS = "subscriptions"
AT_RISK = Endpoint(
    "at-risk",
    "MRR that may be lost, at the cut-off: unpaid, or about to end.",
    ("country", "currency", "decline_kind", "interval", "plan"),
    (
        Figure(
            "subscriptions_at_risk",
            "n_at_risk",
            _SUBSCRIPTIONS,
            "Subscriptions with MRR and an open case of a refused payment: active, or parked. Of "
            "invoices that are sent and not paid in time nothing is at risk here.",
        ),
        Figure("at_risk_mrr", "at_risk_minor", MINOR, "Their MRR."),
        Figure(
            "at_risk_share",
            "at_risk_share",
            SHARE,
            "At-risk MRR divided by all MRR of the currency.",
        ),
        Figure(
            "owed", "owed_minor", MINOR, "What is owed on their open cases, in the row's currency."
        ),
        Figure(
            "subscriptions_ending",
            "n_ending",
            _SUBSCRIPTIONS,
            "Subscriptions with MRR and a planned end, apart from those at risk.",
        ),
        Figure("ending_mrr", "ending_minor", MINOR, "Their MRR."),
        Figure(
            "subscriptions_both",
            "n_both",
            _SUBSCRIPTIONS,
            "Subscriptions with MRR, an open case and a planned end; in both figures above.",
        ),
        Figure("both_mrr", "both_minor", MINOR, "Their MRR."),
    ),
)
INCREMENTAL = Endpoint(
    "incremental",
    "What came back only because of Holdfast: treated customers beside those held out.",
    (),
    (
        Figure("treated", "n_treated", "invoices", "Mature failures of treated customers."),
        Figure("held_out", "n_holdout", "invoices", "Mature failures of customers held out."),
        Figure(
            "failed_treated",
            "failed_treated_minor",
            MINOR,
            "The failed amount of treated customers.",
        ),
        Figure(
            "rate_treated",
            "rate_treated",
            SHARE,
            "Recovered within W divided by failed, of treated customers.",
        ),
        Figure(
            "rate_holdout",
            "rate_holdout",
            SHARE,
            "The same of customers held out, who get a plain schedule or the provider's own "
            "retries, never nothing.",
        ),
        Figure(
            "incremental_recovered",
            "incremental_minor",
            MINOR,
            "Rate treated less rate held out, times failed treated. Customers are drawn once and "
            "stay in their arm. Empty until each arm has 100 customers.",
            empty=True,
            adds=False,
        ),
        Figure(
            "incremental_low",
            "low_minor",
            MINOR,
            "The lower end of a 95 % interval that holds however often it is looked at.",
            empty=True,
            adds=False,
        ),
        Figure("incremental_high", "high_minor", MINOR, "Its upper end.", empty=True, adds=False),
        Figure(
            "still_measuring",
            "more_invoices",
            "invoices",
            "About how many more failures are needed; empty once there are enough.",
            empty=True,
            adds=False,
        ),
    ),
)
PROJECTION = Endpoint(
    "projection",
    "What becomes of MRR when the same share is lost every month. Where that share is not known, "
    "nothing is projected.",
    (),
    (
        Figure("projected_month", "month", "months", "How many months from now, from 1."),
        Figure(
            "projected_mrr",
            "usual_minor",
            MINOR,
            "MRR at the end of the month: the start times (1 less churn) to the power of months, "
            "rounded once. Unless given, the start is MRR at the cut-off, and churn what was lost "
            "and contracted in the last three whole months divided by what they began with. Empty "
            "where none of these months began with MRR: `churn_from` then is `unknown`.",
            empty=True,
        ),
        Figure(
            "projected_mrr_reduced",
            "reduced_minor",
            MINOR,
            "The same with churn reduced by the share asked for.",
            empty=True,
        ),
        Figure("projected_gain", "gain_minor", MINOR, "The difference of the two.", empty=True),
    ),
)
RISK = (FAILURES, AT_RISK, INCREMENTAL, PROJECTION)
