"""What survives: a killed process, a repeated run, an hour of a whole company's billing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from app.providers.sandbox.world import World
from tests.sandbox.stand import (
    DAY,
    NO_TLS,
    START,
    a_card,
    a_customer,
    a_price,
    ask,
    behaves,
    refusal,
)


def a_company(world, subscribers=12):
    """Subscribers on one plan, some of whom will not be able to pay."""
    price = a_price(world)
    for n in range(subscribers):
        customer = a_customer(world, email=f"s{n}@x.example")
        card = a_card(world, customer)
        ask(
            world,
            "POST",
            "/v1/subscriptions",
            customer=customer,
            items=[{"price": price}],
            default_payment_method=card,
        )
        if n % 3 == 0:
            behaves(world, card, kind="chance", approve=0.4, code="insufficient_funds")


def told(world):
    return [(e["id"], e["type"], e["created"], e["data"]) for e in world.all("event")]


def test_one_seed_tells_one_story():
    worlds = [World(7, START), World(7, START), World(8, START)]
    for world in worlds:
        a_company(world)
        world.advance_to(START + 80 * DAY)

    first, same, other = [told(world) for world in worlds]

    assert first == same
    assert [row[1:3] for row in first] != [row[1:3] for row in other]


def test_playing_in_steps_tells_the_same_as_playing_at_once():
    at_once, stepwise = World(7, START), World(7, START)
    for world in (at_once, stepwise):
        a_company(world)
    at_once.advance_to(START + 40 * DAY)

    for hour in range(0, 40 * 24, 6):
        stepwise.advance_to(START + hour * 3600)
    stepwise.advance_to(START + 40 * DAY)

    assert told(at_once) == told(stepwise)


def test_luck_belongs_to_the_card_and_not_to_the_order_of_asking():
    def outcome(order):
        world = World(3, START)
        customers = [a_customer(world, email=f"{n}@x.example") for n in range(6)]
        cards = {c: a_card(world, c) for c in customers}
        for card in cards.values():
            behaves(world, card, kind="chance", approve=0.5, code="do_not_honor")
        paid = {}
        for c in [customers[n] for n in order]:
            given = {"customer": c, "payment_method": cards[c], "confirm": True}
            answer = world.call(
                "POST", "/v1/payment_intents", {"amount": 100, "currency": "usd", **given}
            )
            paid[c] = answer.status
        return paid

    assert outcome(range(6)) == outcome([5, 3, 1, 0, 2, 4])


def test_a_world_goes_on_from_its_file(tmp_path: Path):
    path = tmp_path / "world.db"
    before = World(7, START, path)
    a_company(before)
    before.advance_to(START + 35 * DAY)
    before.records.close()
    unbroken = World(7, START)
    a_company(unbroken)
    unbroken.advance_to(START + 60 * DAY)

    after = World(999, 0, path)
    after.advance_to(START + 60 * DAY)

    assert told(after) == told(unbroken)
    after.records.close()


def test_a_refused_request_leaves_no_trace():
    world = World(1, START)
    customer = a_customer(world, "pm_card_chargeCustomerFail")
    price = a_price(world)
    before = {ident: dict(thing) for ident, thing in world.records.things.items()}

    refusal(
        world,
        "POST",
        "/v1/subscriptions",
        customer=customer,
        items=[{"price": price}],
        payment_behavior="error_if_incomplete",
    )

    assert world.records.things == before


class Process:
    """The sandbox as a process of its own, which can be killed."""

    def __init__(self, folder: Path) -> None:
        self.port_file = folder / "port"
        self.state = folder / "state.db"

    def start(self) -> httpx.Client:
        self.port_file.unlink(missing_ok=True)
        arguments = ["--port-file", self.port_file, "--state", self.state, "--mode", "stepped"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app.providers.sandbox", *map(str, arguments)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith(b"Sandbox at ")
        url = f"http://127.0.0.1:{self.port_file.read_text()}"
        headers = {"authorization": "Bearer sk_test_x"}
        return httpx.Client(base_url=url, headers=headers, timeout=10, verify=NO_TLS)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def process(tmp_path: Path):
    running = Process(tmp_path)
    yield running
    if running.process.poll() is None:
        running.kill()


def test_after_kill_9_answers_and_webhooks_are_still_there(process: Process):
    key = {"idempotency-key": "k1"}
    with process.start() as client:
        endpoint = {"url": "http://127.0.0.1:9/nobody", "enabled_events[]": "*"}
        client.post("/v1/webhook_endpoints", data=endpoint)
        made = client.post("/v1/customers", data={"email": "a@x.example"}, headers=key).json()
        process.kill()

    with process.start() as client:
        again = client.post("/v1/customers", data={"email": "a@x.example"}, headers=key)
        status = client.get("/_sandbox/status").json()

    assert again.json() == made
    assert again.headers["idempotent-replayed"] == "true"
    assert status["undelivered"] == 1
