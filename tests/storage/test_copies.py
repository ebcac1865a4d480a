"""A database made anew from one that was migrated once."""

from collections.abc import Iterator

import pytest

from app.storage.copies import PREFIX, renew_database
from tests.databases import Server
from tests.storage.test_migrate import missing

TEMPLATES = (
    f"select datname, oid, datistemplate from pg_database where starts_with(datname, '{PREFIX}')"
)


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    """A database, and afterwards no template for it."""
    yield server.create("renewed")
    for name, _, _ in templates(server):
        server.as_admin("postgres", f"alter database {name} is_template false")
        server.as_admin("postgres", f"drop database {name} with (force)")


def templates(server: Server) -> list[tuple[str, int, bool]]:
    return [tuple(row) for row in server.as_admin("postgres", TEMPLATES)]


def leave_a_trace(server: Server) -> None:
    server.as_admin(server.database("renewed"), "create table trace (n int)")


def trace(server: Server) -> object:
    server.drop_connections()
    ((found,),) = server.as_admin(server.database("renewed"), "select to_regclass('trace')")
    return found


def test_it_is_at_the_newest_schema_and_has_nothing_of_the_former_one(
    server: Server, url: str
) -> None:
    leave_a_trace(server)

    renew_database(url, server.admin_url)

    assert missing(url) == []
    assert trace(server) is None


def test_the_second_time_nothing_is_migrated(server: Server, url: str) -> None:
    renew_database(url, server.admin_url)
    first = templates(server)
    leave_a_trace(server)

    renew_database(url, server.admin_url)

    assert templates(server) == first
    assert trace(server) is None
    assert missing(url) == []


def test_templates_of_other_migrations_and_half_made_ones_are_made_again(
    server: Server, url: str
) -> None:
    # given a template that was not finished, and one of older migrations
    renew_database(url, server.admin_url)
    ((name, former, _),) = templates(server)
    server.as_admin("postgres", f"alter database {name} is_template false")
    server.as_admin("postgres", f"create database {PREFIX}older is_template true")

    # when the database is made anew
    renew_database(url, server.admin_url)

    # then there is one template, a new one
    ((again, oid, whole),) = templates(server)
    assert (again, whole) == (name, True)
    assert oid != former
    assert missing(url) == []
