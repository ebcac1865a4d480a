"""How this machine names itself to mail servers."""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from time import monotonic

NAME_SECONDS = 2.0


class OwnName:
    """The full name of this machine, asked of the resolver once: one that hangs may take half a
    minute for each question. Until it has answered, the name that the machine itself knows."""

    def __init__(
        self, find: Callable[[], str] = socket.getfqdn, *, within_s: float = NAME_SECONDS
    ) -> None:
        self._find, self._within_s = find, within_s
        self._answer: Future[str] | None = None
        self._until = 0.0

    async def known(self) -> str:
        """Never raises; waits at most `within_s`, counted from the first question."""
        if self._answer is None:
            self._answer, self._until = Future(), monotonic() + self._within_s
            # of no pool: a process that ends would wait for its threads
            Thread(target=self._ask, args=(self._answer,), name="own name", daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self._until - monotonic())):
                await asyncio.shield(asyncio.wrap_future(self._answer))
        return self._answer.result() if self._answer.done() else socket.gethostname()

    def _ask(self, answer: Future[str]) -> None:
        try:
            answer.set_result(self._find())
        except OSError:
            answer.set_result(socket.gethostname())
