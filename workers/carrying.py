"""Carrying out claimed actions: one customer in order, many customers at once."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import groupby

import structlog
from prometheus_client import Counter

from app.domain.actions import Action, ActionState
from app.ports.payments import ProviderUnavailable
from app.ports.store import Conflict, StoreUnavailable
from app.ports.world import World
from app.services import actions
from workers.shift import Claim, outcome

TEMPORARY = (Conflict, StoreUnavailable, ProviderUnavailable)
# A conflict means that another transaction of the same customer was faster. The next look nearly
# always succeeds, and waiting for the lease instead would cost a minute.
TRIES_AT_CONFLICT = 3

CARRIED = Counter("holdfast_actions_total", "Actions carried out, by how it went", ["result"])
log = structlog.get_logger("workers")


def claims_of(claimed: Iterable[Action]) -> list[Claim]:
    return [(action.action_id, action.claims) for action in claimed]


class Carrier:
    """Carries actions out in this process, at most `at_once` customers at a time."""

    def __init__(self, world: World, *, at_once: int) -> None:
        self._world = world
        self._slots = asyncio.Semaphore(at_once)
        self._running: set[Claim] = set()

    async def carry(self, claims: Sequence[Claim]) -> None:
        """Carry out what of these claims still stands.

        Safe to repeat and to run twice at once: an action that is done, that somebody claimed
        anew, or that is being carried out here is left alone, and the service looks again.
        Raises nothing; what could not be done stays leased for a later sweep.
        """
        fresh = [claim for claim in claims if claim not in self._running]
        self._running.update(fresh)
        try:
            rows = await self._standing(dict(fresh))
            await asyncio.gather(*(self._lane(lane) for lane in _lanes(rows)))
        except StoreUnavailable as reason:
            log.warning("actions_not_loaded", count=len(fresh), error=str(reason))
        finally:
            self._running.difference_update(fresh)

    async def _standing(self, claims: dict[str, int]) -> list[Action]:
        async with self._world.store.system() as tx:
            rows = await tx.load(Action, [(action_id,) for action_id in claims])
        return [
            row
            for row in rows
            if row.state is ActionState.PENDING and row.claims == claims[row.action_id]
        ]

    async def _lane(self, lane: Sequence[Action]) -> None:
        async with self._slots:
            for action in lane:
                if not await self._carried_out(action):
                    return  # what comes later for this customer must not overtake it

    async def _carried_out(self, action: Action) -> bool:
        for _ in range(TRIES_AT_CONFLICT):
            error = await outcome(actions.carry_out(self._world, action))
            if not isinstance(error, Conflict):
                break
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
