"""The store over PostgreSQL: set-wise statements, and the only commit."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar, cast

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.domain.actions import Action, ActionKind
from app.domain.operations import InboxEvent
from app.domain.records import Key, R, key_of
from app.ports.store import TRANSACTION_LIMIT_S, Ask, RowRefused, StoreUnavailable
from app.storage import agreeing
from app.storage.addresses import engine_url
from app.storage.agreeing import Agreement
from app.storage.asking import Asked
from app.storage.claims import (
    CLAIM_ACTIONS,
    CLAIM_INBOX,
    DROP_BODIES,
    EMPTY_BODIES,
    HOLD_SHARES,
    PARK_INBOX,
    UNCLAIM_ACTIONS,
)
from app.storage.errors import FAULTS, Unbroken, translated
from app.storage.questions import Question, asks_for_nothing
from app.storage.registry import in_order
from app.storage.scope import APP, SYSTEM, entering
from app.storage.statements import Plan, newest, plan_of

KINDS = [kind.value for kind in ActionKind]  # of this release
SETTINGS = {
    "application_name": "holdfast",
    "statement_timeout": "4500",  # ms, as the next two
    "lock_timeout": "3000",
    "idle_in_transaction_session_timeout": "5000",
    "jit": "off",  # compiling costs more than any of these short statements
    # What is worked on lies in memory. At the default the planner sorts a whole backlog, bodies
    # and all, before it takes its first rows.
    "random_page_cost": "1.1",
    # The planner takes a list of unknown length for ten, and so plans each statement anew for the
    # one or two that it is given: half of the database's work. What decides over an index stands
    # in the statements as a word; figures ask for plans of their own.
    "plan_cache_mode": "force_generic_plan",
}
UNDO_S = 1.0  # a database that does not answer to a rollback is left alone
STATEMENTS = 500  # prepared per connection; the driver's 100 are fewer than a case can ask
LOCK = "select pg_advisory_xact_lock(number) from unnest($1::bigint[]) as given (number)"

T = TypeVar("T")


def create_engine(database_url: str, *, pool_size: int = 10) -> AsyncEngine:
    """An engine whose connections give up in time: `pool_size` of them, and as many more under
    load. Those stay as well: a burst is seldom the last, and each new one plans its statements
    anew. Dispose of it when the process ends."""
    return create_async_engine(
        engine_url(database_url),
        pool_size=2 * pool_size,
        max_overflow=0,
        pool_timeout=TRANSACTION_LIMIT_S,
        # the connection used last has its statements planned; taken in turn, each plans them anew
        pool_use_lifo=True,
        connect_args={
            "server_settings": SETTINGS,
            "timeout": TRANSACTION_LIMIT_S,
            "statement_cache_size": STATEMENTS,
        },
    )


class PostgresStore:
    """`ports.store.Store`. Any number may stand on one database. A transaction that is not at
    its end after `limit_s` is given up with `StoreUnavailable`. Without an `agreement` any instant
    will do: the clock is stepped."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        limit_s: float = TRANSACTION_LIMIT_S,
        agreement: Agreement | None = None,
    ) -> None:
        self._engine, self._limit_s, self._agreement = engine, limit_s, agreement

    @asynccontextmanager
    async def transaction(self, *merchants: str) -> AsyncIterator["PostgresTransaction"]:
        async with self._open(APP, merchants) as transaction:
            yield transaction

    @asynccontextmanager
    async def system(self) -> AsyncIterator["PostgresTransaction"]:
        async with self._open(SYSTEM, ()) as transaction:
            yield transaction

    @asynccontextmanager
    async def _open(
        self, role: str, merchants: Collection[str]
    ) -> AsyncIterator["PostgresTransaction"]:
        limit = asyncio.timeout(self._limit_s)
        try:
            async with limit, AsyncExitStack() as held:
                transaction = await self._begin(held, role, merchants)
                yield transaction
                await transaction.commit()
        except TimeoutError as late:
            if limit.expired():
                raise StoreUnavailable(f"no end within {self._limit_s} s") from late
            raise

    async def _begin(
        self, held: AsyncExitStack, role: str, merchants: Collection[str]
    ) -> "PostgresTransaction":
        """A connection that died in the pool is found out by the first statement, before anything
        was asked of it: then once more with a fresh one (cheaper than asking each if it lives)."""
        for again in (True, False):
            with translated():
                connection = await held.enter_async_context(self._engine.connect())
                raw = await connection.get_raw_connection()
            transaction = PostgresTransaction(connection, raw.driver_connection, self._agreement)
            held.push_async_callback(transaction.leave)
            try:
                await transaction.begin(role, merchants)
                break
            except StoreUnavailable:
                if not again or not connection.invalidated:
                    raise
        return transaction


