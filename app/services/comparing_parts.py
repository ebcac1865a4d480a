"""The first parts of a comparison: the provider's lists beside what we have, and the other way."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from app.domain.comparing import (
    DISPUTES_BACK,
    NIGHT,
    OF_ENTRY,
    REFUNDS_BACK,
    ComparedLine,
    Comparison,
    LineKind,
    LineState,
    Movement,
    Ours,
    compared,
    of_part,
    ref_of,
    unmet,
)
from app.domain.dunning import Case, CaseState
from app.domain.merchants import ProviderAccount
from app.domain.mirror import Invoice, InvoiceStatus, Payment
from app.domain.recovery import Failure, RecoveryEntry
from app.ports.store import Ask, Transaction
from app.ports.world import World
from app.services.reconciling_parts import PAGE

# Each part asks its question outside any transaction and returns what is to be written inside one:
# the comparison as it goes on, `after` None where the part is at its end.
Take = Callable[[Transaction], Awaitable[Comparison]]
Part = Callable[[World, ProviderAccount, Comparison], Awaitable[Take]]


async def _listed(
    of: str, back: timedelta, world: World, account: ProviderAccount, at: Comparison
) -> Take:
    """A page of a list of the provider's, each row beside what we have about its invoice."""
    page = await world.payments.list_movements(
        account, of, since=at.since - back, until=at.until, after=at.after, limit=PAGE
    )
    joined = await _joined(world, account, page.found)

    async def take(tx: Transaction) -> Comparison:
        ours = await ours_about(tx, account, {invoice for _, invoice in joined})
        await tx.insert(compared(at, joined, ours, now=world.clock.now()))
        return replace(at, after=page.next, asked=at.asked + 1)

    return take


async def _joined(
    world: World, account: ProviderAccount, found: Sequence[Movement]
) -> list[tuple[Movement, str]]:
    """Movements of invoices, each with its own: as the provider tells, as mirror or ledger know,
    else, for customers who ever had a case, by a question for each payment."""
    async with world.store.transaction(account.merchant_id) as tx:
        known = await _known_invoices(tx, account, found)
        customers = sorted({m.customer_id for m in found if m.customer_id})
        where = {"account_id": account.account_id, "customer_id": customers}
        cases = await tx.find(Case, where=where) if customers else []
    failed = {case.customer_id for case in cases}
    for movement in found:
        payment = movement.payment_id
        if payment and payment not in known and movement.customer_id in failed:
            known[payment] = await world.payments.invoice_of_payment(account, payment)
    told = ((m, m.invoice_id or known.get(m.payment_id or "")) for m in found)
    joined = [(movement, invoice) for movement, invoice in told if invoice]
    return await narrowed(world, account, joined)


Joined = list[tuple[Movement, str]]


async def narrowed(world: World, account: ProviderAccount, joined: Joined) -> Joined:
    """The same movements, as far as they are about their invoice: where a charge took more than was
    entered, the provider is asked what of it went there."""
    async with world.store.transaction(account.merchant_id) as tx:
        ours = await ours_about(tx, account, {invoice for _, invoice in joined})
    parts: dict[str, tuple[int, int]] = {}
    for movement, invoice in joined:
        if movement.ref not in parts and ours.asks_for_part(movement, invoice):
            payment = movement.payment_id or movement.ref
            part = await world.payments.read_part(account, payment, invoice)
            if part is not None:
                parts[movement.ref] = (movement.minor, part)
    return [(of_part(m, *parts[m.ref]) if m.ref in parts else m, i) for m, i in joined]


async def _known_invoices(
    tx: Transaction, account: ProviderAccount, found: Iterable[Movement]
) -> dict[str, str | None]:
    lost = [m for m in found if m.invoice_id is None]
    keys = sorted({m.payment_id for m in lost if m.payment_id})
    refs = sorted({m.ref for m in lost if m.kind is LineKind.PAID} | set(keys))
    where = {"account_id": account.account_id, "provider_ref": refs}
    mirrored, entered = await tx.ask(
        Ask(Payment, keys=[(account.account_id, key) for key in keys]),
        Ask(RecoveryEntry, where=where if refs else {**where, "provider_ref": [""]}),
    )
    known: dict[str, str | None] = {p.payment_id: p.invoice_id for p in mirrored if p.invoice_id}
    by_ref = {entry.provider_ref: entry.invoice_id for entry in entered}
    for movement in lost:
        invoice = by_ref.get(movement.ref) or by_ref.get(movement.payment_id or "")
        if invoice and movement.payment_id:
            known.setdefault(movement.payment_id, invoice)
    return known


async def ours_about(tx: Transaction, account: ProviderAccount, invoices: Collection[str]) -> Ours:
    """What we have about these invoices."""
    if not invoices:
        return Ours.of((), (), ())
    where = {"account_id": account.account_id, "invoice_id": sorted(invoices)}
    failures, entries, cases = await tx.ask(
        Ask(Failure, where=where), Ask(RecoveryEntry, where=where), Ask(Case, where=where)
    )
    return Ours.of(failures, entries, cases)


async def _owing(world: World, account: ProviderAccount, at: Comparison) -> Take:
    """A page of what the provider counts as unpaid, beside what our cases say is owed."""
    page = await world.payments.list_owing(account, after=at.after, limit=PAGE)
    found = [
        (owed(one.invoice), one.id)
        for one in page.found
        if one.kind == "invoice" and one.invoice is not None
    ]

    async def take(tx: Transaction) -> Comparison:
        ours = await ours_about(tx, account, {invoice for _, invoice in found})
        await tx.insert(compared(at, found, ours, now=world.clock.now()))
        return replace(at, after=page.next, asked=at.asked + 1)

    return take


