"""How a figure is read: as the merchant who asks, in one short transaction."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import RowMapping, TextClause
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.ports.store import RowRefused, StoreUnavailable
from app.storage.errors import translated
from app.storage.scope import APP, ENTER, merchants_list

# A prepared statement is planned for the values at hand: a plan made for any span of time and
# any filter reads whole tables. Compiling a statement takes longer than any figure may.
READING = (
    f"{ENTER}, set_config('plan_cache_mode', 'force_custom_plan', true),"
    " set_config('jit', 'off', true)"
)
# The planner takes a question of many cells for one of a few, and would sort what it adds up.
_HASHING = ", set_config('enable_sort', 'off', true)"
_SORTING = "select set_config('enable_sort', 'on', true)"


async def read(
    engine: AsyncEngine, statement: TextClause, bound: Mapping[str, Any]
) -> Sequence[RowMapping]:
    """Run one reading statement for the merchant in `bound`; row-level security holds.

    Raises `StoreUnavailable` when the database does not answer, takes longer than its
    connections allow, or is not migrated.
    """
    try:
        with translated():
            async with engine.begin() as connection:
                await connection.exec_driver_sql(
                    READING, (APP, merchants_list([bound["merchant"]]))
                )
                return (await connection.execute(statement, bound)).mappings().all()
    except RowRefused as unprepared:
        raise StoreUnavailable(str(unprepared)) from unprepared


@asynccontextmanager
async def snapshot(engine: AsyncEngine, merchant_id: str) -> AsyncIterator[AsyncConnection]:
    """A connection that reads cells as this merchant; all its statements see the same instant.
    For other reading it is first made `ready_for_lines`.

    Raises `StoreUnavailable`, as `read`.
    """
    try:
        with translated():
            async with engine.connect() as plain:
                connection = await plain.execution_options(isolation_level="REPEATABLE READ")
                async with connection.begin():
                    acting = (APP, merchants_list([merchant_id]))
                    await connection.exec_driver_sql(READING + _HASHING, acting)
                    yield connection
    except RowRefused as unprepared:
        raise StoreUnavailable(str(unprepared)) from unprepared


async def ready_for_lines(connection: AsyncConnection) -> None:
    """Let a connection that read cells read lines of ledgers."""
    await connection.exec_driver_sql(_SORTING)
