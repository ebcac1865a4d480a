"""Whether there is work left now, and when the next comes: what a stepped clock waits for."""

from dataclasses import dataclass
from datetime import datetime

from app.domain.actions import Action, ActionState
from app.domain.operations import InboxEvent, InboxState
from app.ports.store import Ask
from app.ports.world import World


@dataclass(frozen=True, slots=True)
class Backlog:
    """`busy`: webhooks to drain, or actions due or claimed. `next_due_at`: the earliest pending
    action, due or not; None where there is none."""

    busy: bool
    next_due_at: datetime | None


async def backlog(world: World) -> Backlog:
    """What is left to do at this instant, over all merchants. Changes nothing."""
    async with world.store.system() as tx:
        waiting, next_up = await tx.ask(
            Ask(InboxEvent, where={"state": InboxState.PENDING}, limit=1),
            Ask(Action, where={"state": ActionState.PENDING}, order=("due_at", "key"), limit=1),
        )
    due = next_up[0].due_at if next_up else None
    return Backlog(bool(waiting) or (due is not None and due <= world.clock.now()), due)
