"""Reconciliation: the ledger beside what the provider told, difference by difference."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from app.ports.figures import Figures
from app.reports.answers import Answer, Row
from app.reports.asking import Question
from app.reports.defined.recovery import RECONCILIATION

PAGE = 1_000  # differences asked for at a time
SIDES = RECONCILIATION.columns


def reconciliation(question: Question, *, figures: Figures) -> Answer:
    """The answer about invoices that failed first in the span: a row for each that differs,
    `totals` of all. `identity` holds where no invoice differs: then the ledger is the provider's
    payments after first failures, to the cent."""
    excerpt, span = question.excerpt, (question.starts_at, question.ends_at)

    async def rows() -> AsyncIterator[Row]:
        after, more = ("", ""), True
        while more:
            found = await figures.differences(excerpt, *span, after=after, limit=PAGE)
            more = len(found) == PAGE
            for one in found:
                yield {
                    "account": one.account_id,
                    "invoice": one.invoice_id,
                    "currency": one.currency,
                    **dict(zip(SIDES, one.sides, strict=True)),
                }
                after = (one.account_id, one.invoice_id)

    async def tail() -> Mapping[str, Any]:
        totals = await figures.both_sides(excerpt, *span)
        return {
            "totals": [
                {
                    "currency": one.currency,
                    "n_invoices": one.n_invoices,
                    "n_differences": one.n_differences,
                    **dict(zip(SIDES, one.sides, strict=True)),
                }
                for one in sorted(totals, key=lambda one: one.currency)
            ],
            "identity": {
                "says": "invoice by invoice, recovered is what the provider was paid after the "
                "first failure, and refunded what it gave back of it",
                "holds": not any(one.n_differences for one in totals),
            },
        }

    head = {
        "figure": RECONCILIATION.path,
        **question.echo(),
        "definitions": RECONCILIATION.definitions(),
    }
    columns = ("account", "invoice", "currency", *SIDES)
    return Answer(head=head, columns=columns, rows=rows(), tail=tail)
