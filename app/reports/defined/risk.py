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
RISK: tuple[Endpoint, ...] = (FAILURES,)
