"""`python -m app.demo.wings PARTS`: several modules, each in a process of its own, from one import.

What they need is imported once, then each is forked. A part whose environment is still to be
written waits for it in the wings. Parts that die begin again, and all end with this process.
"""

import importlib
import json
import os
import runpy
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType

from app.collecting import collect_seldom
from app.embedded import PAUSES
from app.engines.launch import tie_by_kernel, tie_by_pipe

LOOK_EVERY_S = 0.02
STEADY_S = 30.0  # seconds a part must live for its deaths to be forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A module that is run as `python -m MODULE ARGUMENTS`, its output in `log`.

    `needs` are modules to be imported for it; `environment` is the JSON file it waits for.
    """

    name: str
    module: str
    arguments: Sequence[str] = ()
    log: str
    needs: Sequence[str] = ()
    environment: str | None = None


@dataclass(slots=True)
class Place:
    """A part on its way: which process plays it, since when (monotonic), how often it died."""

    part: Part
    pid: int = 0
    since: float = 0.0
    deaths: int = 0
    not_before: float = 0.0


@dataclass(slots=True)
class Wings:
    """The parts of one process, and whether it was told to end."""

    places: list[Place] = field(default_factory=list)
    is_over: bool = False

    def end(self, signum: int = signal.SIGTERM, frame: FrameType | None = None) -> None:
        """Tell every part to end, and begin none anew."""
        self.is_over = True
        for place in self.places:
            if place.pid:
                with suppress(ProcessLookupError):
                    os.kill(place.pid, signal.SIGTERM)

    def send(self, parts: Iterable[Part]) -> Part | None:
        """Begin each part as soon as what it needs is there. In its own process: that part."""
        for part in parts:
            for name in part.needs:
                importlib.import_module(name)
            collect_seldom()  # and what is never looked at stays shared
            while part.environment and not (self.is_over or Path(part.environment).exists()):
                time.sleep(LOOK_EVERY_S)
            place = Place(part)
            self.places.append(place)
            if self._begins(place):
                return part
        return None

    def watch(self) -> Part | None:
        """Begin anew what dies, until all have ended. In the process of a part: that part."""
        while True:
            pid, status = _ended()
            for place in self.places:
                if pid and place.pid == pid:
                    self._mourn(place, status)
                due = not place.pid and time.monotonic() >= place.not_before
                if due and self._begins(place):
                    return place.part
            if self.is_over and not any(place.pid for place in self.places):
                return None
            if not pid:
                time.sleep(LOOK_EVERY_S)

    def _begins(self, place: Place) -> bool:
        """Fork; True in the new process."""
        if self.is_over:
            return False
        place.since, ours = time.monotonic(), os.getpid()
        tie = os.pipe() if sys.platform != "linux" else None
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        place.pid = os.fork()
        if not place.pid:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        if tie:
            os.close(tie[0 if place.pid else 1])
        if not place.pid:
            if tie:
                tie_by_pipe(signal.SIGTERM, tie[0])
            else:
                tie_by_kernel(signal.SIGTERM, ours)
        return not place.pid

    def _mourn(self, place: Place, status: int) -> None:
        now, place.pid = time.monotonic(), 0
        place.deaths = 1 if now - place.since > STEADY_S else place.deaths + 1
        place.not_before = now + PAUSES[min(place.deaths, len(PAUSES)) - 1]
        if not self.is_over:
            print(f"{place.part.name} ended with {status}; it begins again", flush=True)


def _ended() -> tuple[int, int]:
    """The number and exit status of a child that has ended; 0 where none has."""
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return 0, 0
    return pid, os.waitstatus_to_exitcode(status) if pid else 0


def arguments_for(parts: Sequence[Part]) -> tuple[str, ...]:
    """What makes a Python the wings of these parts."""
    return "-m", "app.demo.wings", json.dumps([asdict(part) for part in parts])


def main() -> None:
    """Fork the parts that are named as JSON, and watch them; a part goes on as its module."""
    wings = Wings()
    signal.signal(signal.SIGTERM, wings.end)
    part = wings.send(Part(**one) for one in json.loads(sys.argv[1])) or wings.watch()
    if part is not None:
        _play(part)


def _play(part: Part) -> None:
    with Path(part.log).open("ab", buffering=0) as log:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(log.fileno(), stream.fileno())
    if part.environment:
        os.environ.update(json.loads(Path(part.environment).read_text()))
    sys.argv = [part.module, *part.arguments]
    runpy.run_module(part.module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
