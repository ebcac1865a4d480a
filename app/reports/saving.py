"""The save ladder: accepted, deflected after a day, saved after 30 and 90; abandoned apart."""

from app.ports.figures import Figures
from app.reports.answers import Answer, Row, share
from app.reports.asking import Question
from app.reports.defined.saves import SAVES
from app.reports.tables import Kinds, Plan, count, minor, table

RUNGS = ("deflected_24h", "saved_30d", "saved_90d")


def saves(question: Question, *, figures: Figures) -> Answer:
    """The answer about saves, by the day of the acceptance."""
    return table(question, Plan(endpoint=SAVES, ledger="saves", measure=_cells), figures=figures)


def _cells(kinds: Kinds, whole: Kinds) -> Row:
    accepted = count(kinds, "accepted")
    row: Row = {
        "n_accepted": accepted,
        "accepted_mrr_minor": minor(kinds, "accepted"),
        "cost_minor": minor(kinds, "cost"),
    }
    for rung in RUNGS:
        kept, lost = count(kinds, rung), count(kinds, f"{rung}_lost")
        row |= {
            f"n_{rung}": kept,
            f"{rung}_mrr_minor": minor(kinds, rung),
            f"n_{rung}_lost": lost,
            f"n_{rung}_open": accepted - kept - lost,
            f"{rung}_rate": share(kept, kept + lost),
        }
    return row | {
        "n_abandoned": count(kinds, "abandoned"),
        "abandoned_mrr_minor": minor(kinds, "abandoned"),
    }
