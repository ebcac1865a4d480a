"""Several modules from one import: begun again when they die, all ended together."""

import json
import os
import signal
from pathlib import Path

import pytest

from app.demo.wings import Part, arguments_for
from app.embedded import Child, python_child
from app.engines.processes import is_running, wait_until

SECONDS = 60.0
# Says who it is and what it was given, then stays.
PART = """
import json, os, pathlib, sys, time
note = pathlib.Path(sys.argv[1])
note.with_suffix(".new").write_text(json.dumps([os.getpid(), sys.argv, os.environ.get("GIVEN")]))
note.with_suffix(".new").rename(note)
print("here", flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def playable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "played.py").write_text(PART)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def wings(folder: Path, *parts: Part) -> Child:
    return python_child("wings", *arguments_for(parts), env={}, log=folder / "wings.log")


def a_part(folder: Path, name: str, *, environment: Path | None = None) -> Part:
    return Part(
        name=name,
        module="played",
        arguments=[str(folder / f"{name}.json")],
        log=str(folder / f"{name}.log"),
        needs=["json"],
        environment=str(environment) if environment else None,
    )


def noted(folder: Path, name: str, *, but: int = 0) -> tuple[int, list[str], str | None]:
    """What a part says of itself, once it is there as another process than `but`."""
    note = folder / f"{name}.json"
    assert wait_until(
        lambda: note.exists() and json.loads(note.read_text())[0] != but, seconds=SECONDS
    )
    pid, argv, given = json.loads(note.read_text())
    return pid, argv, given


def test_each_part_is_a_process_of_its_own_with_its_arguments_and_its_log(tmp_path: Path) -> None:
    child = wings(tmp_path, a_part(tmp_path, "one"), a_part(tmp_path, "two"))

    child.start()
    one, two = noted(tmp_path, "one"), noted(tmp_path, "two")
    child.stop()

    assert one[0] != two[0]
    assert one[1][1:] == [str(tmp_path / "one.json")]
    assert (tmp_path / "one.log").read_text() == "here\n"
    assert not is_running(one[0])
    assert not is_running(two[0])


def test_a_part_waits_for_its_environment_and_the_others_do_not(tmp_path: Path) -> None:
    file = tmp_path / "environment"
    early, late = a_part(tmp_path, "early"), a_part(tmp_path, "late", environment=file)
    child = wings(tmp_path, early, late)

    child.start()
    noted(tmp_path, "early")
    too_soon = (tmp_path / "late.json").exists()
    file.with_suffix(".new").write_text(json.dumps({"GIVEN": "this"}))
    file.with_suffix(".new").rename(file)
    given = noted(tmp_path, "late")[2]
    child.stop()

    assert not too_soon
    assert given == "this"


def test_a_part_that_dies_begins_again(tmp_path: Path) -> None:
    child = wings(tmp_path, a_part(tmp_path, "one"))
    child.start()
    first, _, _ = noted(tmp_path, "one")

    os.kill(first, signal.SIGKILL)
    second, _, _ = noted(tmp_path, "one", but=first)
    child.stop()

    assert not is_running(second)


def test_no_part_outlives_the_wings(tmp_path: Path) -> None:
    child = wings(tmp_path, a_part(tmp_path, "one"))
    child.start()
    part, _, _ = noted(tmp_path, "one")

    assert child.process
    child.process.kill()
    gone = wait_until(lambda: not is_running(part), seconds=SECONDS)
    child.stop()

    assert gone


def test_told_to_end_before_the_engines_are_there_they_end(tmp_path: Path) -> None:
    never = tmp_path / "never"
    child = wings(tmp_path, a_part(tmp_path, "early"), a_part(tmp_path, "late", environment=never))
    child.start()
    early, _, _ = noted(tmp_path, "early")

    child.stop()

    assert child.process
    assert child.process.returncode == 0
    assert not is_running(early)
