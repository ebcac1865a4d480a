"""The embedded engines keep what they were given, whatever is killed."""

import asyncio
import shutil
import stat
from pathlib import Path

import pytest

from app.engines.processes import is_running
from tests.embedded.holding import Holder, ask

pytestmark = pytest.mark.anyio

DEATHS = {
    "the supervisor": ("supervisor",),
    "all at once": ("postgres", "valkey", "supervisor"),
    "PostgreSQL, then its supervisor": ("postgres", "supervisor"),
    "Valkey, then its supervisor": ("valkey", "supervisor"),
}


@pytest.mark.parametrize("killed", DEATHS.values(), ids=DEATHS)
async def test_what_was_committed_is_there_after_kill_9_of(
    killed: tuple[str, ...], tmp_path: Path
) -> None:
    # given engines with a committed row
    first = Holder(tmp_path / "state")
    await ask(
        first.facts["database_url"], "create table kept (n int)", "insert into kept values (7)"
    )

    # when they are killed and started again at once
    first.kill(*killed)
    second = Holder(tmp_path / "state")
    kept = await ask(second.facts["database_url"], "select n from kept")
    status = second.finish()

    # then the row is there, at the same address
    assert kept == 7
    assert second.facts["database_url"] == first.facts["database_url"]
    assert status == 0


async def test_a_clean_stop_leaves_no_process(tmp_path: Path) -> None:
    holder = Holder(tmp_path)

    status = holder.finish()

    assert status == 0
    assert not any(is_running(pid) for pid in holder.pids.values())


async def test_two_checkouts_live_side_by_side(tmp_path: Path) -> None:
    one, other = Holder(tmp_path / "one"), Holder(tmp_path / "other")

    ports = {h.facts[name]["port"] for h in (one, other) for name in ("postgres", "valkey")}
    await ask(one.facts["database_url"], "create table mine (n int)")
    seen = await ask(other.facts["database_url"], "select to_regclass('mine')")
    one.finish(), other.finish()

    assert len(ports) == 4
    assert seen is None


async def test_a_second_supervisor_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    first = Holder(tmp_path)

    second = Holder(tmp_path)
    alive = await ask(first.facts["database_url"], "select 1")
    first.finish()

    assert f"process {first.process.pid}" in second.complaint
    assert "HOLDFAST_STATE_DIR" in second.complaint
    assert alive == 1


async def test_a_start_killed_half_way_leaves_nothing_half_made(tmp_path: Path) -> None:
    # given a folder in which a killed start left half a cluster
    holder = Holder(tmp_path)
    holder.finish()
    data = _data_folder(tmp_path)
    data.rename(data.with_name("data.new"))
    (data.with_name("data.new") / "PG_VERSION").unlink()

    # when it starts again
    again = Holder(tmp_path)
    answer = await ask(again.facts["database_url"], "select 1")
    again.finish()

    assert answer == 1


async def test_a_copied_state_folder_is_another_database(tmp_path: Path) -> None:
    # given engines that run, and a copy of their state folder
    original = Holder(tmp_path / "original")
    shutil.copytree(
        tmp_path / "original", tmp_path / "copy", ignore=shutil.ignore_patterns("valkey", "*.pid")
    )

    # when the copy is started beside the original
    copy = Holder(tmp_path / "copy")
    await ask(copy.facts["database_url"], "create table mine (n int)")
    seen = await ask(original.facts["database_url"], "select to_regclass('mine')")
    statuses = original.finish(), copy.finish()

    # then neither touches the other
    assert seen is None
    assert statuses == (0, 0)


async def test_valkey_data_that_cannot_be_read_is_put_aside(tmp_path: Path) -> None:
    Holder(tmp_path).finish()
    folder = _data_folder(tmp_path).parent.parent / "valkey" / "appendonlydir"
    for file in folder.glob("*.manifest"):
        file.write_text("spoilt")

    again = Holder(tmp_path)
    answers = again.facts["valkey"]["pid"]
    again.finish()

    assert answers
    assert list(folder.parent.glob("appendonlydir.unreadable-*"))


async def test_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    state = tmp_path / "state"
    Holder(state).finish()

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()}

    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert {modes[name] for name in ("database_password", "valkey_password", "state.json")} == {
        0o600
    }
    assert stat.S_IMODE(_data_folder(state).parent.stat().st_mode) == 0o700


async def test_a_wrong_password_does_not_open_the_database(tmp_path: Path) -> None:
    holder = Holder(tmp_path)
    url = holder.facts["database_url"]
    password = (tmp_path / "database_password").read_text()

    outcomes = await asyncio.gather(
        ask(url.replace(password, "guess"), "select 1"),
        ask(url.replace("//holdfast:", "//postgres:"), "select 1"),
        return_exceptions=True,
    )
    holder.finish()

    assert [type(outcome).__name__ for outcome in outcomes] == ["InvalidPasswordError"] * 2


@pytest.mark.parametrize(
    ("variable", "way_on"), [("PG_BINDIR", "DATABASE_URL"), ("REDIS_BIN", "REDIS_URL")]
)
async def test_a_system_without_programs_is_told_the_way_on(
    variable: str, way_on: str, tmp_path: Path
) -> None:
    holder = Holder(tmp_path, **{variable: str(tmp_path / "nothing")})

    assert holder.process.returncode == 1
    assert way_on in holder.complaint
    assert "Traceback" not in holder.complaint


def _data_folder(state: Path) -> Path:
    room = state / "room"
    home = Path(room.read_text().strip()) if room.exists() else state
    return home / "postgres" / "data"
