"""The dispatcher: claims what is due, commits, and only then lets it be carried out."""

from asyncio import Task
from collections import Counter

from app.services import actions
from workers.carrying import Carrier, claims_of
from workers.queue import Queue
from workers.shift import Claim, Shift

# Of an account that has so many batches under way nothing more is claimed: its provider takes no
# more at a time, and the others' work must not queue behind it.
MOST_BATCHES = 2


class Dispatcher:
    """Claims due actions and hands them to arq. It carries out itself what finds places free here,
    and all of it when Redis is away."""

    def __init__(self, shift: Shift, queue: Queue, carrier: Carrier) -> None:
        self._shift, self._queue, self._carrier = shift, queue, carrier
        self._own: set[Task[None]] = set()
        self._accounts: dict[Claim, str] = {}

    async def step(self) -> bool:
        """One claim at most. True: there may be more, so come again at once.

        Dying between the commit of the claim and the hand-over costs the lease, nothing else.
        """
        for batch in await self._queue.lost():
            self._carry_here(batch)
        if not (self._queue.held or self._own):
            self._shift.rest.leaves(self)
        if not self._queue.has_room or len(self._own) >= self._shift.pace.jobs:
            return False  # whatever ends rings the bell
        pace = self._shift.pace
        looks = await actions.claim_looked_at(
            self._shift.world, limit=pace.batch, lease_s=pace.lease_s, but=self._busy()
        )
        if looks:
            claimed = [action for action, _ in looks]
            self._carrier.has_seen(looks)
            batch = claims_of(claimed)
            self._accounts |= zip(batch, (action.account_id for action in claimed), strict=True)
            self._shift.rest.begins(self)
            if self._shift.stopping.is_set():
                await self._carrier.give_back(dict(batch))
            elif self._carrier.has_places_for(batch) or not await self._queue.put(batch):
                self._carry_here(batch)
            else:
                self._shift.queue_bell.ring()
        return len(looks) == pace.batch

    def _busy(self) -> list[str]:
        """The accounts of which enough is under way."""
        under_way = self._queue.claims() | self._carrier.running
        self._accounts = {c: who for c, who in self._accounts.items() if c in under_way}
        most = MOST_BATCHES * self._shift.pace.batch
        return [who for who, count in Counter(self._accounts.values()).items() if count >= most]

    def _carry_here(self, batch: list[Claim]) -> None:
        task = self._carrier.start(batch)
        self._own.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: Task[None]) -> None:
        self._own.discard(task)
        self._shift.due_bell.ring()
