"""No child outlives its parent, on systems with a parent-death signal and without."""

import os
import signal
import subprocess
import sys

import pytest

from app.engines.processes import is_running, wait_until
from tests.embedded.holding import ROOT

PARENT = """
import sys
from pathlib import Path
from app.engines.processes import spawn
by_pipe = sys.argv[1] == "pipe"
child = spawn(["/bin/sleep", "600"], folder=Path("/"), environment={}, by_pipe=by_pipe)
print(child.pid, flush=True)
sys.stdin.read()
"""
TIES = ["pipe", *(["kernel"] if sys.platform == "linux" else [])]


@pytest.mark.parametrize("tie", TIES)
def test_a_child_ends_when_its_parent_is_killed(tie: str) -> None:
    # given a parent with a child
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, tie],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert parent.stdin
    assert parent.stdout
    child = int(parent.stdout.readline())
    assert is_running(child)

    # when the parent gets no chance to tidy up
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()

    # then the child ends as well
    gone = wait_until(lambda: not is_running(child), seconds=10)
    parent.stdin.close(), parent.stdout.close()
    assert gone
