"""`./run up` killed with -9 while cards are being charged, and started again: nothing is lost and
nothing happens twice. With the real commands, the real engines and the sandbox over HTTP."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.config import Settings
from app.domain.actions import Action, ActionState
from app.domain.dunning import Attempt, AttemptState, Case, CaseState
from app.domain.recovery import EntryKind, RecoveryEntry
from app.engines.processes import free_port, is_running
from app.services import merchants
from app.wiring import build_world
from tests.embedded.holding import ROOT
from tests.embedded.test_up import Up

pytestmark = pytest.mark.anyio

KEY = "sk_test_killed_in_the_middle"
SUBSCRIBERS = 12
PRICE = 3000
EXPIRED = {"kind": "decline", "code": "expired_card"}
# An attempt in doubt is read again a minute after its intent, so this takes over a minute.
DEADLINE_S = 300.0
REDELIVERED_S = (
    10.0  # between two deliveries of what nobody answered; the provider's own take hours
)


class Service(Up):
    """`holdfast up --sandbox`, its commands, and its sandbox as a merchant uses it."""

    def __init__(self, state: Path, port: int, sandbox_port: int | None = None) -> None:
        self.state, self.port = state, port
        self.sandbox_port = free_port() if sandbox_port is None else sandbox_port
        self.log = (state.parent / "up.log").open("ab")
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("DATABASE_URL", "REDIS_URL")
        } | {
            "HOLDFAST_STATE_DIR": str(state),
            "HOLDFAST_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "HOLDFAST_MAILBOX_DIR": str(state / "mailbox"),
            "HOLDFAST_LEASE_S": "5",
        }
        ports = ("--port", str(port), "--sandbox-port", str(self.sandbox_port))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app", "up", "--sandbox", *ports],
            cwd=ROOT,
            env=self.environment,
            stdout=self.log,
            stderr=self.log,
        )

    @property
    def sandbox(self) -> str:
        return str(self.facts["sandbox"]["url"])

    def command(self, *words: str, reads: str = "") -> None:
        done = subprocess.run(
            [sys.executable, "-m", "app", *words],
            cwd=ROOT,
            env=self.environment,
            input=reads,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def call(self, path: str, **params: Any) -> dict[str, Any]:
        answer = httpx.post(
            f"{self.sandbox}/v1/{path}",
            data=params,
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def control(self, path: str, **body: Any) -> dict[str, Any]:
        answer = httpx.post(f"{self.sandbox}/_sandbox/{path}", json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def charges(self) -> list[dict[str, Any]]:
        """What the provider captured."""
        answer = httpx.get(
            f"{self.sandbox}/v1/charges",
            params={"limit": 100},
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=30,
        )
        return [charge for charge in answer.json()["data"] if charge["status"] == "succeeded"]


@dataclass
class Books:
    """What our own database says."""

    cases: list[Case]
    attempts: list[Attempt]
    entries: list[RecoveryEntry]
    pending: list[Action]

    @classmethod
    async def of(cls, service: Service) -> "Books":
        settings = Settings(
            environment="development",
            database_url=service.facts["database_url"],
            redis_url=None,
            smtp_url=None,
            state_dir=service.state,
        )
        async with build_world(settings) as world:
            ((merchant, _),) = await merchants.list_accounts(world)
            own = {"merchant_id": merchant.merchant_id}
            async with world.store.transaction(merchant.merchant_id) as tx:
                return cls(
                    await tx.find(Case, where=own),
                    await tx.find(Attempt, where=own),
                    await tx.find(RecoveryEntry, where=own),
                    await tx.find(Action, where=own | {"state": ActionState.PENDING}),
                )

    def told(self) -> str:
        """What stands, for a test that waited in vain."""
        cases = [(case.state, case.recovered_minor) for case in self.cases]
        attempts = [(attempt.trigger, attempt.state) for attempt in self.attempts]
        pending = [(a.kind, a.claims, a.due_at, a.note) for a in self.pending]
        return f"{cases}\n{attempts}\n{len(self.entries)} entries\n{pending}"


async def until(service: Service, holds: Callable[[Books], bool]) -> Books:
    began = told = time.monotonic()
    while not holds(books := await Books.of(service)):
        now = time.monotonic()
        assert now < began + DEADLINE_S, books.told()
        if now > told + REDELIVERED_S:
            told = now
            service.control("deliver", everything=True)
        await asyncio.sleep(0.3)
    return books


def sign_up(service: Service) -> list[tuple[str, str]]:
    """Customers whose trial ends in seconds and whose cards have expired by then."""
    product = service.call("products", name="Team")
    price = service.call(
        "prices",
        product=product["id"],
        currency="usd",
        unit_amount=PRICE,
        **{"recurring[interval]": "month"},
    )
    signed_up = []
    for number in range(SUBSCRIBERS):
        card = service.control(
            "cards", base="visa", behaviour={"kind": "decline", "code": "expired_card"}
        )
        customer = service.call(
            "customers",
            email=f"s{number}@example.com",
            payment_method=card["id"],
            **{"invoice_settings[default_payment_method]": card["id"]},
        )
        service.call(
            "subscriptions",
            customer=customer["id"],
            trial_end=int(time.time()) + 3,
            **{"items[0][price]": price["id"]},
        )
        signed_up.append((customer["id"], card["id"]))
    return signed_up


async def test_killed_while_charging_it_goes_on_and_charges_each_once(tmp_path: Path) -> None:
    # given a running service with the sandbox, and cards that fail at their first renewal
    service = Service(tmp_path / "state", free_port())
    try:
        assert service.ready()
        mode = ("--mode", "drive", "--api-base", service.sandbox)
        service.command("accounts", "add", "--merchant", "Kelp", *mode, reads=f"{KEY}\n\n")
        service.command("connect")
        service.control("settings", finalize_after=1)
        signed_up = sign_up(service)
        await until(service, lambda b: sum(case.driven for case in b.cases) == SUBSCRIBERS)

        # when all cards turn good at once and everything is killed in the middle of charging
        for customer, method in signed_up:
            service.control(
                f"customers/{customer}/acts", act="update_card_automatically", payment_method=method
            )
        await until(service, lambda b: any(c.state is CaseState.RECOVERED for c in b.cases))
        service.kill_all()
        service.log.close()
        service = Service(tmp_path / "state", service.port, service.sandbox_port)
        assert service.ready()
        service.control("deliver", everything=True)  # what nobody answered comes again
        books = await until(service, all_settled)

        # then every invoice was captured once and entered once
        paid = [charge["customer"] for charge in service.charges()]
        assert sorted(paid) == sorted(customer for customer, _ in signed_up)
        assert sorted(case.customer_id or "" for case in books.cases) == sorted(paid)
        assert [entry.amount_minor for entry in books.entries] == [PRICE] * SUBSCRIBERS
        assert {entry.kind for entry in books.entries} == {EntryKind.RECOVERED}
    finally:
        _end(service)


def all_settled(books: Books) -> bool:
    """Whether every case is recovered, its money entered, and no attempt in doubt."""
    return (
        len(books.entries) == SUBSCRIBERS
        and all(case.state is CaseState.RECOVERED for case in books.cases)
        and not any(a.state in {AttemptState.SENT, AttemptState.UNKNOWN} for a in books.attempts)
    )


def _end(service: Service) -> None:
    if is_running(service.process.pid):
        service.process.send_signal(signal.SIGTERM)
        service.process.wait(60)
    service.log.close()
