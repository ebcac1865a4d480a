"""P8: a webhook answered 2xx is never lost. The writer says so only when it is durable."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from app.ports.store import Full, RowRefused, StoreUnavailable
from app.storage.intake import BatchedIntake
from tests.storage.builders import event

pytestmark = pytest.mark.anyio
# Any event that is not known: every login sees only what its role may.
STORED = "select event_id, body from inbox order by seq"
KILL = """
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and application_name = 'holdfast intake'
"""


@pytest.fixture
async def intake(clean_database: str) -> AsyncIterator[BatchedIntake]:
    intake = BatchedIntake(clean_database)
    await intake.start()
    yield intake
    await intake.close()


@pytest.fixture
async def database(clean_database: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(clean_database, server_settings={"role": "holdfast_system"})
    yield connection
    await connection.close()


async def test_an_event_is_new_once(intake: BatchedIntake, database: Any) -> None:
    first = await intake.put(event("evt_1", body='{"a": "\\u0000"}'))
    again = await intake.put(event("evt_1", body="{}"))

    rows = await database.fetch(STORED)
    assert (first, again) == (True, False)
    assert [tuple(row) for row in rows] == [("evt_1", '{"a": "\\u0000"}')]


async def test_of_the_same_event_sent_many_times_at_once_one_is_new(
    intake: BatchedIntake, database: Any
) -> None:
    new = await asyncio.gather(*(intake.put(event(f"evt_{n % 5}")) for n in range(200)))

    assert sum(new) == 5
    assert len(await database.fetch(STORED)) == 5


async def test_what_arrives_meanwhile_is_written_together(
    intake: BatchedIntake, database: Any
) -> None:
    new = await asyncio.gather(*(intake.put(event(f"evt_{n:03}")) for n in range(300)))

    commits = await database.fetchval("select count(distinct xmin::text) from inbox")
    assert all(new)
    assert 3 <= commits <= 10


async def test_a_poisonous_row_fails_its_own_sender_alone(
    intake: BatchedIntake, database: Any
) -> None:
    bodies = ["\x00" if n in (7, 8, 40) else "{}" for n in range(64)]

    ends = await asyncio.gather(
        *(intake.put(event(f"evt_{n:02}", body=body)) for n, body in enumerate(bodies)),
        return_exceptions=True,
    )

    refused = [n for n, end in enumerate(ends) if isinstance(end, RowRefused)]
    assert refused == [7, 8, 40]
    assert [end for end in ends if not isinstance(end, RowRefused)] == [True] * 61
    assert len(await database.fetch(STORED)) == 61


async def test_a_full_queue_says_so_at_once(clean_database: str) -> None:
    intake = BatchedIntake(clean_database, lanes=0, rows=2)
    await intake.start()
    waiting = [asyncio.ensure_future(intake.put(event(f"evt_{n}"))) for n in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(Full):
        await intake.put(event("evt_too_many"))

    await intake.close()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(end, StoreUnavailable) for end in ends)


async def test_a_queue_is_full_by_its_size_too(clean_database: str) -> None:
    intake = BatchedIntake(clean_database, lanes=0, bytes_=100)
    await intake.start()

    with pytest.raises(Full):
        await intake.put(event(body="x" * 101))

    await intake.close()


async def test_a_lost_database_is_said_and_found_again(
    intake: BatchedIntake, database: Any
) -> None:
    await intake.put(event("evt_1"))
    await database.execute("set role none")
    await database.execute(KILL)

    # at worst each lane finds its own connection dead once, and says so
    ends: list[Any] = []
    for _ in range(3):
        ends += await asyncio.gather(intake.put(event("evt_2")), return_exceptions=True)

    assert all(isinstance(end, bool | StoreUnavailable) for end in ends)
    assert isinstance(ends[-1], bool)
    await database.execute("set role holdfast_system")
    assert [row["event_id"] for row in await database.fetch(STORED)] == ["evt_1", "evt_2"]


async def test_a_database_that_is_away_fails_those_who_wait(clean_database: str) -> None:
    intake = BatchedIntake("postgresql://nobody@127.0.0.1:1/nowhere")
    await intake.start()

    with pytest.raises(StoreUnavailable):
        await intake.put(event())

    await intake.close()


async def test_closing_writes_what_waits_and_takes_nothing_more(
    intake: BatchedIntake, database: Any
) -> None:
    waiting = [asyncio.ensure_future(intake.put(event(f"evt_{n:03}"))) for n in range(300)]
    await asyncio.sleep(0)

    await intake.close()

    assert all(await asyncio.gather(*waiting))
    assert len(await database.fetch(STORED)) == 300
    with pytest.raises(StoreUnavailable):
        await intake.put(event("evt_late"))


async def test_a_sender_that_hangs_up_does_not_disturb_the_others(
    intake: BatchedIntake, database: Any
) -> None:
    senders = [asyncio.ensure_future(intake.put(event(f"evt_{n}"))) for n in range(3)]
    await asyncio.sleep(0)
    senders[1].cancel()

    ends = await asyncio.gather(*senders, return_exceptions=True)

    assert [ends[0], ends[2]] == [True, True]
    assert isinstance(ends[1], asyncio.CancelledError)
