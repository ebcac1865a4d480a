"""Databases made anew in a moment: copied from one that was migrated once.

For throwaway clusters alone, where we have a superuser's way in.
"""

import asyncio
import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from app.resources import resource
from app.storage.addresses import driver_url

PREFIX = "migrated_"


def renew_database(url: str, admin_url: str) -> None:
    """Make the database of `url` anew, at the newest schema, for the login that `url` names.

    Whoever is connected to the former one is thrown out. Killed half way, it leaves nothing that
    a later call takes for whole. Runs event loops of its own.
    """
    parts = urlsplit(driver_url(url))
    login, name = parts.username or "", parts.path.lstrip("/")
    template = f"{PREFIX}{_digest()}"
    if asyncio.run(_begun(admin_url, template, login)):
        # what migrates takes longer to import than all this does
        from app.storage.migrate import upgrade

        upgrade(_at(url, template))
    asyncio.run(_copied(admin_url, template, name, login))


def _digest() -> str:
    """Of everything that decides what a migrated database looks like."""
    folder = resource("migrations")
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".sql"))
    found = hashlib.sha256(Path(__file__).with_name("migrate.py").read_bytes())
    for path in files:
        found.update(str(path.relative_to(folder)).encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


async def _begun(admin_url: str, template: str, login: str) -> bool:
    """Whether the template is still to be migrated; then it lies there empty."""
    connection = await asyncpg.connect(_at(admin_url, "postgres"))
    try:
        templates = "select datname, datistemplate from pg_database where starts_with(datname, $1)"
        found = await connection.fetch(templates, PREFIX)
        if (template, True) in {(name, whole) for name, whole in found}:
            return False
        for name, _ in found:  # of other migrations, or half made
            await connection.execute(f"alter database {name} is_template false")
            await connection.execute(f"drop database {name} with (force)")
        await connection.execute(f"create database {template} owner {login}")
    finally:
        await connection.close()
    return True


async def _copied(admin_url: str, template: str, name: str, login: str) -> None:
    connection: asyncpg.Connection[Any] = await asyncpg.connect(_at(admin_url, "postgres"))
    try:
        await connection.execute(f"alter database {template} is_template true")
        await connection.execute(f"drop database if exists {name} with (force)")
        await connection.execute(f"create database {name} owner {login} template {template}")
    finally:
        await connection.close()


def _at(url: str, database: str) -> str:
    return urlunsplit(urlsplit(driver_url(url))._replace(path=f"/{database}"))
