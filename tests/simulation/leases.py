"""Leases that ran out with a worker who lived on: what cannot be done now is put off instead."""

from collections import Counter
from dataclasses import dataclass, field

from tests.simulation.machine import Process


@dataclass
class Leases:
    """How often the lease of an action ran out, one time after the other. One of a worker that died
    says nothing of what it did with it."""

    ran_out: Counter[str] = field(default_factory=Counter)
    holders: dict[str, tuple[Process, int]] = field(default_factory=dict)

    def claimed(self, action_id: str, by: object, *, leased: bool) -> int:
        """An action is claimed, which was given back or put off unless it is `leased` still: how
        often now its lease has run out in the hands of the living."""
        if not leased:
            self.ran_out[action_id] = 0
        elif self._lives_on(action_id):
            self.ran_out[action_id] += 1
        if isinstance(by, Process):
            self.holders[action_id] = (by, by.lives)
        return self.ran_out[action_id]

    def _lives_on(self, action_id: str) -> bool:
        if action_id not in self.holders:
            return True
        holder, life = self.holders[action_id]
        return not holder.dead and holder.lives == life
