"""Moving in from another product: its sessions, and what the provider remembers of who left.

Neither writes to anybody: history opens no conversation. What is known is left as it is.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from app.domain.actions import Action, ActionKind, ActionState, action_for
from app.domain.churn import ChurnOrigin, ChurnRecord
from app.domain.imported_churn import churn_of
from app.domain.imported_rows import Row, Whose, Wrong, read_row
from app.domain.imports import ImportedSession
from app.domain.merchants import ProviderAccount
from app.domain.mirror import Subscription
from app.domain.operations import AuditEntry
from app.domain.records import Book
from app.domain.survey import KEPT_FOR
from app.ports.store import Ask, Transaction
from app.ports.world import World
from app.services.audit import audit
from app.services.backfill import backfill_subscriptions
from app.services.books import write

AT_A_TIME = 500
SHOWN_WRONG = 100  # of a file in which nothing is right
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What came of a file: lines read, sessions new and known before, lines that cannot be meant.
    With any of those nothing was kept."""

    lines: int = 0
    new: int = 0
    known: int = 0
    churn: int = 0
    wrong: tuple[Wrong, ...] = ()


async def import_sessions(
    world: World,
    account: ProviderAccount,
    rows: Sequence[tuple[int, Row]],
    *,
    product: str,
    reasons: dict[str, str],
    dry_run: bool,
    actor: str,
) -> Moved:
    """Keep the sessions of an export, all of them or, where a line cannot be meant, none.

    `rows` are line numbers and lines under our columns. Safe to repeat: a session is known by its
    product and reference, and what is known stays as it is. A dry run finds the same faults and
    counts, and keeps nothing.
    """
    whose = Whose(
        merchant_id=account.merchant_id,
        account_id=account.account_id,
        product=product,
        reasons=reasons,
        now=world.clock.now(),
    )
    read = [read_row(row, line, whose) for line, row in rows]
    wrong = [fault for found in read if isinstance(found, tuple) for fault in found]
    if wrong:
        return Moved(lines=len(rows), wrong=tuple(wrong[:SHOWN_WRONG]))
    sessions = {(one.product, one.reference): one for one in _sessions(read)}
    moved = Moved(lines=len(rows), known=len(rows) - len(sessions))
    for part in _in_parts(sessions.values()):
        moved = await _keep(world, account, part, moved, dry_run=dry_run, actor=actor)
    return moved


def _sessions(read: Iterable[ImportedSession | tuple[Wrong, ...]]) -> Iterator[ImportedSession]:
    """The sessions, the first line of a reference last, so that it is the one that is kept."""
    return (one for one in reversed(list(read)) if isinstance(one, ImportedSession))


def _in_parts(sessions: Iterable[ImportedSession]) -> Iterator[list[ImportedSession]]:
    """Parts of some 500, with all of a subscription in one: the last of them decides its end."""
    whose: dict[tuple[str | None, str], list[ImportedSession]] = {}
    for one in sorted(sessions, key=lambda one: (one.at, one.reference)):
        key = (one.subscription_id, "" if one.subscription_id else one.reference)
        whose.setdefault(key, []).append(one)
    part: list[ImportedSession] = []
    for mine in whose.values():
        part += mine
        if len(part) >= AT_A_TIME:
            yield part
            part = []
    if part:
        yield part


async def _keep(
    world: World,
    account: ProviderAccount,
    part: list[ImportedSession],
    moved: Moved,
    *,
    dry_run: bool,
    actor: str,
) -> Moved:
    """One transaction of sessions with what they say of ends."""
    now = world.clock.now()
    async with world.store.transaction(account.merchant_id) as tx:
        await tx.lock(account.account_id, _locks(part))
        new = await _unknown(tx, part)
        lines = await _ends(tx, account, new, now)
        if not dry_run and new:
            book = Book()
            for row in (*new, *lines, *_forgetting(new)):
                book.add(row)
            book.add(_told(account, new, actor, now))
            await write(tx, book, at=now)
    return replace(
        moved,
        new=moved.new + len(new),
        known=moved.known + len(part) - len(new),
        churn=moved.churn + len(lines),
    )


