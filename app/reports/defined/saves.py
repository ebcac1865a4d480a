"""Figures of the save ladder: who accepted an offer, and was still there later."""

from app.reports.defined.shape import MINOR, SHARE, Endpoint, Figure

_SESSIONS = "sessions"
_OF_MRR = "What their subscriptions brought a month when they accepted."


def _rung(name: str, column: str, says: str) -> tuple[Figure, ...]:
    """The figures of one rung: reached, what that brings, not reached, not judged yet, the rate."""
    return (
        Figure(name, f"n_{column}", _SESSIONS, says),
        Figure(f"{name}_mrr", f"{column}_mrr_minor", MINOR, _OF_MRR),
        Figure(
            f"{name}_lost",
            f"n_{column}_lost",
            _SESSIONS,
            "Those of whom the same was found not to hold: ended, unpaid, set to end, or, after "
            "the first day, in a cancel session again.",
        ),
        Figure(
            f"{name}_open",
            f"n_{column}_open",
            _SESSIONS,
            "Those whose time has not come, or who have not been looked at yet. Never part of the "
            "rate.",
        ),
        Figure(
            f"{name}_rate",
            f"{column}_rate",
            SHARE,
            "Reached divided by reached and not reached; open ones are in neither.",
        ),
    )


SAVES = Endpoint(
    "saves",
    "Who accepted an offer, and was still there 24 hours, 30 and 90 days later, by the day of the "
    "acceptance.",
    ("currency", "interval", "offer_kind", "plan", "reason"),
    (
        Figure(
            "offer_accepted",
            "n_accepted",
            _SESSIONS,
            "Sessions that ended with an accepted offer that took effect, or is kept elsewhere.",
        ),
        Figure("offer_accepted_mrr", "accepted_mrr_minor", MINOR, _OF_MRR),
        Figure("saves_cost", "cost_minor", MINOR, "What these offers cost at most."),
        *_rung(
            "deflected_24h",
            "deflected_24h",
            "Those who 24 hours later had neither left nor set an end. Not yet saved.",
        ),
        *_rung(
            "saved_30d",
            "saved_30d",
            "Those whose subscription ran 30 days later, with no end set and no further session.",
        ),
        *_rung(
            "saved_90d",
            "saved_90d",
            "Those whose subscription ran 90 days later, with no end set and no further session.",
        ),
        Figure(
            "abandoned",
            "n_abandoned",
            _SESSIONS,
            "Sessions left without a word, by the day they were. A bucket of its own: never saved.",
        ),
        Figure(
            "abandoned_mrr",
            "abandoned_mrr_minor",
            MINOR,
            "What their subscriptions brought a month then.",
        ),
    ),
)
