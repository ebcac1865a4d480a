"""Reconciliation out of rollups: sums of all invoices, and those that differ by their names."""

from app.ports.figures import BothSides, Difference, Excerpt, FlowSums, Period
from app.storage.reports.rolled import Rolled
from app.storage.reports.sides import DIFFERING, SIDE_KEYS, SIDES

LEDGER = "sides"
# Above it they are read from the ledgers, page by page: some megabytes are held for this many.
MOST = 10_000


async def both_sides(rolled: Rolled, excerpt: Excerpt, span: Period) -> list[BothSides] | None:
    """All failed invoices of a span, by currency; None where rollups cannot tell."""
    found = await rolled.flows(LEDGER, excerpt, [span], ())
    return None if found is None else [_both(sums) for sums in found]


async def differences(rolled: Rolled, excerpt: Excerpt, span: Period) -> list[Difference] | None:
    """The invoices of a span that differ, in order of (account, invoice); None where rollups
    cannot tell, or there are too many of them to be held at once."""
    known = await both_sides(rolled, excerpt, span)
    if known is None or sum(one.n_differences for one in known) > MOST:
        return None
    if not any(one.n_differences for one in known):
        return []
    found = await rolled.flows(LEDGER, excerpt, [span], SIDE_KEYS) or []
    apart = (
        Difference(
            account_id=sums.named["account"] or "",
            invoice_id=sums.named["invoice"] or "",
            currency=sums.currency,
            sides=_sides(sums),
        )
        for sums in found
        if sums.named["invoice"] and sums.kinds.get(DIFFERING)
    )
    return sorted(apart, key=lambda one: (one.account_id, one.invoice_id))


def _both(sums: FlowSums) -> BothSides:
    return BothSides(
        currency=sums.currency,
        n_invoices=sums.kinds.get(SIDES[0], (0, 0))[0],
        n_differences=sums.kinds.get(DIFFERING, (0, 0))[0],
        sides=_sides(sums),
    )


def _sides(sums: FlowSums) -> tuple[int, int, int, int]:
    recovered, paid, refunded, given_back = (sums.kinds.get(name, (0, 0))[1] for name in SIDES)
    return recovered, paid, refunded, given_back
