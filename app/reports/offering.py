"""Offers: what each cost, and what it kept."""

from dataclasses import replace

from app.ports.figures import Figures
from app.reports.answers import Answer, Row, share
from app.reports.asking import Question
from app.reports.defined.churn import OFFERS
from app.reports.tables import Kinds, Plan, count, minor, table


def offers(question: Question, *, figures: Figures) -> Answer:
    """The answer about offers, by the day they were accepted; by offer unless asked otherwise."""
    asked = replace(question, by=question.by or ("offer",))
    plan = Plan(endpoint=OFFERS, ledger="offers", measure=_cells)
    return table(asked, plan, figures=figures)


def _cells(kinds: Kinds, whole: Kinds) -> Row:
    judged = count(kinds, "saved_30d", "saved_30d_lost")
    saved = count(kinds, "saved_30d")
    return {
        "n_accepted": count(kinds, "accepted"),
        "n_applied": count(kinds, "applied"),
        "n_failed": count(kinds, "failed"),
        "cost_minor": minor(kinds, "applied"),
        "n_judged_30d": judged,
        "n_saved_30d": saved,
        "save_rate_30d": share(saved, judged),
        "saved_mrr_minor": minor(kinds, "saved_30d"),
        "n_saved_90d": count(kinds, "saved_90d"),
        "retained_minor": minor(kinds, "retained"),
    }
