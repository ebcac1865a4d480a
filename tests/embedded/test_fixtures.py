"""The engines that every other test stands on."""

import asyncpg
import pytest
import redis.asyncio as redis

from tests.databases import Server

A_MERCHANT = """
insert into merchants (
    merchant_id, name, time_zone, language, sender_email, sender_name, holdout_percent,
    assignment_key, created_at
) values ('mer_1', 'Kelp', 'UTC', 'en', 'billing@kelp.example', 'Kelp', 0, 'key', '2026-01-01Z')
"""

pytestmark = pytest.mark.anyio


async def test_the_login_of_a_test_is_no_superuser(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    rights = await connection.fetchrow(
        "select rolsuper, rolbypassrls from pg_roles where rolname = current_user"
    )
    await connection.close()

    assert rights is not None
    assert tuple(rights) == (False, False)


async def test_redis_is_empty_and_answers(redis_url: str) -> None:
    async with redis.from_url(redis_url) as client:
        size = await client.dbsize()

    assert size == 0


async def test_what_a_test_writes_is_gone_for_the_next(
    server: Server, migrated_database_url: str
) -> None:
    # given a merchant whom some test has written down
    database = server.database("migrated")
    server.as_admin(database, A_MERCHANT)

    # when the next test asks for a clean database
    server.clean("migrated")

    # then nobody is there, and the schema still is
    assert server.as_admin(database, "select count(*) from merchants")[0][0] == 0
    assert server.as_admin(database, "select version_num from alembic_version")
