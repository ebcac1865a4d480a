"""Whoever asks to stop is heard, and a terminal that closes asks nobody who was told to stay."""

import signal
import subprocess
import sys
from types import FrameType
from typing import Any

import pytest

from app.embedded import supervise
from app.engines.processes import Stopping
from tests.embedded.holding import ROOT

HEEDS = """
import os, signal
from app.engines.processes import Stopping
stopping = Stopping()
stopping.heed_signals()
os.kill(os.getpid(), signal.SIGHUP)
print(stopping.is_set())
os.kill(os.getpid(), signal.SIGTERM)
print(stopping.is_set())
"""


def _hears_a_terminal() -> None:
    """Whoever runs the tests may have begun with nohup themselves."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.mark.parametrize(
    ("begun_by", "heard"), [((), ["True", "True"]), (("nohup",), ["False", "True"])]
)
def test_a_terminal_that_closes_ends_what_was_not_begun_with_nohup(
    begun_by: tuple[str, ...], heard: list[str]
) -> None:
    done = subprocess.run(
        [*begun_by, sys.executable, "-c", HEEDS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=_hears_a_terminal,
    )

    assert done.stdout.split() == heard


@pytest.mark.parametrize("step", range(1, 16))
def test_asking_is_heard_wherever_it_interrupts(step: int) -> None:
    """As a signal handler does: in the very thread that waits, at any of its lines."""
    stopping, before, lines = Stopping(), sys.gettrace(), 0

    def interrupt(_frame: FrameType, _event: str, _: Any) -> Any:
        nonlocal lines
        lines += 1
        if lines == step:
            stopping.set()
        return interrupt

    sys.settrace(interrupt)
    try:
        supervise((), stopping)
    finally:
        sys.settrace(before)

    assert stopping.is_set()
