"""Figures of time: how fast money comes back, how long saves last."""

from app.reports.defined.shape import SHARE, Endpoint, Figure

_BAND = (
    "The {} end of a 95 % band around it (Greenwood, by log-log); empty where nothing has happened "
    "yet, or everything has."
)
RECOVERY_TIMES = Endpoint(
    "time-to-recovery",
    "How fast money comes back on failed invoices: a curve over the days since the first failure.",
    ("currency", "decline_kind", "interval", "plan"),
    (
        Figure("recovery_day", "day", "days", "Days of 24 hours since the first failure."),
        Figure(
            "recovery_at_risk",
            "n_at_risk",
            "invoices",
            "Failed invoices with a case and without any money when the step to this day began, of "
            "those that are as old as the day at the cut-off. Younger ones are left out of it.",
        ),
        Figure(
            "recovery_in_step",
            "n_recovered",
            "invoices",
            "Those of them whose first money, the first that was told of, came within the step.",
        ),
        Figure(
            "recovery_by_day",
            "recovered_share",
            SHARE,
            "The share of failed invoices that had money back before the day: one less the "
            "Kaplan-Meier product over all steps. Given up is not left out: late money may come.",
        ),
        Figure("recovery_by_day_low", "low", SHARE, _BAND.format("lower")),
        Figure("recovery_by_day_high", "high", SHARE, _BAND.format("upper")),
    ),
)
SAVES_LASTING = Endpoint(
    "saves-lasting",
    "How long those stay who accepted an offer: a curve over the days since the acceptance.",
    ("currency", "interval", "offer", "offer_kind", "plan", "reason"),
    (
        Figure("save_day", "day", "days", "Days of 24 hours since the offer was accepted."),
        Figure(
            "save_at_risk",
            "n_at_risk",
            "sessions",
            "Accepted offers whose subscription ran when the step to this day began, of those that "
            "are as old as the day at the cut-off. Younger ones are left out of the step.",
        ),
        Figure(
            "save_ended_in_step",
            "n_ended",
            "sessions",
            "Those of them whose subscription ended within the step, for the first time and for "
            "whatever reason but another subscription in its place.",
        ),
        Figure(
            "save_lasting",
            "lasting_share",
            SHARE,
            "The share still there on the day: the Kaplan-Meier product over all steps. The time "
            "of a pause counts.",
        ),
        Figure("save_lasting_low", "low", SHARE, _BAND.format("lower")),
        Figure("save_lasting_high", "high", SHARE, _BAND.format("upper")),
    ),
)
LASTING = (RECOVERY_TIMES, SAVES_LASTING)
