"""The views of `reporting`, opened to logins of the database."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.ports.reporting import UnknownLogin
from app.storage.errors import translated

OWNER = "holdfast_reporting"
_BECOME = f"set local role {OWNER}"
_LOGIN = text("""
select rolsuper or rolbypassrls or pg_has_role(oid, :owner, 'member') as sees_all,
    quote_ident(rolname) as quoted
from pg_roles where rolname = :login and rolcanlogin
""")
# Names cannot be bound in these; they come quoted from the database itself.
_OPEN = (
    "grant usage on schema reporting to {}",
    "grant select on all tables in schema reporting to {}",
)


class PostgresReporting:
    """`ports.reporting.Reporting`, over connections of the login that migrates."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def open_to(self, login: str) -> None:
        with translated():
            async with self._engine.begin() as connection:
                quoted = await _quoted(connection, login)
                if quoted is None:
                    raise UnknownLogin(login)
                await connection.exec_driver_sql(_BECOME)
                for statement in _OPEN:
                    await connection.exec_driver_sql(statement.format(quoted))


async def _quoted(connection: AsyncConnection, login: str) -> str | None:
    """The login's name as SQL writes it; None where it is none that views are for."""
    row = (await connection.execute(_LOGIN, {"login": login, "owner": OWNER})).one_or_none()
    return None if row is None or row.sees_all else row.quoted
