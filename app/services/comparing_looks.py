"""The last parts of a comparison: single questions about what differs, and the sum of it all."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from app.domain.actions import Action, ActionKind, action_for
from app.domain.comparing import (
    ComparedLine,
    Comparison,
    LineKind,
    LineState,
    Movement,
    Ours,
    added,
    looked_again,
)
from app.domain.merchants import ProviderAccount
from app.domain.openings import case_action
from app.ports.payments import ProviderRefused
from app.ports.store import Transaction
from app.ports.world import World
from app.services.comparing_parts import (
    LISTS,
    Part,
    Take,
    behind,
    lines_of,
    narrowed,
    ours_about,
    owed,
)
from app.services.reconciling_parts import GONE, PER_SECOND


async def _looked(state: LineState, world: World, account: ProviderAccount, at: Comparison) -> Take:
    """One line in this state: the provider is asked about that one thing. Its line is then of
    another state, or behind the cursor."""
    async with world.store.transaction(account.merchant_id) as tx:
        lines = await lines_of(tx, at, state, limit=1)
    found = await _one(world, account, lines[0]) if lines else ()

    async def take(tx: Transaction) -> Comparison:
        if not lines:
            return replace(at, after=None)
        line = lines[0]
        ours = await ours_about(tx, account, {line.invoice_id})
        await tx.save([looked_again(line, found, ours, now=world.clock.now())])
        return replace(at, after=f"{line.kind}|{line.ref}", asked=at.asked + 1)

    return take


async def _one(world: World, account: ProviderAccount, line: ComparedLine) -> tuple[Movement, ...]:
    if line.kind is not LineKind.OWED:
        found = await world.payments.read_movements(account, line.ref)
        whole = await narrowed(world, account, [(one, line.invoice_id) for one in found])
        return tuple(one for one, _ in whole)
    try:
        return (owed((await world.payments.read_invoice(account, line.ref)).invoice),)
    except ProviderRefused as refused:
        if refused.code != GONE:
            raise
        return ()


async def _mend(world: World, account: ProviderAccount, at: Comparison) -> Take:
    """What differs is read like the object of a thin event: a report may have been missed."""

    async def take(tx: Transaction) -> Comparison:
        lines = await lines_of(tx, at, LineState.DIFFERS)
        ours = await ours_about(tx, account, {line.invoice_id for line in lines})
        now = world.clock.now()
        await tx.insert(
            [
                _read(line, ours, at, now + timedelta(seconds=n / PER_SECOND))
                for n, line in enumerate(lines)
            ]
        )
        if not lines and at.after is None:
            return replace(at, part=AGAIN)  # there is nothing to look at again
        return replace(at, after=behind(lines))

    return take


def _read(line: ComparedLine, ours: Ours, at: Comparison, due: datetime) -> Action:
    """A payment is taken in with its invoice, the rest by itself."""
    case, nth = ours.cases.get(line.invoice_id), f"compare:{at.comparison_id}"
    if line.kind is LineKind.OWED and case is not None:
        return case_action(case, ActionKind.WATCH, due, nth=nth)
    of = {LineKind.GIVEN_BACK: "charge", LineKind.LOST: "dispute"}.get(line.kind, "invoice")
    subject = line.invoice_id if of == "invoice" else line.ref
    return action_for(
        ActionKind.READ,
        subject=subject,
        merchant_id=line.merchant_id,
        account_id=line.account_id,
        due_at=due,
        customer_id=case.customer_id if case is not None else None,
        nth=nth,
        data={"type": of, "event": f"{nth}:{subject}", "at": at.began_at.isoformat()},
    )


async def _sum(world: World, account: ProviderAccount, at: Comparison) -> Take:
    """A page of all lines, added up."""

    async def take(tx: Transaction) -> Comparison:
        lines = await lines_of(tx, at, None)
        return replace(
            at,
            totals=added(at.totals or {}, lines),
            lines=at.lines + len(lines),
            mended=at.mended + sum(line.state is LineState.MENDED for line in lines),
            differing=at.differing + sum(line.state is LineState.DIFFERS for line in lines),
            after=behind(lines),
        )

    return take


AGAIN = "again"
PARTS: dict[str, Part] = {
    **LISTS,
    "unmet": partial(_looked, LineState.UNMET),
    "mend": _mend,
    AGAIN: partial(_looked, LineState.DIFFERS),
    "sum": _sum,
}
