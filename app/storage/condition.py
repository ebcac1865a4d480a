"""The condition of a database, for the doctor: version, migrations, how strong our login is, and
what time it is there."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.storage.addresses import engine_url
from app.storage.errors import translated
from app.storage.migrate import missing_migrations

PATIENCE_S = 5.0
ASK = text(
    "select current_setting('server_version_num')::int / 10000,"
    " rolsuper or rolbypassrls, clock_timestamp() from pg_roles where rolname = session_user"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`version` is PostgreSQL's major version. `login_is_too_strong` means a superuser or one
    that bypasses row-level security: every transaction steps down, but it need not be. `clock` is
    the instant at which it was asked, as it said."""

    version: int
    missing_migrations: tuple[str, ...]
    login_is_too_strong: bool
    clock: datetime


async def condition_of(database_url: str) -> Condition:
    """Look at a database; changes nothing. Raises `StoreUnavailable`."""
    engine = create_async_engine(
        engine_url(database_url), poolclass=NullPool, connect_args={"timeout": PATIENCE_S}
    )
    try:
        with translated():
            async with engine.connect() as connection:
                version, strong, clock = (await connection.execute(ASK)).one()
            missing = await missing_migrations(engine)
    finally:
        await engine.dispose()
    return Condition(
        version=version,
        missing_migrations=tuple(missing),
        login_is_too_strong=strong,
        clock=clock,
    )
