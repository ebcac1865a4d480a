"""What a `find` means, in Python: equality, comparison, order, keyset position."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from app.domain.actions import Action, ActionState
from app.domain.operations import InboxEvent, InboxState
from app.domain.records import Key, changed, key_of
from app.storage.questions import MANY, comparison_of


def values_of(row: Any, names: Sequence[str]) -> Key:
    """The values of these fields."""
    return tuple([getattr(row, name) for name in names])


def collide(row: Any, other: Any) -> bool:
    """Whether two rows of a kind, not the same, share a unique key; nulls never do."""
    if values_of(row, row.KEY) == values_of(other, row.KEY):
        return False
    shared = (values_of(row, names) for names in row.UNIQUE)
    theirs = (values_of(other, names) for names in row.UNIQUE)
    return any(a == b and None not in a for a, b in zip(shared, theirs, strict=True))


def matches(row: Any, where: Mapping[str, Any]) -> bool:
    """Whether a row is among those `find` would give for `where`."""
    for name, wanted in where.items():
        field, comparison = comparison_of(name)
        value = getattr(row, field)
        if isinstance(wanted, MANY):
            fits = value in wanted
        elif comparison == "=" or wanted is None:
            fits = value == wanted
        else:
            fits = value is not None and (
                value <= wanted if comparison == "<=" else value >= wanted
            )
        if not fits:
            return False
    return True


def sorting(name: str) -> Callable[[Any], tuple[bool, Any]]:
    """Nulls behind everything, as PostgreSQL sorts them."""

    def value_of(row: Any) -> tuple[bool, Any]:
        value = getattr(row, name)
        return (value is None, 0 if value is None else value)

    return value_of


def is_beyond(row: Any, order: Sequence[str], after: Key) -> bool:
    """Whether a row comes after a keyset position; never where a null is compared."""
    for name, mark in zip(order, after, strict=True):
        value = getattr(row, name.removeprefix("-"))
        if value is None or mark is None:
            return False
        if value != mark:
            return bool(value < mark) if name.startswith("-") else bool(value > mark)
    return False


def is_settled(event: InboxEvent, before: datetime) -> bool:
    """Whether a webhook that has its body still was settled by then."""
    waits = event.state is InboxState.PENDING or event.handled_at is None or event.body is None
    return not waits and event.handled_at is not None and event.handled_at <= before


def share_by_share(
    events: Iterable[InboxEvent], limit: int, *, hold: Callable[[object], bool]
) -> list[InboxEvent]:
    """Pending events in order of arrival, of as many shares as fill the batch, that whose turn is
    longest overdue first. `hold` says whether a share may be worked on."""
    pending = [event for event in events if event.state is InboxState.PENDING]
    taken: set[Key] = set()
    for share in dict.fromkeys(event.share for event in pending):
        if len(taken) < limit and hold((InboxEvent, share)):
            mine = (key_of(event) for event in pending if event.share == share)
            taken.update(islice(mine, limit - len(taken)))
    return [event for event in pending if key_of(event) in taken]


def claimable(actions: Iterable[Action], *, now: datetime, instant: datetime) -> list[Action]:
    """Due actions in order, as the database's claim chooses them: one a customer, the earliest,
    and none while another of the customer is leased at `instant`."""
    pending = [action for action in actions if action.state is ActionState.PENDING]
    leased = {action.action_id for action in pending if action.is_leased(instant)}
    closed = {_customer(action) for action in pending if action.action_id in leased}
    due = []
    for action in sorted(pending, key=lambda action: (action.due_at, action.key)):
        customer = _customer(action)
        if action.due_at <= now and action.action_id not in leased and customer not in closed:
            due.append(action)
        closed.add(customer)
    return due


def unclaimed(
    actions: Iterable[Action], claims: Mapping[str, int], *, instant: datetime
) -> list[Action]:
    """Those whose claim of this number is leased at `instant`, their leases ended there."""
    return [
        changed(action, leased_until=instant)
        for action in actions
        if action.is_claimed(claims[action.action_id]) and action.is_leased(instant)
    ]


def _customer(action: Action) -> tuple[str, str]:
    """Whom an action concerns; without a customer it stands alone."""
    return (action.account_id, action.customer_id or f"\x1f{action.action_id}")
