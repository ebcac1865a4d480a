"""How the bodies of webhooks are emptied, in memory and in PostgreSQL."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.operations import InboxEvent, InboxState
from app.domain.records import key_of
from app.ports.store import Store
from tests.storage.builders import NOW, OURS, THEIRS, account_of, event

pytestmark = pytest.mark.anyio
DAY = timedelta(days=1)


def handled(name: str, *, days: float, of: str = OURS) -> InboxEvent:
    """A webhook that was handled so many days before."""
    row = event(name, of=of)
    return replace(row, state=InboxState.HANDLED, handled_at=NOW - days * DAY)


async def given(store: Store, *rows: InboxEvent) -> None:
    async with store.transaction(OURS, THEIRS) as tx:
        await tx.insert(rows)


async def dropped(store: Store, *, limit: int = 10) -> int:
    """How many of ours lose what was handled a month ago."""
    async with store.transaction(OURS) as tx:
        return await tx.drop_bodies(account_of(OURS), before=NOW - 30 * DAY, limit=limit)


async def kept(store: Store) -> set[str]:
    """The events that have their bodies."""
    async with store.transaction(OURS, THEIRS) as tx:
        rows = await tx.find(InboxEvent, where={})
    return {row.event_id for row in rows if row.body is not None}


async def test_what_was_handled_long_ago_loses_its_body_and_nothing_else(store: Store) -> None:
    old = handled("old", days=30)
    await given(store, old, handled("new", days=29))

    assert await dropped(store) == 1
    assert await dropped(store) == 0
    async with store.transaction(OURS) as tx:
        (row,) = await tx.load(InboxEvent, [key_of(old)])
    assert row == replace(old, body=None)
    assert await kept(store) == {"new"}


async def test_the_oldest_go_first_and_no_more_than_asked(store: Store) -> None:
    await given(store, *(handled(f"evt_{days}", days=days) for days in (40, 60, 50)))

    assert await dropped(store, limit=2) == 2
    assert await kept(store) == {"evt_40"}


async def test_what_is_parked_goes_and_what_still_waits_stays(store: Store) -> None:
    waits = replace(handled("waits", days=90), state=InboxState.PENDING)
    parked = replace(handled("parked", days=90), state=InboxState.PARKED, reason="no event")
    aside = replace(handled("aside", days=90), state=InboxState.QUARANTINED)
    await given(store, waits, parked, aside)

    assert await dropped(store) == 2
    assert await kept(store) == {"waits"}


async def test_another_merchants_webhooks_are_left_alone(store: Store) -> None:
    await given(store, handled("theirs", days=90, of=THEIRS))

    assert await dropped(store) == 0
    async with store.transaction(OURS) as tx:
        assert await tx.drop_bodies(account_of(THEIRS), before=NOW, limit=10) == 0
        await tx.empty_bodies([(account_of(THEIRS), "theirs")])
    assert await kept(store) == {"theirs"}


async def test_named_webhooks_are_emptied_whatever_their_state(store: Store) -> None:
    await given(store, event("one"), handled("two", days=1), event("three"))

    async with store.transaction(OURS) as tx:
        named = [(account_of(OURS), name) for name in ("one", "two", "unheard_of")]
        await tx.empty_bodies(named)

    assert await kept(store) == {"three"}
