"""F37: a backup is restored while the provider has gone on. By the guide of docs/operations.md:
paused until the provider has told again what it told since, and nobody is charged twice."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.domain.dunning import CaseState
from app.embedded import Child, answers, python_child
from app.engines.processes import free_port, wait_until
from tests.databases import Server
from tests.faults.guide import typed, types
from tests.processes.test_killed_up import (
    KEY,
    PRICE,
    SUBSCRIBERS,
    Books,
    Service,
    all_settled,
    sign_up,
    until,
)

pytestmark = pytest.mark.anyio


class Deployment(Service):
    """Api, worker and sandbox on given engines; each may be stopped by itself."""

    def __init__(self, folder: Path, database_url: str, redis_url: str) -> None:
        self.state, self.port, self.folder = folder / "state", free_port(), folder
        self.state.mkdir()
        self.sandbox_port = free_port()
        self.environment = dict(os.environ) | {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "HOLDFAST_STATE_DIR": str(self.state),
            "HOLDFAST_SECRET_KEYS": "k" * 44,
            "HOLDFAST_PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "HOLDFAST_MAILBOX_DIR": str(self.state / "mailbox"),
            "HOLDFAST_LEASE_S": "5",
        }
        self.children: dict[str, Child] = {}

    @property
    def facts(self) -> dict[str, Any]:
        return {"database_url": self.environment["DATABASE_URL"]}

    @property
    def sandbox(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    def starts(self, name: str) -> None:
        words = {
            "api": ("-m", "app", "api", "--port", str(self.port)),
            "worker": ("-m", "workers"),
            "sandbox": ("-m", "app", "sandbox", "--port", str(self.sandbox_port)),
        }[name]
        log = self.folder / f"{name}.log"
        self.children[name] = python_child(name, *words, env=self.environment, log=log)
        self.children[name].start()
        where = {"api": f"http://127.0.0.1:{self.port}", "sandbox": self.sandbox}.get(name)
        assert where is None or wait_until(lambda: answers(where), seconds=60, step=0.1)

    def stops(self, *names: str) -> None:
        for name in names:
            self.children.pop(name).stop()

    def tells_all_again(self) -> None:
        """The provider sends every event once more, those that were taken as well."""
        known = httpx.get(f"{self.sandbox}/_sandbox/events?limit=10000", timeout=30).json()
        for event in known["events"]:
            self.control(f"events/{event['id']}/resend")


def all_paid(books: Books) -> bool:
    """The cases know it; what each payment was is read once the provider may be asked."""
    return all(case.state is CaseState.RECOVERED for case in books.cases)


@pytest.fixture
def deployment(clean_database: str, redis_url: str, tmp_path: Path) -> Iterator[Deployment]:
    deployment = Deployment(tmp_path, clean_database, redis_url)
    yield deployment
    deployment.stops(*list(deployment.children))


async def test_what_was_charged_after_the_backup_is_charged_no_second_time(
    deployment: Deployment, server: Server, tmp_path: Path
) -> None:
    # given cards that failed, a backup, and charges that succeeded after it
    service = deployment
    service.starts("sandbox")
    service.starts("api")
    mode = ("--mode", "drive", "--api-base", service.sandbox)
    service.command("accounts", "add", "--merchant", "Kelp", *mode, reads=f"{KEY}\n\n")
    service.command("connect")
    service.control("settings", finalize_after=1)
    service.starts("worker")
    signed_up = sign_up(service)
    await until(service, lambda b: sum(case.driven for case in b.cases) == SUBSCRIBERS)
    named = {
        "ADMIN_URL": server.admin_address("migrated"),
        "NEW_URL": server.admin_address("restored"),
    }
    for command in typed("Backup"):
        await asyncio.to_thread(types, command, tmp_path, **named)
    for customer, method in signed_up:
        service.control(
            f"customers/{customer}/acts", act="update_card_automatically", payment_method=method
        )
    await until(service, all_settled)
    service.stops("worker", "api")

    # when the backup is restored as the guide says
    url = server.create("restored", template="template0")
    for command in typed("Restore"):
        await asyncio.to_thread(types, command, tmp_path, **named)
    service.environment["DATABASE_URL"] = url
    service.command("migrate")
    before = await Books.of(service)
    service.command("accounts", "pause", "--reason", "restored")
    service.starts("api")
    service.tells_all_again()
    service.starts("worker")
    await until(service, all_paid)
    service.command("accounts", "withhold")
    service.command("accounts", "resume")
    after = await until(service, all_settled)

    # then what had been lost is known again, and every invoice was captured and entered once
    paid = [charge["customer"] for charge in service.charges()]
    assert not any(case.state is CaseState.RECOVERED for case in before.cases)
    assert sorted(paid) == sorted(customer for customer, _ in signed_up)
    assert [entry.amount_minor for entry in after.entries] == [PRICE] * SUBSCRIBERS
    server.drop("restored")
