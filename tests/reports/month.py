"""One month as rows: the log that every definition of churn is compared over.

100 customers at 100.00 at the start of January. 3 cancelled and ended on day 10, one of them came
back on day 25; 1 whose dunning ended on day 12; 4 who cancelled on day 20 and are paid through to
day 45; 2 past due since day 5; 20 joined, 2 of them left again. One pays 40.00 less, three 50.00
more.
"""

from datetime import timedelta
from typing import Any

from app.domain.churn import ChurnCause, ChurnEntry, ChurnKind
from app.domain.mrr import MovementKind as M
from tests.reports.builders import JAN_1, churned, day, movement, record_id

BEFORE = JAN_1 - timedelta(days=400)
PRICE = 10_000


def month() -> list[Any]:
    """The rows."""
    rows: list[Any] = [
        movement(PRICE, M.OPENING, at=BEFORE, subscription_id=f"old_{n}") for n in range(100)
    ]
    for n in range(3):
        rows += [
            movement(-PRICE, M.CHURN_VOLUNTARY, at=day(10), subscription_id=f"old_{n}"),
            churned(f"old_{n}", at=day(10), reason="price"),
        ]
    back = record_id("old_0", ChurnEntry.CHURNED, day(10))
    rows += [
        movement(PRICE, M.REACTIVATION, at=day(25), subscription_id="old_0"),
        churned("old_0", at=day(25), entry=ChurnEntry.REVERSED, reason="price", about=back),
        movement(-PRICE, M.CHURN_INVOLUNTARY, at=day(12), subscription_id="old_3"),
        churned("old_3", at=day(12), kind=ChurnKind.INVOLUNTARY, cause=ChurnCause.DUNNING_ENDED),
    ]
    rows += [
        churned(f"old_{n}", at=day(20), entry=ChurnEntry.PENDING, ends_at=day(45))
        for n in range(4, 8)
    ]
    rows.append(movement(-4_000, M.CONTRACTION, at=day(15), subscription_id="old_20"))
    rows += [
        movement(5_000, M.EXPANSION, at=day(16), subscription_id=f"old_{n}") for n in (21, 22, 23)
    ]
    rows += [movement(PRICE, at=day(3), subscription_id=f"new_{n}") for n in range(20)]
    for n in range(2):
        rows += [
            movement(-PRICE, M.CHURN_VOLUNTARY, at=day(28), subscription_id=f"new_{n}"),
            churned(f"new_{n}", at=day(28), started_at=day(3), tenure_days=25, reason="bugs"),
        ]
    return rows
