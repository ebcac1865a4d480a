"""The supervisor keeps things running until it is told to stop."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.embedded import Child, borrowed_engines, clean, door_at, supervise
from app.engines import EngineFailure, Engines, start_engines
from app.engines.homes import StateFolder, empty
from app.engines.processes import Stopping, is_running, listen, wait_until
from tests.embedded.holding import Holder, ask

pytestmark = pytest.mark.anyio


@contextmanager
def supervised(*children: Child, engines: Engines | None = None) -> Iterator[None]:
    stopping = Stopping()
    thread = threading.Thread(
        target=supervise, args=(children, stopping), kwargs={"engines": engines}
    )
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def a_child(program: str = "import time; time.sleep(600)") -> Child:
    return Child("sleeper", (sys.executable, "-c", program))


def pid_of(child: Child) -> int:
    return child.process.pid if child.process else 0


def test_a_child_that_is_killed_runs_again_and_stops_with_its_supervisor() -> None:
    child = a_child()

    with supervised(child):
        assert wait_until(lambda: pid_of(child) > 0, seconds=10)
        first = pid_of(child)
        os.kill(first, signal.SIGKILL)
        again = wait_until(lambda: pid_of(child) not in (0, first), seconds=10)
        second = pid_of(child)

    assert again
    assert not is_running(second)


def test_a_child_that_keeps_dying_is_given_more_time_each_time() -> None:
    child = a_child("raise SystemExit(3)")

    with supervised(child):
        died_thrice = wait_until(lambda: child.deaths >= 3, seconds=20)

    assert died_thrice
    assert child.not_before - child.started >= 0.9


async def test_an_engine_that_is_killed_runs_again_at_its_address(tmp_path: Path) -> None:
    # given engines under supervision
    engines = start_engines(tmp_path, durable=False)
    former = {engine.name: engine.process.pid for engine in engines.own if engine.process}

    # when both are killed
    with supervised(engines=engines):
        for pid in former.values():
            os.kill(pid, signal.SIGKILL)
        revived = wait_until(
            lambda: all(engines.notes.read()[n]["pid"] not in (None, p) for n, p in former.items()),
            seconds=30,
        )
        answer = await ask(engines.database_url, "select 1")
    engines.stop()

    # then they answer where they answered before
    assert revived
    assert answer == 1


def test_a_command_borrows_the_engines_of_a_running_supervisor(tmp_path: Path) -> None:
    holder = Holder(tmp_path)

    with borrowed_engines(tmp_path, database_url=None, redis_url=None) as known:
        borrowed = dict(known)
    holder.finish()

    assert borrowed["DATABASE_URL"] == holder.facts["database_url"]


def test_a_command_knows_the_address_of_the_running_service(tmp_path: Path) -> None:
    notes = StateFolder(tmp_path)
    notes.claim()
    notes.write(database_url="postgresql://db/x", api={"url": "http://127.0.0.1:8317"})

    with borrowed_engines(tmp_path, database_url=None, redis_url=None) as known:
        address = known["HOLDFAST_PUBLIC_URL"]
    notes.release()

    assert address == "http://127.0.0.1:8317"


async def test_a_command_without_a_supervisor_gets_engines_for_its_own_time(tmp_path: Path) -> None:
    with borrowed_engines(tmp_path, database_url=None, redis_url=None) as known:
        answer = await ask(known["DATABASE_URL"], "select 1")

    with pytest.raises(OSError):  # noqa: PT011 - any refusal of a connection
        await ask(known["DATABASE_URL"], "select 1")
    assert answer == 1


def test_given_servers_are_used_as_they_are(tmp_path: Path) -> None:
    with borrowed_engines(tmp_path, database_url="postgresql://db/x", redis_url=None) as known:
        assert known == {"DATABASE_URL": "postgresql://db/x"}


def test_clean_leaves_nothing(tmp_path: Path) -> None:
    state = tmp_path / "state"
    Holder(state).finish()
    room = state / "room"
    home = Path(room.read_text().strip()) if room.exists() else state

    clean(state)

    assert not state.exists()
    assert not home.exists()


def test_what_a_server_listens_at_is_nobody_elses_while_it_is_started_again() -> None:
    # given a child that serves a socket of ours and dies after one answer
    serve = (
        "import socket, sys; s = socket.socket(fileno=int(sys.argv[-1]));"
        "c, _ = s.accept(); c.sendall(b'here'); c.close()"
    )
    with listen() as door:
        argv = (sys.executable, "-c", serve, str(door.fileno()))
        child = Child("server", argv, inherited=(door.fileno(),))
        port = door.getsockname()[1]

        # when it is asked again and again, and somebody else wants its port
        with supervised(child):
            answers = [_asked(port) for _ in range(2)]
        with listen(port) as other:
            elsewhere = other.getsockname()[1]

    # then whoever came in between was only kept waiting
    assert answers == [b"here", b"here"]
    assert elsewhere != port


def test_a_port_that_links_name_is_waited_for_and_never_changed_for_another() -> None:
    with listen() as taken:
        port = taken.getsockname()[1]

        with pytest.raises(EngineFailure, match=f"{port}.*--sandbox-port"):
            door_at("sandbox", port, patience_s=0)
        leaving = threading.Timer(0.3, taken.close)
        leaving.start()
        with door_at("sandbox", port) as door:
            stands = door.getsockname()[1]

    assert stands == port


def _asked(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        return line.recv(100)


def test_emptying_a_state_folder_leaves_what_engines_keep(tmp_path: Path) -> None:
    for name in ("database_password", "clock", "story.sqlite3"):
        (tmp_path / name).write_text("")
    (tmp_path / "mailbox").mkdir()
    (tmp_path / "mailbox" / "one.eml").write_text("")

    empty(tmp_path)

    assert {found.name for found in tmp_path.iterdir()} == {"database_password", "lock"}


def test_a_folder_in_use_is_not_emptied(tmp_path: Path) -> None:
    notes = StateFolder(tmp_path)
    notes.claim()
    (tmp_path / "clock").write_text("")

    with pytest.raises(EngineFailure, match="another holdfast"):
        empty(tmp_path)
    notes.release()

    assert (tmp_path / "clock").exists()


async def test_without_fsync_only_what_was_stopped_cleanly_is_gone_on_with(tmp_path: Path) -> None:
    # given a kept cluster without fsync, with a row in it
    first = start_engines(tmp_path, durable=False, kept=True)
    await ask(first.database_url, "create table kept (n int)", "insert into kept values (7)")
    first.stop()

    # when it is started after a clean stop, and then after one that was not
    second = start_engines(tmp_path, durable=False, kept=True)
    kept = await ask(second.database_url, "select n from kept")
    second.stop()
    (tmp_path / "postgres_rested").unlink()
    third = start_engines(tmp_path, durable=False, kept=True)
    gone = await ask(third.database_url, "select to_regclass('kept')")
    third.stop()
    third.home.remove()

    # then the row is there, and the other time everything is made anew
    assert kept == 7
    assert gone is None


def test_what_is_sent_over_a_socket_that_was_handed_over_leaves_at_once() -> None:
    with listen() as door, socket.create_connection(door.getsockname()):
        taken, _ = door.accept()
        with taken:
            assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
