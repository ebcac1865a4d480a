"""How a deployment stands, over all merchants, in numbers that name none of them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.actions import Action, ActionState
from app.domain.invariants import INVARIANTS
from app.domain.merchants import ProviderAccount
from app.domain.operations import Alert, InboxEvent, InboxState
from app.ports.store import Ask
from app.ports.world import World
from app.services.invariants import of_rounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Counts, and ages in seconds of what has waited longest (0 where nothing waits).

    `broken` are rows by invariant, and `unasked` those that the database did not answer, as the
    last rounds found them; `round_age_s` is the age of the oldest last round, None before any.
    """

    events_waiting: int
    events_age_s: float
    actions_due: int
    actions_late_s: float
    accounts_paused: int
    alerts: Mapping[str, int] = field(default_factory=dict)
    broken: Mapping[str, int] = field(default_factory=dict)
    unasked: int = 0
    round_age_s: float | None = None


async def condition(world: World) -> Condition:
    """How things stand now. Raises `StoreUnavailable`."""
    now = world.clock.now()
    due = {"state": ActionState.PENDING, "due_at__lte": now}
    waiting = {"state": InboxState.PENDING}
    async with world.store.system() as tx:
        first, oldest, alerts, accounts = await tx.ask(
            Ask(Action, where=due, order=("due_at", "key"), limit=1),
            Ask(InboxEvent, where=waiting, order=("received_at",), limit=1),
            Ask(Alert, where={"resolved_at": None}),
            Ask(ProviderAccount),
        )
        rounds = [one.data for one in await tx.find(Action, where=of_rounds(accounts)) if one.data]
        ages = [_age(datetime.fromisoformat(one["at"]), now) for one in rounds]
        return Condition(
            events_waiting=await tx.count(InboxEvent, where=waiting),
            events_age_s=_age(oldest[0].received_at if oldest else now, now),
            actions_due=await tx.count(Action, where=due),
            actions_late_s=_age(first[0].due_at if first else now, now),
            accounts_paused=sum(account.paused_reason is not None for account in accounts),
            alerts=Counter(alert.kind for alert in alerts),
            broken={
                name: sum(one["found"].get(name) or 0 for one in rounds) for name in INVARIANTS
            },
            unasked=sum(count is None for one in rounds for count in one["found"].values()),
            round_age_s=max(ages, default=None),
        )


def _age(since: datetime, now: datetime) -> float:
    return max((now - since).total_seconds(), 0.0)
