"""Which method finds the figures of which endpoint."""

from collections.abc import Callable, Iterator, Mapping

from tests.reports.second import churning, curves, leaving, recovery, risk, saving
from tests.reports.second.facts import Asked, Facts, Row

Method = Callable[[Facts, Asked], Iterator[Row]]
METHODS: Mapping[str, Method] = {
    "recovered-revenue": recovery.recovered_revenue,
    "recovery-rate": recovery.recovery_rate,
    "reconciliation": recovery.reconciliation,
    "payment-failures": recovery.payment_failures,
    "at-risk": risk.at_risk,
    "incremental": risk.incremental,
    "projection": risk.projection,
    "mrr": leaving.mrr,
    "churn": churning.churn,
    "churn-reasons": risk.churn_reasons,
    "segments": risk.segments,
    "offers": saving.offers,
    "saves": saving.saves,
    "time-to-recovery": curves.time_to_recovery,
    "saves-lasting": curves.saves_lasting,
}


def the_same(found: Row, expected: Row) -> bool:
    """To the cent; what is no whole number and comes from roots and logarithms to six places."""
    return found.keys() == expected.keys() and all(
        _alike(found[name], value) for name, value in expected.items()
    )


def _alike(found: object, expected: object) -> bool:
    if isinstance(expected, float):
        return isinstance(found, str) and abs(float(found) - expected) < 1.5e-6
    return found == expected
