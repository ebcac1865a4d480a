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


class Call:
    """A callback that is ready, or will be: `asyncio.Handle` as far as tasks know it. Without a
    context of its own it runs in nobody's."""

    __slots__ = ("_args", "_callback", "_context", "dead")

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> None:
        self._callback, self._args, self._context = callback, args, context
        self.dead = False

    def cancel(self) -> None:
        """It will not run."""
        self.dead = True

    def run(self) -> None:
        if self._context is None:
            self._callback(*self._args)
        else:
            self._context.run(self._callback, *self._args)


class SeededLoop:
    """What asyncio's tasks, futures and events need of a loop, and nothing that touches a machine.

    `time()` is seconds since the beginning; it stands still while anything is ready and then
    jumps to the next timer. `real` is this loop as asyncio's types know loops.
    """

    def __init__(self, draw: Random) -> None:
        self._draw = draw
        self.real = cast("asyncio.AbstractEventLoop", self)
        self._now = 0.0
        self._count = 0
        self._ready: list[Call] = []
        self._timers: list[tuple[float, int, Call]] = []
        self.tasks: dict[asyncio.Task[Any], object | None] = {}
        self.fault: BaseException | None = None
        self.shuffles = True
        self.harmless: tuple[type[BaseException], ...] = ()

    def run_until(self, end: float) -> None:
        """Run what is ready and due up to `end`, which is then the time."""
        events._set_running_loop(self.real)
        try:
            while self._turn_to(end):
                self._step()
        finally:
            events._set_running_loop(None)
        self._now = max(self._now, end)

    def goes_on_forked(self) -> None:
        """In a process that was forked off inside `run_until`: asyncio asks who runs a loop."""
        events._set_running_loop(self.real)

    def _turn_to(self, end: float) -> bool:
        """Make the next timers ready where nothing is; whether there is anything to do."""
        while not self._ready and self._timers and self._timers[0][0] <= end:
            self._now = max(self._now, self._timers[0][0])
            while self._timers and self._timers[0][0] <= self._now:
                call = heapq.heappop(self._timers)[2]
                if not call.dead:
                    self._ready.append(call)
        return bool(self._ready)

    def _step(self) -> None:
        ready = self._ready
        if len(ready) > 1 and self.shuffles:
            place = int(self._draw.random() * len(ready))
            ready[place], ready[-1] = ready[-1], ready[place]
            call = ready.pop()
        else:
            call = ready.pop(0)
        if not call.dead:
            call.run()
        if self.fault is not None:
            raise self.fault

    def time(self) -> float:
        """Seconds since the beginning."""
        return self._now

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Call:
        call = Call(callback, args, context)
        self._ready.append(call)
        return call

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Call:
        call = Call(callback, args, context)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, call))
        return call

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Call:
        return self.call_at(self._now + delay, callback, *args, context=context)

    async def rest(self, delay: float) -> None:
        """`asyncio.sleep`, for what sleeps more than anything else."""
        woken = self.create_future()
        call = self.call_at(self._now + delay, _wake, woken)
        try:
            await woken
        finally:
            call.dead = True

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

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """A fault that nobody looks at ends the run; that a process died is none."""
        fault = context.get("exception") or RuntimeError(context["message"])
        if isinstance(fault, self.harmless):
            return
        self.fault = self.fault or fault


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)
