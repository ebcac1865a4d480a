"""Carrying out claimed actions: one customer in order, many customers at once."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import groupby
from time import monotonic
from weakref import WeakValueDictionary

import structlog
from prometheus_client import Counter

from app.domain.actions import Action
from app.ports.payments import ProviderUnavailable
from app.ports.store import Conflict, StoreUnavailable
from app.ports.world import World
from app.services import actions
from workers.shift import Claim, outcome

TEMPORARY = (Conflict, StoreUnavailable, ProviderUnavailable)
# A conflict means that another transaction of the same customer was faster. The next look nearly
# always succeeds, and waiting for the lease instead would cost a minute.
TRIES_AT_CONFLICT = 3
LOOK_HOLDS_S = 1.0  # a look at a whole batch is good for what begins within this time
Look = tuple[Action, bool]  # an action, and whether nothing keeps it from being carried out
LEFT_TO_OTHERS = 4  # one of so many places

CARRIED = Counter("holdfast_actions_total", "Actions carried out, by how it went.", ["result"])
log = structlog.get_logger("workers")


def claims_of(claimed: Iterable[Action]) -> list[Claim]:
    return [(action.action_id, action.claims) for action in claimed]


class Carrier:
    """Carries actions out in this process, at most `at_once` customers at a time, and of one
    account so many that some places are left to the others."""

    def __init__(self, world: World, *, at_once: int) -> None:
        self._world, self._at_once = world, at_once
        self._slots = asyncio.Semaphore(at_once)
        self._share = max(1, at_once - at_once // LEFT_TO_OTHERS)
        self._accounts: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._running: set[Claim] = set()
        self._looks: dict[Claim, tuple[Look, float]] = {}

    @property
    def running(self) -> frozenset[Claim]:
        """What is being carried out, or waits here for a place."""
        return frozenset(self._running)

    def has_places_for(self, batch: Sequence[Claim]) -> bool:
        """Whether all of it can begin here at once, so that nobody else would be any sooner."""
        return len(self._running) + len(batch) <= self._at_once

    def has_seen(self, claimed: Sequence[Look]) -> None:
        """These were claimed here just now: carried out here within a moment, they need no second
        look. Beyond that moment nothing of them is kept."""
        now = monotonic()
        self._looks = {claim: look for claim, look in self._looks.items() if look[1] > now}
        for look in claimed:
            self._looks[look[0].action_id, look[0].claims] = look, now + LOOK_HOLDS_S

    async def carry(self, claims: Sequence[Claim]) -> None:
        """Carry out what of these claims still stands.

        Safe to repeat and to run twice at once: an action that is done, that somebody claimed
        anew, or that is being carried out here is left alone, and the service looks again.
        Raises nothing; what could not be done stays leased for a later sweep.
        """
        fresh = [claim for claim in claims if claim not in self._running]
        self._running.update(fresh)
        try:
            found, still_true = await self._look(fresh)
            free = {action.action_id for action, is_free in found if is_free}
            lanes = _lanes(action for action, _ in found)
            await asyncio.gather(*(self._lane(lane, free, still_true) for lane in lanes))
        except StoreUnavailable as reason:
            log.warning("actions_not_loaded", count=len(fresh), error=str(reason))
        finally:
            self._running.difference_update(fresh)

    async def _look(self, claims: Sequence[Claim]) -> tuple[list[Look], float]:
        """What of these claims stands, and until when (monotonic) that may be relied upon."""
        seen = [look for claim in claims if (look := self._looks.pop(claim, None))]
        still_true = min((until for _, until in seen), default=0.0)
        if len(seen) == len(claims) and monotonic() < still_true:
            return [look for look, _ in seen], still_true
        found = await actions.standing(self._world, dict(claims))
        return found, monotonic() + LOOK_HOLDS_S

    async def _lane(self, lane: Sequence[Action], free: set[str], still_true: float) -> None:
        async with self._share_of(lane[0].account_id), self._slots:
            for action in lane:
                # what was looked up for all holds for the first, until that has changed something
                looked_at = action is lane[0] and action.action_id in free
                if not await self._carried_out(action, looked_at and monotonic() < still_true):
                    return  # what comes later for this customer must not overtake it

    def _share_of(self, account: str) -> asyncio.Semaphore:
        found = self._accounts.get(account)
        if found is None:
            found = self._accounts[account] = asyncio.Semaphore(self._share)
        return found

    async def _carried_out(self, action: Action, looked_at: bool) -> bool:
        for _ in range(TRIES_AT_CONFLICT):
            work = actions.carry_out(self._world, action, looked_at=looked_at)
            error = await outcome(work)
            if not isinstance(error, Conflict):
                break
            looked_at = False
        if not isinstance(error, Exception):
            CARRIED.labels("done").inc()
            return True
        facts = {"action": action.action_id, "kind": action.kind, "claims": action.claims}
        if isinstance(error, TEMPORARY):
            CARRIED.labels("later").inc()
            log.info("action_later", error=repr(error), **facts)
            return False
        CARRIED.labels("failed").inc()
        log.error("action_failed", exc_info=error, **facts)
        unnoted = await outcome(actions.failed(self._world, action, error))
        if isinstance(unnoted, Exception):
            log.error("failure_not_noted", exc_info=unnoted, **facts)
        return False


def _customer(action: Action) -> tuple[str, str]:
    return action.account_id, action.customer_id or action.action_id


def _lanes(rows: Iterable[Action]) -> list[list[Action]]:
    """The actions of each customer, in the order in which they must happen."""
    ordered = sorted(rows, key=lambda row: (*_customer(row), row.due_at, row.key))
    lanes = [list(lane) for _, lane in groupby(ordered, key=_customer)]
    return sorted(lanes, key=lambda lane: (lane[0].due_at, lane[0].key))
