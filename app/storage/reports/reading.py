"""How a figure is read: as the merchant who asks, in one short transaction."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
from sqlalchemy import RowMapping, TextClause, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.ports.store import StoreUnavailable

ACT_FOR = text(
    "select set_config('role', 'holdfast_app', true),"
    " set_config('holdfast.merchants', :merchant, true),"
    " set_config('transaction_read_only', 'on', true)"
)


async def read(
    engine: AsyncEngine, statement: TextClause, bound: Mapping[str, Any]
) -> Sequence[RowMapping]:
    """Run one reading statement for the merchant in `bound`; row-level security holds.

    Raises `StoreUnavailable` when the database does not answer or takes too long.
    """
    try:
        async with engine.begin() as connection:
            await connection.execute(ACT_FOR, {"merchant": bound["merchant"]})
            return (await connection.execute(statement, bound)).mappings().all()
    except (DBAPIError, asyncpg.PostgresError, OSError, TimeoutError) as failed:
        raise StoreUnavailable(str(failed)) from failed