def _told(
    account: ProviderAccount, new: list[ImportedSession], actor: str, now: datetime
) -> AuditEntry:
    """Who brought how many of what; what customers wrote has no place in a log that stays."""
    subject = f"{new[0].product}: {len(new)} from {new[0].reference}"
    return audit(actor=actor, action="sessions.imported", subject=subject, at=now, after=account)


def _locks(part: list[ImportedSession]) -> set[str]:
    """Whom the ledger lines are about; the same as for reports about them."""
    return {one.customer_id or one.subscription_id or one.reference for one in part}


async def _unknown(tx: Transaction, part: list[ImportedSession]) -> list[ImportedSession]:
    where = {
        "merchant_id": part[0].merchant_id,
        "product": part[0].product,
        "reference": [one.reference for one in part],
    }
    known = {one.reference for one in await tx.find(ImportedSession, where=where)}
    return [one for one in part if one.reference not in known]


async def _ends(
    tx: Transaction, account: ProviderAccount, new: list[ImportedSession], now: datetime
) -> list[ChurnRecord]:
    ids = sorted({one.subscription_id for one in new if one.subscription_id})
    known, mirrored = await tx.ask(
        Ask(ChurnRecord, where={"account_id": account.account_id, "subscription_id": ids}),
        Ask(Subscription, keys=[(account.account_id, name) for name in ids]),
    )
    subscriptions = {one.subscription_id: one for one in mirrored}
    lines: list[ChurnRecord] = list(known)
    added: list[ChurnRecord] = []
    for one in reversed(new):  # the last word about a subscription is the one that ended it
        mine = [line for line in lines if line.subscription_id == one.subscription_id]
        fresh = churn_of(one, mine, subscriptions.get(one.subscription_id or ""), now)
        lines += fresh
        added += fresh
    return added


def _forgetting(new: list[ImportedSession]) -> list[Action]:
    """One look for each day of sessions, a year after, that empties what customers wrote."""
    days = {_day(one.at) for one in new if one.words or one.competitor}
    return [
        action_for(
            ActionKind.FORGET_IMPORTED,
            subject=new[0].account_id,
            merchant_id=new[0].merchant_id,
            account_id=new[0].account_id,
            due_at=day + DAY + KEPT_FOR,
            nth=f"{day.date()}:{new[0].recorded_at.isoformat()}",
            data={"day": day.isoformat()},
        )
        for day in sorted(days)
    ]


def _day(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


async def forget(world: World, action: Action) -> None:
    """Empty what customers wrote in imported sessions of a day, a year after. Safe to repeat."""
    day = datetime.fromisoformat((action.data or {})["day"])
    now = world.clock.now()
    async with world.store.transaction(action.merchant_id) as tx:
        where = {
            "account_id": action.account_id,
            "at__gte": day,
            "at__lte": day + DAY - timedelta(microseconds=1),
            "forgotten_at": None,
        }
        found = await tx.find(ImportedSession, where=where)
        await tx.save(
            [replace(one, words=None, competitor=None, forgotten_at=now) for one in found]
        )
        await tx.save([replace(action, state=ActionState.DONE, leased_until=None)])


async def import_history(world: World, account: ProviderAccount) -> tuple[int, int]:
    """Read what the provider remembers of all subscriptions, those that ended too, with what their
    customers said (`cancellation_details`). Returns how many there were and how many ends are in
    the ledger as history now. Safe to repeat; raises the provider's errors, what was read stays.
    """
    taken = await backfill_subscriptions(world, account)
    where = {"account_id": account.account_id, "origin": ChurnOrigin.HISTORY}
    async with world.store.transaction(account.merchant_id) as tx:
        return taken, await tx.count(ChurnRecord, where=where | {"count": 1})
