"""The play itself: connect the companies, drive their weeks, show the figures, stay."""

import argparse
import asyncio
import json
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import httpx
import uvloop
from rich.console import Console

from app.demo.cast import DAYS, OPENING, Draws
from app.demo.driver import Driver
from app.demo.figures import Figures, collect, show
from app.demo.house import House
from app.demo.leaving import Page, leaves
from app.demo.provider import KEY, Provider, Troupe
from app.demo.stage import Stage
from app.demo.story import Story
from app.domain.merchants import Scope
from app.mail.mailbox import FolderMailbox
from app.operations.connect import connect
from app.ports.world import World
from app.services.api_keys import create_key
from app.services.merchants import create_account, create_merchant
from app.wake import REST, ringing
from app.wiring import build_world, load_settings

TICK = 1.0  # seconds between two writes of the clock once the story is over
SCOPES = (
    Scope.CASES_READ,
    Scope.CASES_WRITE,
    Scope.POLICIES_READ,
    Scope.POLICIES_WRITE,
    Scope.FINANCE_READ,
    Scope.OPERATIONS_READ,
    Scope.SESSIONS_WRITE,
)


def play(
    stage: Stage, troupes: Sequence[Troupe], wishes: argparse.Namespace, started: float
) -> None:
    """Play these troupes' weeks on a stage that is set; `started` is when the curtain was asked
    for, in monotonic seconds. Raises `EngineFailure` where the api does not come up."""
    console = Console(highlight=False)
    everybody = sum(len(troupe.people) for troupe in troupes)
    stage.open()
    passed = time.monotonic() - started
    console.print(f"stage set, {everybody} subscribers signed up in {passed:.1f} s", style="dim")
    uvloop.run(_play(stage, troupes, wishes, console, started))


async def _play(
    stage: Stage,
    troupes: Sequence[Troupe],
    wishes: argparse.Namespace,
    console: Console,
    started: float,
) -> None:
    end = OPENING + timedelta(days=DAYS)
    settings = load_settings()
    async with (
        build_world(settings) as world,
        httpx.AsyncClient(timeout=60) as client,
        ringing(settings.redis_url or "", REST) as rest,
    ):
        houses = [
            await _connect(world, troupe, sandbox)
            for troupe, sandbox in zip(troupes, stage.sandboxes, strict=True)
        ]
        driver = Driver(
            world=world,
            houses=houses,
            stage=stage,
            story=Story(console),
            mailbox=FolderMailbox(stage.mailbox),
            rest=rest,
            draws=Draws(wishes.seed),
            client=client,
            now=OPENING,
        )
        for house in filter(leaves, houses):
            page = Page(world, house, client, stage.api)
            await page.publish()
            driver.expects(page.acts(driver.draws, OPENING))
        await driver.play(end)
        stage.set_clock(end + timedelta(minutes=1))
        figures = Figures()
        for house in houses:
            await collect(figures, world, house, stage.api, (OPENING, end))
        _conclude(console, figures, wishes, time.monotonic() - started)
        if not wishes.exit:
            await _stay(console, stage, houses, end + timedelta(minutes=1))


async def _connect(world: World, troupe: Troupe, sandbox: str) -> House:
    company = troupe.company
    merchant = await create_merchant(
        world,
        name=company.name,
        actor="demo",
        time_zone="Europe/Berlin",
        sender_email="billing@example.com",
        assignment_key="demo",
    )
    account = await create_account(
        world,
        merchant_id=merchant.merchant_id,
        api_key=KEY,
        actor="demo",
        live=False,
        mode=company.mode,
        api_base=sandbox,
    )
    # the clock would step from page to page of each round, twice a day; no webhook is lost here
    await connect(world, account.account_id, again=False, rounds=False)
    _, key = await create_key(
        world,
        merchant_id=merchant.merchant_id,
        name="demo",
        scopes=SCOPES,
        actor="demo",
        live=False,
    )
    return House(
        company=company,
        merchant_id=merchant.merchant_id,
        account_id=account.account_id,
        key=key,
        provider=Provider(sandbox),
        people=troupe.people,
        known=troupe.known,
    )


def _conclude(
    console: Console, figures: Figures, wishes: argparse.Namespace, seconds: float
) -> None:
    show(console, figures)
    console.print(f"five weeks in {seconds:.1f} s", style="dim")
    if wishes.json:
        document = figures.as_json(seed=wishes.seed, seconds=seconds)
        wishes.json.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")


async def _stay(console: Console, stage: Stage, houses: Sequence[House], end: datetime) -> None:
    """Let the clock run on from the story's last instant until somebody stops us."""
    days = f"from={OPENING:%Y-%m-%d}&to={end:%Y-%m-%d}"
    console.print()
    for name, where in (
        ("dashboard", f"{stage.api}/operator/finance?{days}"),
        ("desk", f"{stage.api}/operator"),
        ("mailbox", f"{stage.api}/demo/mailbox"),
        ("shop", f"{stage.api}/demo/shop"),
        ("api docs", f"{stage.api}/docs"),
        ("figures", f"{stage.api}/v1/finance/recovered-revenue"),
        ("sandbox", f"{stage.sandboxes[0]}/_sandbox/status"),
        *((f"key of {house.company.name}", house.key) for house in houses),
    ):
        console.print(f"  {name:<16} {where}", soft_wrap=True)
    console.print("\nCtrl-C stops it.", style="dim")
    stopping = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stopping.set)
    began = time.monotonic()
    while not stopping.is_set():
        now = end + timedelta(seconds=time.monotonic() - began)
        stage.set_clock(now)
        stage.watch()
        for house in houses:
            with suppress(OSError):  # the sandbox may be starting again
                await house.advance(now)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), TICK)
