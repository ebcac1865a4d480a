"""Payment failures: how many first payments were refused, why, and where."""

from app.ports.figures import Figures
from app.reports.answers import Answer, Row, share
from app.reports.asking import Question
from app.reports.defined.risk import FAILURES
from app.reports.tables import Kinds, Plan, count, minor, table


def payment_failures(question: Question, *, figures: Figures) -> Answer:
    """The answer about first payments, by the day of the first try."""
    plan = Plan(
        endpoint=FAILURES, ledger="attempts", measure=_cells, apart=frozenset({"decline_kind"})
    )
    return table(question, plan, figures=figures)


def _cells(kinds: Kinds, whole: Kinds) -> Row:
    failed, attempts = count(kinds, "failed"), count(whole, "failed", "paid")
    return {
        "n_attempts": count(kinds, "failed", "paid"),
        "n_failed": failed,
        "attempted_minor": minor(kinds, "failed", "paid"),
        "failed_minor": minor(kinds, "failed"),
        "failure_rate": share(failed, attempts),
        "failed_share": share(minor(kinds, "failed"), minor(whole, "failed", "paid")),
    }
