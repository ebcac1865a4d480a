"""Brings a database to the newest shape: the roles of the cluster, then the migrations."""

import asyncio
import threading

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.resources import resource
from app.storage.addresses import engine_url

# Any number will do as long as it never changes: replicas that start together take turns.
MIGRATION_LOCK = 4_817_273_605
LOCK = text(f"select pg_advisory_xact_lock({MIGRATION_LOCK})")

# Alembic keeps what it works on in globals of its modules: threads take turns as well.
ONE_AT_A_TIME = threading.Lock()

# Roles belong to the whole cluster: another database on it may be making them right now.
MAKE_ROLES = """
do $$
declare role_name text;
begin
    foreach role_name in
        array array['holdfast_app', 'holdfast_system', 'holdfast_reporting']
    loop
        if not exists (select from pg_roles where rolname = role_name) then
            begin
                execute format('create role %I nologin', role_name);
            exception when duplicate_object or unique_violation or insufficient_privilege then
                null;  -- what is missing then is said below
            end;
        end if;
    end loop;
end
$$
"""
# PostgreSQL 16 and newer give whoever makes a role the right to grant it, not to act as it.
JOIN_ROLES = """
do $$
begin
    begin
        execute format(
            'grant holdfast_app, holdfast_system, holdfast_reporting to %I', current_user
        );
    exception when insufficient_privilege or unique_violation or internal_error then
        null;  -- not ours to grant, or being granted by another at this moment
    end;
    perform set_config('role', 'holdfast_app', true);
    perform set_config('role', 'holdfast_system', true);
    perform set_config('role', 'holdfast_reporting', true);
    perform set_config('role', 'none', true);
exception when insufficient_privilege or invalid_parameter_value then
    raise exception using
        errcode = 'insufficient_privilege',
        message = format('the database login %s may not act as holdfast_app', session_user),
        hint = 'let an administrator run: create role holdfast_app nologin; '
            || 'create role holdfast_system nologin; create role holdfast_reporting nologin; '
            || 'grant holdfast_app, holdfast_system, holdfast_reporting to '
            || quote_ident(session_user);
end
$$
"""


def upgrade(database_url: str) -> None:
    """Make roles and tables, or bring them up to date. Safe to run again, and by several at once.

    Everything happens in one transaction: a migration that is killed leaves nothing half made.
    What a newer release made is left as it is: this release is on its way back, and works on it.
    Runs an event loop of its own, so it must not be called from within one.
    """
    engine = create_async_engine(engine_url(database_url), poolclass=NullPool)
    with ONE_AT_A_TIME:
        asyncio.run(_upgrade(engine))


async def _upgrade(engine: AsyncEngine) -> None:
    try:
        async with engine.begin() as connection:
            await connection.execute(LOCK)
            await connection.exec_driver_sql(MAKE_ROLES)
            await connection.exec_driver_sql(JOIN_ROLES)
            await connection.run_sync(_migrate)
    finally:
        await engine.dispose()


async def missing_migrations(engine: AsyncEngine) -> list[str]:
    """The revisions this database has not had yet, oldest first; what `doctor` shows. None where
    a newer release made it."""
    async with engine.connect() as connection:
        found = await connection.run_sync(_revision)
    scripts = ScriptDirectory.from_config(_config())
    if _is_newer(found, scripts):
        return []
    revisions = [script.revision for script in scripts.iterate_revisions("head", found or "base")]
    return revisions[::-1]


def _migrate(connection: Connection) -> None:
    config = _config()
    if _is_newer(_revision(connection), ScriptDirectory.from_config(config)):
        return
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _is_newer(found: str | None, scripts: ScriptDirectory) -> bool:
    """Revisions are numbers of four digits, each above the one before it."""
    head = scripts.get_current_head()
    return found is not None and head is not None and found > head


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(resource("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
