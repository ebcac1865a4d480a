"""Figures of what failed and what came back."""

from app.reports.defined.shape import MINOR, SHARE, Endpoint, Figure

_REVENUE = (
    Figure(
        "recovered_cash",
        "recovered_minor",
        MINOR,
        "Cash settled through the provider on an invoice after its first failure, by the date of "
        "the payment. Partial payments count, and there is no time limit. It reconciles with the "
        "provider's invoice payments.",
    ),
    Figure(
        "settled_other",
        "settled_other_minor",
        MINOR,
        "What settled a failed invoice without a payment through the provider: out-of-band "
        "payments and credit balances. Never part of recovered cash.",
    ),
    Figure(
        "credited",
        "credited_minor",
        MINOR,
        "What credit notes took off a failed invoice while it was still to be paid, less those "
        "that were voided, by the date of the note. No money: never part of recovered cash, and "
        "owed no more.",
    ),
    Figure(
        "refunded",
        "refunded_minor",
        MINOR,
        "Recovered cash given back to the customer, by the date of the refund, less refunds that "
        "failed, by the date the failure was known; positive where more went out than came back. "
        "What a payment brought beyond its invoice is not in it: that goes back first.",
    ),
    Figure(
        "dispute_lost",
        "dispute_lost_minor",
        MINOR,
        "Recovered cash lost to disputes, by the date the loss was known; a positive number.",
    ),
    Figure(
        "dispute_won",
        "dispute_won_minor",
        MINOR,
        "Cash that came back because a dispute once lost was won after all, by the date the win "
        "was known.",
    ),
    Figure(
        "recovered_net",
        "net_minor",
        MINOR,
        "Recovered cash less refunds and lost disputes, plus disputes won. Settled other is not "
        "in it. Discounts are already out of the cash and are not subtracted again.",
    ),
    Figure(
        "discounts_given",
        "discounts_minor",
        MINOR,
        "What offers of price that took effect in the period cost at most: discounts, credits, "
        "cheaper years, upgrades. It stands beside the cash, which is net of it already, and has "
        "no cause: grouped by cause it has a row of its own.",
    ),
)
_RATE = (
    Figure(
        "failed_amount",
        "failed_minor",
        MINOR,
        "What remained to be paid when an invoice's automatic payment failed for the first time. "
        "Counted on the day of that failure in the merchant's time zone. Hard declines and "
        "invoices for which no case was opened are included, those that are sent or of nothing "
        "are not; first payments after a trial stand in rows of their own.",
    ),
    Figure(
        "failures",
        "n",
        "invoices",
        "How many invoices had their first failure in the period.",
    ),
    Figure(
        "recovered_within_w",
        "recovered_within_w_minor",
        MINOR,
        "Of a cohort's failed amount, the recovered cash settled within W times 24 hours of each "
        "invoice's first failure, W being 30 unless asked otherwise. An invoice counts at most "
        "with its failed amount; refunds and disputes are not subtracted.",
    ),
    Figure(
        "settled_other_within_w",
        "settled_other_within_w_minor",
        MINOR,
        "Like recovered within W, for what settled an invoice without a payment through the "
        "provider; both together never exceed the failed amount. Not in the recovery rate.",
    ),
    Figure(
        "credited_within_w",
        "credited_within_w_minor",
        MINOR,
        "Like recovered within W, for what credit notes took off what was owed, less voided ones, "
        "but never less than nothing; all three together never exceed the failed amount. No "
        "money, and not in the recovery rate.",
    ),
    Figure(
        "recovery_rate",
        "rate",
        SHARE,
        "Recovered within W divided by failed amount, rounded half up; empty where nothing "
        "failed. View `mature` has only cohorts whose whole day lies more than W days before the "
        "cut-off, `all` has every cohort, `closed` only invoices that are decided.",
    ),
    Figure(
        "open_failures",
        "n_open",
        "invoices",
        "How many of the cohort's invoices are not yet decided, as in open amount.",
    ),
    Figure(
        "open_amount",
        "open_minor",
        MINOR,
        "What is still owed on a cohort's invoices that are not yet decided: not settled or "
        "credited in full, with a case that is active or parked at the cut-off.",
    ),
    Figure(
        "open_share",
        "open_share",
        SHARE,
        "Open amount divided by failed amount: how much of the cohort can still change.",
    ),
    Figure(
        "excluded_failures",
        "n_excluded",
        "invoices",
        "For how many of the cohort's invoices, by rule, no case was opened.",
    ),
    Figure(
        "excluded_amount",
        "excluded_minor",
        MINOR,
        "The part of the failed amount for which, by rule, no case was opened.",
    ),
)
REVENUE = Endpoint(
    "recovered-revenue",
    "What came in on failed invoices and what went out again, by the date the money moved.",
    ("cause", "currency", "plan", "interval"),
    _REVENUE,
)
RATE = Endpoint(
    "recovery-rate",
    "Of what failed in a period, how much was recovered within W days.",
    ("currency", "plan", "interval"),
    _RATE,
)
RECONCILIATION = Endpoint(
    "reconciliation",
    "Where the ledger and what the provider told of payments differ, invoice by invoice. Those for "
    "which by rule no case was opened are not in it.",
    (),
    (
        Figure(
            "ledger_recovered",
            "ledger_recovered_minor",
            MINOR,
            "Recovered cash of the invoice in the ledger, by the cut-off.",
        ),
        Figure(
            "provider_paid",
            "provider_paid_minor",
            MINOR,
            "What the provider told of payments that went through on the invoice after its first "
            "failure.",
        ),
        Figure(
            "ledger_refunded",
            "ledger_refunded_minor",
            MINOR,
            "What the ledger has as given back, refunds that failed not taken off.",
        ),
        Figure(
            "provider_refunded",
            "provider_refunded_minor",
            MINOR,
            "What the provider told was given back of those payments.",
        ),
    ),
)
RECOVERY = (REVENUE, RATE, RECONCILIATION)