def owed(invoice: Invoice) -> Movement:
    closed = invoice.status not in (InvoiceStatus.OPEN, InvoiceStatus.DRAFT)
    return Movement(
        kind=LineKind.OWED,
        ref=invoice.invoice_id,
        currency=invoice.currency,
        minor=0 if closed else invoice.remaining_minor,
        at=None,
    )


async def _entries(world: World, account: ProviderAccount, at: Comparison) -> Take:
    """A page of the ledger, by when it was written: what no list had is to be asked for."""
    recorded, _, entry_id = (at.after or "").partition("|")

    async def take(tx: Transaction) -> Comparison:
        where = {
            "merchant_id": account.merchant_id,
            "account_id": account.account_id,
            "recorded_at__gte": at.since,
            "recorded_at__lte": at.until,
        }
        found = await tx.find(
            RecoveryEntry,
            where=where,
            order=("recorded_at", "entry_id"),
            after=(datetime.fromisoformat(recorded), entry_id) if recorded else None,
            limit=PAGE,
        )
        about = [entry for entry in found if entry.kind in OF_ENTRY]
        await _add_unmet(tx, world, account, at, about, ())
        last = found[-1] if len(found) == PAGE else None
        after = f"{last.recorded_at.isoformat()}|{last.entry_id}" if last else None
        return replace(at, after=after)

    return take


async def _cases(world: World, account: ProviderAccount, at: Comparison) -> Take:
    """A page of active cases: what is not in the list of unpaid invoices is to be asked for."""
    opened, _, case_id = (at.after or "").partition("|")

    async def take(tx: Transaction) -> Comparison:
        found = await tx.find(
            Case,
            where={
                "merchant_id": account.merchant_id,
                "account_id": account.account_id,
                "state": CaseState.ACTIVE,
            },
            order=("opened_at", "case_id"),
            after=(datetime.fromisoformat(opened), case_id) if opened else None,
            limit=PAGE,
        )
        await _add_unmet(tx, world, account, at, (), found)
        last = found[-1] if len(found) == PAGE else None
        after = f"{last.opened_at.isoformat()}|{last.case_id}" if last else None
        return replace(at, after=after)

    return take


async def _add_unmet(
    tx: Transaction,
    world: World,
    account: ProviderAccount,
    at: Comparison,
    entries: Sequence[RecoveryEntry],
    cases: Sequence[Case],
) -> None:
    """Lines of what has none yet, under either of its names."""
    invoices = sorted({e.invoice_id for e in entries} | {case.invoice_id for case in cases})
    if not invoices:
        return
    where = {"comparison_id": at.comparison_id, "invoice_id": invoices}
    met = {
        (line.kind, name)
        for line in await tx.find(ComparedLine, where=where)
        for name in (line.ref, line.payment_id)
    }
    named = {(OF_ENTRY[entry.kind], ref_of(entry)) for entry in entries}
    ours = await ours_about(tx, account, {entry.invoice_id for entry in entries})
    alone = Ours.of((), (row for rows in ours.entries.values() for row in rows), cases)
    lines = [
        line
        for line in unmet(at, alone, now=world.clock.now())
        if (line.kind, line.ref) not in met
        and (line.kind is LineKind.OWED or (line.kind, line.ref) in named)
    ]
    await tx.insert(lines)


async def _before(world: World, account: ProviderAccount, at: Comparison) -> Take:
    """A page of what differed the night before: it is asked for until it differs no more."""

    async def take(tx: Transaction) -> Comparison:
        where = {"account_id": account.account_id, "asked_by": NIGHT, "ended_at__lte": at.began_at}
        last = await tx.find(Comparison, where=where, order=("-until",), limit=1)
        if at.asked_by != NIGHT or not last:
            return replace(at, after=None)
        differed = await lines_of(tx, replace(last[0], after=at.after), LineState.DIFFERS)
        ours = at.comparison_id
        again = [replace(x, comparison_id=ours, state=LineState.UNMET) for x in differed]
        await tx.insert(again)
        return replace(at, after=behind(differed))

    return take


async def lines_of(
    tx: Transaction, at: Comparison, state: LineState | None, *, limit: int = PAGE
) -> list[ComparedLine]:
    """A page of the lines in this state, or in any, behind `after`."""
    kind, _, ref = (at.after or "").partition("|")
    return await tx.find(
        ComparedLine,
        where={"comparison_id": at.comparison_id, **({"state": state} if state else {})},
        order=("kind", "ref"),
        after=(kind, ref) if kind else None,
        limit=limit,
    )


def behind(lines: Sequence[ComparedLine]) -> str | None:
    """The cursor behind a page of lines; None where it was the last."""
    return f"{lines[-1].kind}|{lines[-1].ref}" if len(lines) == PAGE else None


LISTS: dict[str, Part] = {
    "charges": partial(_listed, "charge", timedelta(0)),
    "refunds": partial(_listed, "refund", REFUNDS_BACK),
    "disputes": partial(_listed, "dispute", DISPUTES_BACK),
    "owing": _owing,
    "entries": _entries,
    "cases": _cases,
    "before": _before,
}