class PostgresTransaction(Unbroken):
    """`ports.store.Transaction` on one connection of the pool; made by `PostgresStore` alone.

    It talks to the driver itself: what SQLAlchemy adds to a statement costs more than the short
    statements here. The pool, its limits and its reconnecting stay SQLAlchemy's.
    """

    def __init__(
        self, connection: AsyncConnection, driver: Any, agreement: Agreement | None
    ) -> None:
        super().__init__()
        self._connection, self._driver, self._agreement = connection, driver, agreement
        self._role, self._begun = "", False

    async def begin(self, role: str, merchants: Collection[str]) -> None:
        """Begin, with a role and the rows of these merchants."""
        self._role, self._begun = role, True
        try:
            with self.step(), translated():
                await self._do(f"begin; {entering(role, merchants)}")
        except RowRefused as unprepared:  # no such role, or not ours to take: not migrated
            raise StoreUnavailable(str(unprepared)) from unprepared

    async def commit(self) -> None:
        """End it; called by the store alone. Raises the first fault there was instead."""
        with self.step(), translated():
            said = await self._do("commit")
        self._begun = False
        if said != "COMMIT":
            raise StoreUnavailable(f"the database answered {said} to a commit")

    async def leave(self) -> None:
        """Undo what was not committed, whoever cancelled it; a connection that cannot do even
        that is given up."""
        if self._begun:
            await asyncio.shield(asyncio.ensure_future(self._undo()))

    async def _undo(self) -> None:
        try:
            async with asyncio.timeout(UNDO_S):
                await self._driver.execute("rollback")
        except (*FAULTS, TimeoutError):
            await self._connection.invalidate()

    async def act_for(self, merchants: Collection[str]) -> None:
        self._role = APP
        with self.step(), translated():
            await self._do(entering(APP, merchants))

    async def agree_on(self, now: datetime) -> None:
        if self._agreement is None or self._agreement.holds(now):
            return
        ((apart_s,),) = await self._ask(agreeing.ASK, now)
        if why := self._agreement.learns(now, apart_s):
            raise StoreUnavailable(why)

    async def lock(self, account_id: str, keys: Collection[str]) -> None:
        if keys:
            await self._ask(LOCK, sorted({lock_number(account_id, key) for key in keys}))

    async def load(self, kind: type[R], keys: Collection[Key]) -> list[R]:
        if not keys:
            return []
        plan = plan_of(kind)
        return [plan.decode(row) for row in await self._ask(plan.load, *plan.key_arrays(keys))]

    async def find(
        self,
        kind: type[R],
        *,
        where: Mapping[str, Any],
        after: Key | None = None,
        order: Sequence[str] = (),
        limit: int | None = None,
    ) -> list[R]:
        if asks_for_nothing(where):
            return []
        plan = plan_of(kind)
        question = Question(plan, where, after, order, limit)
        return [plan.decode(row) for row in await self._ask(question.sql, *question.bound)]

    async def ask(self, *questions: Ask) -> list[list[Any]]:
        asked = Asked(questions)
        if not asked.sql:
            return [[] for _ in questions]
        return asked.answers((await self._ask(asked.sql, *asked.bound))[0])

    async def count(self, kind: type[R], *, where: Mapping[str, Any]) -> int:
        if asks_for_nothing(where):
            return 0
        question = Question(plan_of(kind), where, None, (), None)
        return int((await self._ask(question.count, *question.bound))[0][0])

    async def insert(self, rows: Sequence[R]) -> list[R]:
        new: set[int] = set()
        for plan, same in _by_plan(rows):
            first = {key_of(row): row for row in reversed(same)}
            given = [first[key] for key in sorted(first)]
            for key in await self._give(plan.insert, plan, given):
                new.add(id(first[tuple(key)]))
        return [row for row in rows if id(row) in new]

    async def save(self, rows: Sequence[R]) -> None:
        for plan, same in _by_plan(rows):
            await self._give(plan.save, plan, newest(same))

    async def claim_inbox(self, limit: int, *, at: datetime) -> list[InboxEvent]:
        self._only_system()
        shares = [row[0] for row in await self._ask(HOLD_SHARES, limit)]
        rows = await self._ask(CLAIM_INBOX, limit, shares, at) if shares else []
        decode = plan_of(InboxEvent).decode
        return [decode(row[1:]) for row in sorted(rows, key=itemgetter(0))]

    async def park_inbox(self, parked: Mapping[Key, str]) -> None:
        if parked:
            rows = [(*key, reason) for key, reason in sorted(parked.items())]
            await self._ask(PARK_INBOX, *(list(column) for column in zip(*rows, strict=True)))

    async def drop_bodies(self, account_id: str, *, before: datetime, limit: int) -> int:
        return len(await self._ask(DROP_BODIES, account_id, before, limit))

    async def empty_bodies(self, keys: Collection[Key]) -> None:
        if keys:
            await self._ask(EMPTY_BODIES, *(list(part) for part in zip(*sorted(keys), strict=True)))

    async def claim_actions(
        self, limit: int, *, now: datetime, lease_s: float, but: Collection[str] = ()
    ) -> list[Action]:
        self._only_system()
        rows = await self._ask(CLAIM_ACTIONS, limit, now, float(lease_s), sorted(but), KINDS)
        claimed = [plan_of(Action).decode(row) for row in rows]
        return sorted(claimed, key=lambda action: (action.due_at, action.key))

    async def unclaim_actions(self, claims: Mapping[str, int]) -> None:
        self._only_system()
        if claims:
            await self._ask(UNCLAIM_ACTIONS, list(claims), list(claims.values()))

    async def lease_clock(self) -> datetime:
        ((instant,),) = await self._ask("select clock_timestamp()")
        return cast("datetime", instant)

    def _only_system(self) -> None:
        if self._role != SYSTEM:
            raise RuntimeError("work is claimed in `Store.system` only")

    async def _give(self, statement: str, plan: Plan[Any], rows: Sequence[Any]) -> Any:
        with self.step():
            arrays = plan.arrays(rows)
        return await self._ask(statement, *arrays)

    async def _ask(self, statement: str, *bound: Any) -> Sequence[Sequence[Any]]:
        with self.step(), translated():
            rows: Sequence[Sequence[Any]] = await self._living(
                self._driver.fetch(statement, *bound)
            )
            return rows

    async def _do(self, statements: str) -> str:
        said: str = await self._living(self._driver.execute(statements))
        return said

    async def _living(self, answer: Awaitable[T]) -> T:
        try:
            return await answer
        except FAULTS:
            if self._driver.is_closed():  # the pool must not take it back
                self._begun = False
                await self._connection.invalidate()
            raise


def lock_number(account_id: str, key: str) -> int:
    """The advisory lock of a customer (or lone object) of an account: 64 bits, signed."""
    digest = hashlib.blake2b(f"{account_id}\x1f{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _by_plan(rows: Sequence[Any]) -> list[tuple[Any, list[Any]]]:
    """Rows by their type, types in the order that every transaction keeps."""
    kinds = {type(row) for row in rows}
    if len(kinds) == 1:
        return [(plan_of(kinds.pop()), list(rows))]
    places = {kind: place for place, kind in enumerate(in_order(kinds))}
    ordered = sorted(rows, key=lambda row: places[type(row)])
    return [(plan_of(kind), list(same)) for kind, same in groupby(ordered, key=type)]
