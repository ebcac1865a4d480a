"""Actions that wait for a person: set aside with their reason, and begun again when one says so."""

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from app.domain.actions import CASE_ACTIONS, Action, ActionKind, ActionState
from app.domain.alerts import AlertKind
from app.domain.cancellations import CancelRequest
from app.domain.dunning import Case, CaseState
from app.domain.merchants import ProviderAccount
from app.domain.records import Book, Key
from app.domain.sessions import CancelSession, SessionState
from app.ports.store import Transaction
from app.ports.world import World
from app.services.alarms import alert
from app.services.audit import audit
from app.services.merchants import raise_alert, settle_alerts
from app.services.paging import by_the_page

PARKED = AlertKind.ACTION_PARKED
TOO_MUCH_GIVEN_BACK = AlertKind.REFUND_VOLUME
ALERTS = (PARKED, TOO_MUCH_GIVEN_BACK)
AT_ONCE = 200
ALLOWED = "allowed"  # in an action: a person let it go on, so no fuse keeps it again
OPEN = frozenset({CaseState.ACTIVE, CaseState.PARKED})
# What carries out a cancel request. While one of them waits for a person, so does the customer.
OF_A_REQUEST = frozenset({ActionKind.CANCEL, ActionKind.SETTLE, ActionKind.REFUND})


async def park(
    tx: Transaction,
    book: Book,
    action: Action,
    why: str,
    now: datetime,
    *,
    kind: AlertKind = PARKED,
) -> None:
    """Set an action aside, with an alert of `kind`. Whoever left and waits for it is told on
    their page that a person carries it out. The caller writes the book."""
    book.put(replace(action, state=ActionState.PARKED, leased_until=None, note=why[:500]))
    await raise_alert(tx, alert(now, action.merchant_id, kind, action.key, why))
    session = await _waiting(tx, action)
    if session is not None:
        book.know([session])
        book.put(session.moved(SessionState.FAILED, at=now))


async def _waiting(tx: Transaction, action: Action) -> CancelSession | None:
    """The session that is over only when this action is done."""
    if action.kind not in OF_A_REQUEST:
        return None
    named = (action.data or {}).get("request", action.subject)
    requests = await tx.load(CancelRequest, [(named,)])
    found = await tx.load(CancelSession, [(request.session_id,) for request in requests])
    return next((one for one in found if one.state is SessionState.CANCELLING), None)


async def begin_again(world: World, account: ProviderAccount, *, actor: str) -> int:
    """Let everything of an account that was set aside be tried anew, and settle what told of it.

    Returns how many actions that were. A cancel session is over once they are done. A case that
    was parked with its action plans anew when it is released; where it is over, what was to be
    found out about a charge is found out now. Repeated it finds nothing more.

    A page at a time, each in a transaction of its own that begins again what it finds and settles
    what told of that. Cut off in between, the rest stay parked: asked again, it goes on with them.
    """
    begun = await by_the_page(partial(_begin_page, world, account, actor))
    await world.wake.now()
    return begun


async def _begin_page(
    world: World, account: ProviderAccount, actor: str, after: Key | None
) -> tuple[int, Key | None]:
    """How many of one page begin again, and where the next one begins, if there is one."""
    now = world.clock.now()
    mine: dict[str, Any] = {"account_id": account.account_id, "state": ActionState.PARKED}
    async with world.store.transaction(account.merchant_id) as tx:
        page = await tx.find(Action, where=mine, order=("action_id",), after=after, limit=AT_ONCE)
        parked = await _to_begin(tx, page)
        again = [_again(action, now) for action in parked]
        lines = [
            audit(
                actor=actor,
                action="action.begun_again",
                subject=after.key,
                at=now,
                before=before,
                after=after,
            )
            for before, after in zip(parked, again, strict=True)
        ]
        await tx.save(again)
        await tx.insert(lines)
        keys = [action.key for action in parked]
        for kind in ALERTS:
            await settle_alerts(tx, account.merchant_id, kind, *keys, at=now)
    return len(again), (page[-1].action_id,) if len(page) == AT_ONCE else None


async def _to_begin(tx: Transaction, parked: list[Action]) -> list[Action]:
    """All but those of a case that waits for a person as well, or that goes on by itself."""
    keys = sorted({(row.case_id,) for row in parked if row.case_id and _is_of_case(row)})
    going_on = {case.case_id for case in await tx.load(Case, keys) if case.state in OPEN}
    return [row for row in parked if not (_is_of_case(row) and row.case_id in going_on)]


async def drop_parked(tx: Transaction, case: Case, now: datetime) -> None:
    """A case that was parked is taken up again and has planned anew: what was set aside with it is
    needless, and what told of that is settled."""
    where = {"account_id": case.account_id, "case_id": case.case_id, "state": ActionState.PARKED}
    parked = [row for row in await tx.find(Action, where=where) if _is_of_case(row)]
    again = "the case was taken up again"
    await tx.save([replace(row, state=ActionState.DROPPED, note=again) for row in parked])
    keys = [row.key for row in parked]
    await settle_alerts(tx, case.merchant_id, PARKED, *keys, at=now)


def _is_of_case(action: Action) -> bool:
    return action.kind in CASE_ACTIONS and action.case_id is not None


def _again(action: Action, now: datetime) -> Action:
    data = {name: value for name, value in (action.data or {}).items() if name != "faults"}
    begun = replace(action, state=ActionState.PENDING, due_at=now, leased_until=None, note=None)
    return replace(begun, data={**data, ALLOWED: True})
