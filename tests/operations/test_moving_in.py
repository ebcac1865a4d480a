"""`holdfast import`, as an operator types it."""

import json
from pathlib import Path

import pytest

from app.operations import accounts, moving_in
from tests.operations.conftest import Command

HEAD = "reference,at,outcome,reason,subscription\n"
LINE = "s1,2025-12-01T09:00:00Z,cancelled,too_expensive,sub_1\n"


@pytest.fixture(autouse=True)
def connected(says: Command) -> None:
    says(accounts.run, "add", "--merchant", "Kelp", typed="sk_test_1\n\n")


def test_a_table_is_kept_and_known_again(says: Command, tmp_path: Path) -> None:
    path = tmp_path / "sessions.csv"
    path.write_text("\ufeff" + HEAD + LINE)

    asked = ("sessions", str(path), "--product", "elsewhere")
    dry, looked = says(moving_in.run, *asked, "--dry-run")
    first, kept = says(moving_in.run, *asked)
    second, known = says(moving_in.run, *asked)

    assert (dry, first, second) == (0, 0, 0)
    assert "would be kept 1" in looked
    assert "kept      1" in kept
    assert "known     1" in known


def test_the_lines_that_are_wrong_are_named_and_nothing_is_kept(
    says: Command, tmp_path: Path
) -> None:
    path = tmp_path / "sessions.csv"
    path.write_text(HEAD + LINE + "s2,yesterday,cancelled,,\ns3,2025-12-01T09:00:00Z,lost,,\n")

    status, printed = says(moving_in.run, "sessions", str(path), "--product", "elsewhere")

    assert status == 1
    assert f"{path}:3: at is no instant" in printed
    assert f"{path}:4: outcome is none of" in printed
    assert "nothing of 3 lines was kept" in printed


def test_an_export_of_an_embedded_flow_is_read_line_by_line(says: Command, tmp_path: Path) -> None:
    path = tmp_path / "sessions.jsonl"
    row = {"_id": "s1", "createdAt": "2025-12-01T09:00:00Z", "canceled": True}
    path.write_text(json.dumps(row | {"surveyChoiceValue": "Zu teuer"}) + "\n\n")

    status, printed = says(
        moving_in.run,
        *("sessions", str(path), "--product", "elsewhere", "--shape", "embed"),
        *("--reason", "Zu teuer=too_expensive"),
    )

    assert (status, "kept      1" in printed) == (0, True)


@pytest.mark.parametrize(
    ("name", "content", "more", "told"),
    [
        pytest.param("s.csv", HEAD + "s1,x\n", (), "not as many cells", id="cells missing"),
        pytest.param("s.csv", HEAD + 's1,"x\n', (), "is no CSV", id="a quote that never ends"),
        pytest.param("s.json", "[1]", (), "is no object", id="no object"),
        pytest.param("s.json", "[" * 100_000, (), "is no JSON", id="deeper than anybody reads"),
        pytest.param("s.jsonl", "{}\n{", (), "line 2 is no JSON", id="broken off"),
        pytest.param("s.csv", b"\xff\xfe", (), "is not UTF-8", id="no text"),
        pytest.param("s.csv", HEAD, ("--product", "a b"), "one word", id="two words"),
        pytest.param("s.csv", HEAD, ("--reason", "x=y"), "THEIRS=OURS", id="no reason of ours"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_place(
    says: Command, tmp_path: Path, name: str, content: str | bytes, more: tuple[str, ...], told: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    status, printed = says(moving_in.run, "sessions", str(path), "--product", "elsewhere", *more)

    assert status == 2
    assert told in printed


def test_of_a_column_that_stands_twice_the_last_counts(says: Command, tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("reference," + HEAD + "first," + LINE)

    asked = ("sessions", str(path), "--product", "elsewhere")
    first, _ = says(moving_in.run, *asked)
    path.write_text(HEAD + LINE)
    again, told = says(moving_in.run, *asked)

    assert (first, again) == (0, 0)
    assert "known     1" in told


def test_an_empty_file_holds_nothing(says: Command, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_bytes(b"")

    status, told = says(
        moving_in.run, "sessions", str(tmp_path / "s.csv"), "--product", "elsewhere"
    )

    assert (status, "kept      0" in told) == (0, True)


def test_a_file_that_is_not_there_is_said_so(says: Command, tmp_path: Path) -> None:
    status, printed = says(
        moving_in.run, "sessions", str(tmp_path / "none.csv"), "--product", "elsewhere"
    )

    assert (status, "cannot be read" in printed) == (2, True)
