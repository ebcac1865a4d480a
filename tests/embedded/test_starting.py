"""PostgreSQL that works off a long log is waited for; one that hangs, or is to stop, is not."""

import threading
import time
from pathlib import Path

import pytest

from app.engines import EngineFailure
from app.engines.homes import Home, open_home, open_state
from app.engines.postgres import Postgres
from app.engines.processes import Stopping

INITDB = """#!/bin/sh
[ "$1" = --version ] && exit 0
mkdir -p "$2" && echo 15 > "$2/PG_VERSION"
"""
# Takes its time, as the real one does after a crash: its first argument but one is the folder.
POSTGRES = """#!/bin/sh
[ "$1" = --version ] && exit 0
[ "$1" = --single ] && {{ cat > /dev/null; exit 0; }}
trap 'exit 0' INT
claim() {{ printf '%s\\n' $$ "$1" 0 5432 '' 127.0.0.1 '' "$2" > "$1/postmaster.pid"; }}
claim "$2" starting
{recovering}
claim "$2" ready
while :; do sleep 0.1; done
"""
AT_WORK = "for n in 1 2 3 4 5 6 7 8 9 10; do echo redo in progress; sleep 0.3; done"
HANGS = "while :; do sleep 0.1; done"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return open_home(open_state(tmp_path / "state"))


def a_postgres(
    recovering: str, home: Home, monkeypatch: pytest.MonkeyPatch, stopping: Stopping | None = None
) -> Postgres:
    programs = home.state / "a" / "bin"
    programs.mkdir(parents=True)
    texts = {"initdb": INITDB, "postgres": POSTGRES.format(recovering=recovering)}
    for name, text in texts.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PG_BINDIR", str(programs))
    return Postgres(home, durable=True, stopping=stopping, silence=1.5)


def test_it_is_waited_for_as_long_as_it_tells_how_far_it_is(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres = a_postgres(AT_WORK, home, monkeypatch)

    postgres.start()
    runs = postgres.process and postgres.process.poll()
    postgres.stop()

    assert runs is None


def test_one_that_has_nothing_more_to_tell_is_given_up(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres = a_postgres(HANGS, home, monkeypatch)

    with pytest.raises(EngineFailure, match="did not start"):
        postgres.start()

    assert postgres.process
    assert postgres.process.poll() is not None


def test_who_asks_to_stop_meanwhile_does_not_wait_for_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping = Stopping()
    postgres = a_postgres(AT_WORK, home, monkeypatch, stopping)
    asking = threading.Timer(0.3, stopping.set)
    asking.start()
    began = time.monotonic()

    with pytest.raises(EngineFailure):
        postgres.start()

    assert time.monotonic() - began < 2.5
    assert postgres.process
    assert postgres.process.poll() is not None
