"""Recovered revenue by period: what came in, what went out again, and that it adds up."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from app.ports.figures import Figures, Period, RecoveredSums
from app.reports.answers import Answer, Row, head_of, in_turn, key_cells
from app.reports.asking import Question
from app.reports.defined.recovery import REVENUE

KEYS = REVENUE.keys
AMOUNTS = (
    "recovered_minor",
    "settled_other_minor",
    "credited_minor",
    "refunded_minor",
    "dispute_lost_minor",
    "dispute_won_minor",
    "net_minor",
    "discounts_minor",
)
READ = tuple(name for name in AMOUNTS if name != "net_minor")

PARTS = ("net_minor", "settled_other_minor", "credited_minor")  # make up the ledger


def recovered_revenue(question: Question, *, figures: Figures) -> Answer:
    """The answer about recovered revenue, by the date the money moved.

    `totals` are per currency; `identity` compares each with the plain sum of the signed ledger
    lines, read apart and ungrouped.
    """
    totals: dict[str, Row] = {}

    async def ask(block: Sequence[Period]) -> list[RecoveredSums]:
        return await figures.recovered(question.excerpt, block, question.by)

    async def rows() -> AsyncIterator[Row]:
        async for sums in in_turn(question, ask, READ):
            amounts = _amounts(sums)
            _add(totals, sums.keys.currency, amounts)
            yield key_cells(sums.keys, question.by) | amounts

    async def tail() -> Mapping[str, Any]:
        ledger = await figures.ledger(question.excerpt, question.starts_at, question.ends_at)
        return {
            "totals": [{"currency": name} | totals[name] for name in sorted(totals)],
            "identity": _identity(totals, ledger),
        }

    by = tuple(name for name in question.by if name != "currency")
    head = head_of(question, REVENUE)
    return Answer(head=head, columns=("period", "currency", *by, *AMOUNTS), rows=rows(), tail=tail)


def _amounts(sums: RecoveredSums) -> Row:
    amounts = {name: getattr(sums, name) for name in READ}
    amounts["net_minor"] = (
        sums.recovered_minor
        - sums.refunded_minor
        - sums.dispute_lost_minor
        + sums.dispute_won_minor
    )
    return {name: amounts[name] for name in AMOUNTS}


def _add(totals: dict[str, Row], currency: str, amounts: Row) -> None:
    former = totals.setdefault(currency, dict.fromkeys(AMOUNTS, 0))
    for name, minor in amounts.items():
        former[name] += minor


def _identity(totals: Mapping[str, Row], ledger: Mapping[str, int]) -> Row:
    checks = []
    for currency in sorted({*totals, *ledger}):
        total = totals.get(currency, dict.fromkeys(PARTS, 0))
        checks.append(
            {
                "currency": currency,
                "rows_minor": sum(total[name] for name in PARTS),
                "ledger_minor": ledger.get(currency, 0),
            }
        )
    return {
        "says": f"{' + '.join(PARTS)} over all rows = sum of the ledger's lines",
        "holds": all(check["rows_minor"] == check["ledger_minor"] for check in checks),
        "by_currency": checks,
    }
