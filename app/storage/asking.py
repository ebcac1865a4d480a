"""Several questions in one statement: what a use case needs to know costs one round trip, not ten.

Each question becomes an array of rows; arrays of rows keep the types of their columns on the way.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from app.ports.store import Ask
from app.storage.questions import Question, asks_for_nothing
from app.storage.statements import Plan, plan_of

PLACE = re.compile(r"\$(\d+)")


@lru_cache(maxsize=5000)
def _as_array(sql: str, columns: str, shift: int) -> str:
    """The statement as an array of rows, its places counted on from `shift`."""
    moved = PLACE.sub(lambda place: f"${int(place[1]) + shift}", sql)
    return f"array(select row({columns}) {moved.removeprefix(f'select {columns} ')})"


class Asked:
    """The statement of some questions, what is bound to it, and how its one row reads.

    `sql` is empty where no question needs the database: the values it allows are none.
    """

    def __init__(self, asks: Sequence[Ask]) -> None:
        self.bound: list[Any] = []
        self._plans: list[Plan[Any] | None] = []
        arrays = [self._array(ask) for ask in asks]
        self.sql = f"select {', '.join(filter(None, arrays))}" if any(arrays) else ""

    def _array(self, ask: Ask) -> str:
        plan = plan_of(ask.kind)
        if ask.keys is not None:
            sql, bound = plan.load, plan.key_arrays(ask.keys)
            nothing = not ask.keys
        else:
            nothing = asks_for_nothing(ask.where)
            question = Question(plan, ask.where, None, ask.order, ask.limit)
            sql, bound = question.sql, question.bound
        self._plans.append(None if nothing else plan)
        if nothing:
            return ""
        shift = len(self.bound)
        self.bound += bound
        return _as_array(sql, plan.columns, shift)

    def answers(self, row: Sequence[Sequence[Any]]) -> list[list[Any]]:
        """The records of each question, in the order of the questions; `row` is what `sql` gave."""
        found = iter(row)
        return [
            [] if plan is None else [plan.decode(values) for values in next(found)]
            for plan in self._plans
        ]
