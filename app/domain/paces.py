"""How often somebody asks, counted in this process alone."""

from collections import OrderedDict

A_MINUTE, MOST_ASKERS = 60.0, 10_000
ASKS_A_MINUTE = 60  # of one customer: a page asks once when it opens


class Pace:
    """How often each asker was let in in the running minute. Forgets the longest silent first, so
    that its memory is bounded."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._asked: OrderedDict[object, tuple[float, int]] = OrderedDict()

    def wait_s(self, who: object, *, at: float) -> float:
        """0 where `who` may ask at this monotonic second, and counted; else how long to wait."""
        since, count = self._asked.pop(who, (at, 0))
        if at - since >= A_MINUTE:
            since, count = at, 0
        may = count < self._most
        self._asked[who] = (since, count + may)
        if len(self._asked) > MOST_ASKERS:
            self._asked.popitem(last=False)
        return 0.0 if may else since + A_MINUTE - at
