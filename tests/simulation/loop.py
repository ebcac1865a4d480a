"""An event loop without time or threads: which of the ready goes first is drawn from a seed."""

import asyncio
import heapq
from asyncio import events
from collections.abc import Callable
from contextvars import Context, ContextVar
from random import Random
from typing import Any, cast

# The process that a task belongs to: tasks begun by it inherit it. None is the outside world.
OWNER: ContextVar[object | None] = ContextVar("OWNER", default=None)


class SeededLoop:
    """What asyncio's tasks, futures and events need of a loop, and nothing that touches a machine.

    `time()` is seconds since the beginning; it stands still while anything is ready and then
    jumps to the next timer. `after` is called after every step; what it raises ends the run.
    """

    def __init__(self, draw: Random, after: Callable[[], None] = lambda: None) -> None:
        self._draw, self._after = draw, after
        self._now = 0.0
        self._count = 0
        self._ready: list[asyncio.Handle] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self.tasks: dict[asyncio.Task[Any], object | None] = {}
        self.fault: BaseException | None = None
        self.shuffles = True
        self.harmless: tuple[type[BaseException], ...] = ()

    @property
    def real(self) -> asyncio.AbstractEventLoop:
        """This loop as asyncio's types know loops."""
        return cast("asyncio.AbstractEventLoop", self)

    def run_until(self, end: float) -> None:
        """Run what is ready and due up to `end`, which is then the time."""
        events._set_running_loop(self.real)
        try:
            while self._turn_to(end):
                self._step()
        finally:
            events._set_running_loop(None)
        self._now = max(self._now, end)

    def _turn_to(self, end: float) -> bool:
        """Make the next timers ready where nothing is; whether there is anything to do."""
        while not self._ready and self._timers and self._timers[0][0] <= end:
            self._now = max(self._now, self._timers[0][0])
            while self._timers and self._timers[0][0] <= self._now:
                handle = heapq.heappop(self._timers)[2]
                if not handle.cancelled():
                    self._ready.append(handle)
        return bool(self._ready)

    def _step(self) -> None:
        ready = self._ready
        if len(ready) > 1 and self.shuffles:
            place = int(self._draw.random() * len(ready))
            ready[place], ready[-1] = ready[-1], ready[place]
            handle = ready.pop()
        else:
            handle = ready.pop(0)
        if not handle.cancelled():
            handle._run()
            self._after()
        if self.fault is not None:
            raise self.fault

    def time(self) -> float:
        """Seconds since the beginning."""
        return self._now

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self.real, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self.real, context)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, handle))
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self.real)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self.real, name=name, context=context)
        self.tasks[task] = context[OWNER] if context is not None else OWNER.get()
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        del self.tasks[task]

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing: a cancelled timer is skipped when it is due."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """A fault that nobody looks at ends the run; that a process died is none."""
        fault = context.get("exception") or RuntimeError(context["message"])
        if isinstance(fault, self.harmless):
            return
        self.fault = self.fault or fault
