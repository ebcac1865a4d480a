"""Wiring: clocks, the shipped policy, and a world that opens nothing before it is used."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.config import Settings
from app.domain.policies import Strategy
from app.domain.policy_documents import InvalidPolicy
from app.ports.mailer import MailDeferred
from app.wiring import (
    FileClock,
    NoMailer,
    NotConfigured,
    SystemClock,
    build_world,
    clock_of,
    default_policy,
)

pytestmark = pytest.mark.anyio


def settings(folder: Path, **told: object) -> Settings:
    """As the environment would give them, were it empty."""
    empty = {"database_url": None, "redis_url": None, "smtp_url": None, "state_dir": folder}
    return Settings(**(empty | told))  # type: ignore[arg-type]


def test_the_stepped_clock_shows_what_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    clock = FileClock(path)
    path.write_text("2026-03-01T10:00:00+01:00\n")
    first = clock.now()
    path.write_text("2026-03-02T00:00:00+00:00")

    assert (first, clock.now()) == (
        datetime(2026, 3, 1, 9, tzinfo=UTC),
        datetime(2026, 3, 2, tzinfo=UTC),
    )
    assert first.tzinfo is UTC


def test_without_a_clock_file_time_is_the_machines(tmp_path: Path) -> None:
    clock = clock_of(settings(tmp_path))

    assert isinstance(clock, SystemClock)
    assert clock.now().tzinfo is UTC


def test_the_shipped_policy_is_one(tmp_path: Path) -> None:
    policy = default_policy(settings(tmp_path))

    assert (policy.label, policy.retry.strategy) == ("default@1", Strategy.RULES)
    assert {row.template for row in policy.messages} == {
        "payment_failed",
        "payment_reminder",
        "final_notice",
        "payment_recovered",
        "subscription_ended",
    }
    assert {row.on for row in policy.messages} == {None, "recovered", "ended"}


@pytest.mark.parametrize("document", ["", "- a list", "retry: {window_days: 0}"])
def test_a_policy_file_that_is_none_is_refused(tmp_path: Path, document: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(document)

    with pytest.raises(InvalidPolicy):
        default_policy(settings(tmp_path, policy_file=path))


async def test_a_world_is_built_while_database_and_redis_are_down(tmp_path: Path) -> None:
    nowhere = {"database_url": "postgresql://127.0.0.1:1/x", "redis_url": "redis://127.0.0.1:1"}

    async with build_world(settings(tmp_path, **nowhere)) as world:
        await world.wake.now()

    assert world.public_url == "http://127.0.0.1:8200"


async def test_a_world_without_a_database_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="DATABASE_URL"):
        async with build_world(settings(tmp_path)):
            pass


async def test_without_a_way_out_mail_waits() -> None:
    with pytest.raises(MailDeferred):
        await NoMailer().send(None)
