"""The engines that every other test stands on."""

import asyncpg
import pytest
import redis.asyncio as redis

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
