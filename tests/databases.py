"""Databases for tests: a template migrated once, copies of it, and a quick way to empty them."""

import asyncio
import hashlib
import threading
from collections.abc import Coroutine
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import redis

from app.embedded import migrate

# Deletes in any order, past triggers that protect ledgers and past row-level security: only a
# superuser may. Tables that a migration filled are left alone.
EMPTY_TABLES = """
do $$
declare name text;
begin
    set local session_replication_role = replica;
    set local lock_timeout = '5s';
    foreach name in array array[{names}]::text[] loop
        execute 'delete from ' || name;
    end loop;
end $$
"""
TABLES = """
select format('%I.%I', schemaname, tablename) from pg_tables
where schemaname not in ('pg_catalog', 'information_schema') order by 1
"""
LOGIN = "holdfast_test"
MAKE_LOGIN = """
do $$ begin
    create role {login} login createrole createdb password '{password}';
exception when duplicate_object or unique_violation then null;
end $$
"""


class Server:
    """One PostgreSQL and one Redis server, as one test process may use them."""

    def __init__(self, admin_url: str, redis_url: str, worker: str) -> None:
        self._admin_url, self._redis_url, self._worker = admin_url, redis_url, worker
        # a loop in a thread of its own, so that tests within a loop may ask as well
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._password = hashlib.sha256(admin_url.encode()).hexdigest()
        self._names: list[str] = []
        self._connections: dict[str, asyncpg.Connection[Any]] = {}
        self._to_empty: list[str] = []
        self._template: str | None = None
        self.as_admin("postgres", MAKE_LOGIN.format(login=LOGIN, password=self._password))

    @property
    def admin_url(self) -> str:
        """A superuser's way in."""
        return self._admin_url

    def drop_connections(self) -> None:
        """Forget the connections: their databases may have been made anew."""
        for connection in self._connections.values():
            self._wait(connection.close())
        self._connections.clear()

    def create(self, name: str, *, template: str = "template1") -> str:
        """Make a database anew and return its URL for a login that is no superuser."""
        self.drop(name)
        database = self.database(name)
        self.as_admin("postgres", f"create database {database} owner {LOGIN} template {template}")
        self._names.append(name)
        return self._url(database)

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        database = self.database(name)
        if connection := self._connections.pop(database, None):
            self._wait(connection.close())
        self.as_admin("postgres", f"drop database if exists {database} with (force)")

    def template(self) -> str:
        """The name of a database that is migrated once and that copies are made from."""
        if self._template is None:
            url = self.create("template")
            # roles belong to the whole server: two processes must not make them at once
            self.as_admin("postgres", "select pg_advisory_lock(7)")
            migrate(url)
            self.as_admin("postgres", "select pg_advisory_unlock(7)")
            database = self.database("template")
            for (table,) in self.as_admin(database, TABLES):
                if not self.as_admin(database, f"select 1 from {table} limit 1"):
                    self._to_empty.append(table)
            self._wait(self._connections.pop(database).close())
            self._template = database
        return self._template

    def clean(self, name: str) -> None:
        """Delete all rows that tests have put there."""
        names = ", ".join(f"$t${table}$t$" for table in self._to_empty)
        self.as_admin(self.database(name), EMPTY_TABLES.format(names=names))

    def empty_redis(self) -> str:
        """A database of this test process on the Redis server, flushed."""
        number = int(self._worker.removeprefix("gw")) + 1 if self._worker != "master" else 0
        url = urlunsplit(urlsplit(self._redis_url)._replace(path=f"/{number}"))
        with redis.Redis.from_url(url) as client:
            client.flushdb()
        return url

    def close(self) -> None:
        """Leave nothing behind on a server that is not ours."""
        for name in self._names:
            self.drop(name)
        for connection in self._connections.values():
            self._wait(connection.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, question: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(question, self._loop).result()

    def as_admin(self, database: str, statement: str) -> list[Any]:
        """Run one statement as a superuser, past row-level security; its rows."""
        connection = self._connections.get(database)
        if connection is None or connection.is_closed():
            connection = self._wait(asyncpg.connect(self._at(database)))
            self._connections[database] = connection
        rows: list[Any] = self._wait(connection.fetch(statement))
        return rows

    def admin_address(self, name: str) -> str:
        """Where an administrator reaches a database that `create` made."""
        return self._at(self.database(name))

    def _at(self, database: str) -> str:
        return urlunsplit(urlsplit(self._admin_url)._replace(path=f"/{database}"))

    def database(self, name: str) -> str:
        """What the server calls a database that `create` made."""
        return f"holdfast_test_{self._worker}_{name}"

    def _url(self, database: str) -> str:
        parts = urlsplit(self._admin_url)
        place = f"{LOGIN}:{self._password}@{parts.hostname}:{parts.port or 5432}"
        return urlunsplit(parts._replace(netloc=place, path=f"/{database}"))
