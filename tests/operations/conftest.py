"""A deployment as an operator finds it: an empty database, a sandbox, secrets on standard input."""

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from app.operations import accounts
from tests.sandbox.stand import Served, serve

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def deployment(
    clean_database: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    monkeypatch.setenv("DATABASE_URL", clean_database)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("HOLDFAST_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("HOLDFAST_MAILBOX_DIR", str(tmp_path / "mailbox"))
    return monkeypatch


@pytest.fixture
def says(
    deployment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Run a command with lines on its standard input; its exit status and what it printed."""

    def command(
        run: Callable[[Sequence[str]], int], *arguments: str, typed: str = ""
    ) -> tuple[int, str]:
        deployment.setattr("sys.stdin", io.StringIO(typed))
        status = run(arguments)
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return command


@pytest.fixture
def provider() -> Iterator[Served]:
    with serve() as served:
        yield served


@pytest.fixture
def account_id(says: Command, provider: Served) -> str:
    """One account at the sandbox, not connected yet."""
    adding = ("add", "--merchant", "Kelp", "--api-base", provider.url)
    _, printed = says(accounts.run, *adding, typed="sk_test_sandbox_1\n\n")
    return next(line.split()[1] for line in printed.splitlines() if line.startswith("account "))
