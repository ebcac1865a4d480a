"""The parts of a round of reconciling: what each asks, and what is written of the answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.actions import Action, ActionKind, action_for
from app.domain.dunning import Case, CaseState
from app.domain.merchants import ProviderAccount
from app.domain.mirror import Invoice, Subscription
from app.domain.openings import case_action
from app.domain.operations import InboxEvent, share_of
from app.domain.recovery import Failure
from app.ports.payments import Owing, ProviderRefused
from app.ports.store import Transaction
from app.ports.webhooks import BadEvent
from app.ports.world import World

EVERY = timedelta(hours=12)  # twice a day, so that one round that is put off breaks no promise
SILENT = timedelta(hours=1)  # what was heard of since then needs no look
PER_SECOND = 2  # questions to one account's provider, of the 100 that Stripe allows in live mode
PAGE = 100
UNDER_WAY = timedelta(minutes=10)  # an event this young is still on its way to us
OVERLAP = timedelta(hours=1)  # the provider's clock is not ours, nor are its lists quite in order
KEPT = timedelta(days=30)  # so long the provider keeps its events
GONE = "resource_missing"
# What changes with everything that may happen to an open invoice.
STAND = (
    "status",
    "due_minor",
    "paid_minor",
    "remaining_minor",
    "attempt_count",
    "next_attempt_at",
    "auto_advance",
)
BEGINNING, DONE = "beginning", "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """How far one round has come. `since` and `until` are the span of events it looks at, ISO
    instants; `part` is the part it is at, `after` the cursor in it; every second round is `full`,
    the others look at events alone. `missed`, `read` and `quiet` count what it found; `of_last`
    holds those figures of the round before."""

    since: str
    until: str
    part: str = "events"
    after: str | None = None
    full: bool = True
    missed: int = 0
    read: int = 0
    quiet: int = 0
    of_last: dict[str, int] | None = None

    @property
    def began_at(self) -> datetime:
        """The instant up to which this round looks, aware UTC."""
        return datetime.fromisoformat(self.until)


# Each part asks its question outside any transaction and returns what is to be written inside one,
# or the round as it goes on where nothing is.
Take = Callable[[Transaction], Awaitable[Round]]
Part = Callable[[World, ProviderAccount, Round], Awaitable[Take | Round]]


async def _events(world: World, account: ProviderAccount, turn: Round) -> Take | Round:
    """Events of our types that are not in the inbox go into it."""
    since = max(datetime.fromisoformat(turn.since), turn.began_at - KEPT)
    until = turn.began_at - UNDER_WAY
    try:
        page = await world.payments.list_events(
            account, since=since, until=until, after=turn.after, limit=PAGE
        )
    except ProviderRefused as refusal:
        return _anew(turn, refusal)
    rows = [row for body in page.bodies if (row := _inbox_row(world, account, body))]
    if not rows:
        return replace(turn, after=page.next)

    async def take(tx: Transaction) -> Round:
        missed = await tx.insert(rows)
        return replace(turn, after=page.next, missed=turn.missed + len(missed))

    return take


def _anew(turn: Round, refusal: ProviderRefused) -> Round:
    """Begin the part again where what the cursor names is gone; any other refusal stands."""
    if not turn.after or refusal.code != GONE:
        raise refusal
    return replace(turn, after="")


def _inbox_row(world: World, account: ProviderAccount, body: str) -> InboxEvent | None:
    """The event as its webhook would have brought it; None for what is no event."""
    try:
        head = world.webhooks.head(body.encode())
    except BadEvent:
        return None
    return InboxEvent(
        merchant_id=account.merchant_id,
        account_id=account.account_id,
        event_id=head.id,
        type=head.type,
        body=body,
        created_at=head.created_at,
        received_at=world.clock.now(),
        share=share_of(account.account_id, head.customer),
    )


async def _unpaid(world: World, account: ProviderAccount, turn: Round) -> Take | Round:
    """What the provider counts as unpaid and we do not is read: an event may be older than the
    provider keeps them, or than our connection. What stands as we know it is seen thereby."""
    try:
        page = await world.payments.list_owing(account, after=turn.after, limit=PAGE)
    except ProviderRefused as refusal:
        return _anew(turn, refusal)
    if not page.found:
        return replace(turn, after=page.next)

    async def take(tx: Transaction) -> Round:
        await _see(tx, account, page.found, turn)
        strange = await _strange(tx, account, page.found)
        reads = [
            _read_action(account, one, turn, world.clock.now() + _pace(turn.read + n))
            for n, one in enumerate(strange)
        ]
        planned = await tx.insert(reads)
        return replace(turn, after=page.next, read=turn.read + len(planned))

    return take


async def _see(
    tx: Transaction, account: ProviderAccount, found: tuple[Owing, ...], turn: Round
) -> None:
    """A hundred open invoices that stand as we know them are seen with one question; a look at
    each is for those that do not."""
    live = {one.id: one.invoice for one in found if one.invoice is not None}
    await tx.lock(account.account_id, {i.customer_id for i in live.values() if i.customer_id})
    known = await tx.load(Invoice, [(account.account_id, invoice_id) for invoice_id in live])
    since = turn.began_at - SILENT
    await tx.save(
        [
            replace(one, seen_at=live[one.invoice_id].seen_at)
            for one in known
            if not _is_heard(one, since) and _stand(one) == _stand(live[one.invoice_id])
        ]
    )


def _stand(invoice: Invoice) -> tuple[object, ...]:
    return tuple(getattr(invoice, name) for name in STAND)


async def _strange(
    tx: Transaction, account: ProviderAccount, found: tuple[Owing, ...]
) -> list[Owing]:
    """Invoices whose failure we do not know, subscriptions that stand otherwise with us."""
    invoices = sorted(one.id for one in found if one.kind == "invoice")
    where = {"account_id": account.account_id, "invoice_id": invoices}
    counted = {failure.invoice_id for failure in await tx.find(Failure, where=where)}
    keys = [(account.account_id, one.id) for one in found if one.kind == "subscription"]
    known = {(s.subscription_id, s.status) for s in await tx.load(Subscription, keys)}
    return [
        one
        for one in found
        if one.id not in counted and (one.kind == "invoice" or (one.id, one.status) not in known)
    ]


def _read_action(account: ProviderAccount, one: Owing, turn: Round, due: datetime) -> Action:
    at = one.since or turn.began_at
    return action_for(
        ActionKind.READ,
        subject=one.id,
        merchant_id=account.merchant_id,
        account_id=account.account_id,
        due_at=due,
        customer_id=one.customer,
        nth=f"reconcile:{turn.until}",
        data={
            "type": one.kind,
            "event": f"reconcile:{one.id}:{turn.until}",
            "at": (at if one.kind == "invoice" else turn.began_at).isoformat(),
        },
    )


async def _quiet(world: World, account: ProviderAccount, turn: Round) -> Take:
    """Active cases of which nothing was heard or seen for long are looked at."""

    async def take(tx: Transaction) -> Round:
        cases = await _active(tx, account, turn.after)
        keys = [(case.account_id, case.invoice_id) for case in cases]
        since = turn.began_at - SILENT
        heard = {i.invoice_id for i in await tx.load(Invoice, keys) if _is_heard(i, since)}
        silent = [case for case in cases if case.invoice_id not in heard]
        due = [world.clock.now() + _pace(turn.quiet + n) for n in range(len(silent))]
        looks = [
            case_action(case, ActionKind.WATCH, at, nth=f"quiet:{turn.until}")
            for case, at in zip(silent, due, strict=True)
        ]
        planned = await tx.insert(looks)
        last = cases[-1] if len(cases) == PAGE else None
        after = f"{last.opened_at.isoformat()}|{last.case_id}" if last else None
        return replace(turn, after=after, quiet=turn.quiet + len(planned))

    return take


async def _active(tx: Transaction, account: ProviderAccount, after: str | None) -> list[Case]:
    opened, _, case_id = (after or "").partition("|")
    return await tx.find(
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


def _is_heard(invoice: Invoice, since: datetime) -> bool:
    return invoice.seen_at is not None and invoice.seen_at > since


def _pace(n: int) -> timedelta:
    return timedelta(seconds=n / PER_SECOND)


PARTS: tuple[tuple[str, Part], ...] = (("events", _events), ("unpaid", _unpaid), ("quiet", _quiet))
