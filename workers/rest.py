"""Knowing when a worker has come to rest: whoever steps the clock waits for that."""

from app.ports.wake import Wake


class Rest:
    """Tells `wake` each time the last of those at work has nothing more to do.

    It is a hint, and may come too early (a wake-up on its way is not seen here): the database
    says whether there is work. Without a `wake`, as outside a stepped clock, nobody is told.
    """

    def __init__(self, wake: Wake | None = None) -> None:
        self._wake = wake
        self._at_work: set[object] = set()

    def begins(self, who: object) -> None:
        """`who` may have something to do."""
        self._at_work.add(who)

    def leaves(self, who: object) -> None:
        """`who` has nothing more, but somebody else is about to look."""
        self._at_work.discard(who)

    async def ends(self, who: object) -> None:
        """`who` has nothing more. Never raises, never waits."""
        self._at_work.discard(who)
        if self._wake is not None and not self._at_work:
            await self._wake.now()
