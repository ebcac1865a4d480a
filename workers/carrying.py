"""Carrying out claimed actions: one customer in order, many customers at once."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from itertools import groupby
from math import inf
from time import monotonic
from typing import Any
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
# The share of a lease in which its actions may begin: a call to a provider takes half a minute at
# most, and whoever claims a letter anew that is still being sent can only call its fate unknown.
BEGUN_WITHIN = 0.5
Look = tuple[Action, bool]  # an action, and whether nothing keeps it from being carried out
LEFT_TO_OTHERS = 4  # one of so many places

CARRIED = Counter("holdfast_actions_total", "Actions carried out, by how it went.", ["result"])
log = structlog.get_logger("workers")


def claims_of(claimed: Iterable[Action]) -> list[Claim]:
    return [(action.action_id, action.claims) for action in claimed]


class Round:
    """Claims that are carried out together: those that wait to be begun, and until when (monotonic)
    that makes sense."""

    def __init__(self, claims: Iterable[Claim]) -> None:
        self._waiting = set(claims)
        self._lanes: dict[asyncio.Task[None], Claim] = {}
        self.until = inf

    def begins(self, action: Action) -> bool:
        """Whether this action is to be begun now."""
        claim = action.action_id, action.claims
        if claim not in self._waiting or monotonic() >= self.until:
            return False
        self._waiting.remove(claim)
        return True

    async def runs(self, lanes: Mapping[Claim, Coroutine[Any, Any, None]]) -> bool:
        """Run these, each under its first claim; says whether all were over in time."""
        self._lanes = {asyncio.create_task(lane): first for first, lane in lanes.items()}
        if not self._lanes:
            return True
        left_s = max(0.0, self.until - monotonic())
        _, late = await asyncio.wait(self._lanes, timeout=left_s)  # which may wake a little early
        return not late and monotonic() < self.until

    def lets_go(self) -> dict[str, int]:
        """What was not begun, and now never is."""
        left, self._waiting = self._waiting, set()
        for lane, first in self._lanes.items():
            if first in left:
                lane.cancel()
        return dict(left)

    async def ends(self) -> None:
        """Wait for what was begun."""
        for fault in await asyncio.gather(*self._lanes, return_exceptions=True):
            if isinstance(fault, Exception):
                log.error("lane_failed", exc_info=fault)

    async def is_cut_off(self) -> None:
        """End what still runs; nothing, after `ends`."""
        for lane in self._lanes:
            lane.cancel()
        await asyncio.gather(*self._lanes, return_exceptions=True)


class Carrier:
    """Carries actions out in this process, at most `at_once` customers at a time, and of one
    account so many that some places are left to the others.

    Whoever asks for it only waits: neither a fault of Redis nor the end of a job's time cuts a call
    to a provider or a mail server off, which would leave in doubt what was done. What cannot begin
    while its lease is good for a whole call is given back.
    """

    def __init__(self, world: World, *, at_once: int, lease_s: float = 60.0) -> None:
        self._world, self._at_once, self._lease_s = world, at_once, lease_s
        self._slots = asyncio.Semaphore(at_once)
        self._share = max(1, at_once - at_once // LEFT_TO_OTHERS)
        self._accounts: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._running: set[Claim] = set()
        self._looks: dict[Claim, tuple[Look, float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._rounds: set[Round] = set()
        self._stopping = False

    @property
    def running(self) -> frozenset[Claim]:
        """What is being carried out, or waits here for a place."""
        return frozenset(self._running)

    def has_places_for(self, batch: Sequence[Claim]) -> bool:
        """Whether all of it can begin here at once, so that nobody else would be any sooner; or
        nothing runs here, and a batch that is larger than all places need not wait for others."""
        return not self._running or len(self._running) + len(batch) <= self._at_once

    def has_seen(self, claimed: Sequence[Look]) -> None:
        """These were claimed here just now: carried out here within a moment, they need no second
        look. Beyond that moment nothing of them is kept."""
        now = monotonic()
        self._looks = {claim: look for claim, look in self._looks.items() if look[1] > now}
        for look in claimed:
            self._looks[look[0].action_id, look[0].claims] = look, now + LOOK_HOLDS_S

    def start(self, claims: Sequence[Claim]) -> asyncio.Task[None]:
        """`carry`, in a task that ends with this process's work and no sooner: shield it."""
        task = asyncio.create_task(self._carry(self._fresh(claims)), name="carry")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def carry(self, claims: Sequence[Claim]) -> None:
        """Carry out what of these claims still stands.

        Safe to repeat and to run twice at once: an action that is done, that somebody claimed
        anew, or that is being carried out here is left alone, and the service looks again.
        Raises nothing; what was begun and could not be done stays leased for a later sweep.
        """
        await self._carry(self._fresh(claims))

    def _fresh(self, claims: Sequence[Claim]) -> list[Claim]:
        """Those that do not run here yet; from now on they do."""
        fresh = [claim for claim in claims if claim not in self._running]
        self._running.update(fresh)
        return fresh

    async def _carry(self, fresh: list[Claim]) -> None:
        one = Round(fresh)
        self._rounds.add(one)
        try:
            found, still_true, one.until = await self._look(fresh)
            free = {action.action_id for action, is_free in found if is_free}
            lanes = _lanes(action for action, _ in found)
            running = {
                claims_of(lane)[0]: self._lane(lane, one, free, still_true) for lane in lanes
            }
            if not await one.runs(running) or self._stopping:
                await self.give_back(one.lets_go())
            await one.ends()
        except StoreUnavailable as reason:
            log.warning("actions_not_loaded", count=len(fresh), error=str(reason))
        finally:
            self._rounds.discard(one)
            self._running.difference_update(fresh)
            await one.is_cut_off()

    async def give_back(self, claims: Mapping[str, int]) -> None:
        """Let others carry these out at once: nothing of them was begun here. Raises nothing."""
        if not claims:
            return
        fault = await outcome(actions.unclaim(self._world, claims))
        log.info("actions_given_back", count=len(claims), error=fault and repr(fault))

    async def stop(self) -> None:
        """From now on nobody waits for a place, and what has waited is given back."""
        self._stopping = True
        left: dict[str, int] = {}
        for one in self._rounds:
            left |= one.lets_go()
        await self.give_back(left)

    async def finish(self, within_s: float) -> None:
        """Wait for what was begun, and in the end let it go: cut off, it stays leased, and is
        claimed again, here or elsewhere."""
        tasks = set(self._tasks)
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=within_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _look(self, claims: Sequence[Claim]) -> tuple[list[Look], float, float]:
        """What of these claims stands, until when (monotonic) that may be relied upon, and until
        when it may be begun."""
        seen = [look for claim in claims if (look := self._looks.pop(claim, None))]
        still_true = min((until for _, until in seen), default=0.0)
        if len(seen) == len(claims) and monotonic() < still_true:
            since = still_true - LOOK_HOLDS_S
            return [look for look, _ in seen], still_true, since + BEGUN_WITHIN * self._lease_s
        now = monotonic()
        found, left_s = await actions.standing(self._world, dict(claims))
        return found, now + LOOK_HOLDS_S, now + left_s - (1 - BEGUN_WITHIN) * self._lease_s

    async def _lane(
        self, lane: Sequence[Action], one: Round, free: set[str], still_true: float
    ) -> None:
        share = self._share_of(lane[0].account_id)
        if self._stopping and (share.locked() or self._slots.locked()):
            return
        async with share, self._slots:
            for action in lane:
                if not one.begins(action):
                    return
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
