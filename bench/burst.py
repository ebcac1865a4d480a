"""Burst: charges that fall due in one minute, worked off by one worker against a rate-limited
sandbox, beside the provider's limit.

The sandbox takes so many charges a second and answers 429 beyond; it alone says what was charged
and how often. A neighbour, another merchant with another account, has a few due in the same
minute: their work must not queue behind the many.

Late is a charge that left more than 30 s after its intent was committed, one whose lease ran out
before it was through, and a neighbour's that had to wait for more than a minute. How long the last
of the many waits is arithmetic, what is due over the provider's rate, and told beside it.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from subprocess import Popen
from typing import Any

from app.config import Settings
from app.domain.actions import ActionKind
from app.domain.dunning import Case
from app.domain.ids import derive_id
from app.domain.merchants import CollectionMode, ProviderAccount
from app.domain.mirror import Customer, Invoice, InvoiceStatus
from app.domain.openings import case_action
from app.embedded import python_child
from app.ports.world import World
from app.services import merchants
from app.wiring import build_world
from bench.figures import Round, memory_mb, percentile, summary
from bench.provider import PRICE, SANDBOX_KEY
from bench.stage import Stage, hear, open_stage, process, say

DUE = 50_000
RATE = 100.0  # charges a second; Stripe's own 25 for one endpoint would take 50,000 half an hour
SPAN_S = 60.0
NEIGHBOURS = 100
OURS = 0.8  # of a limit that others use too, as the settings' defaults are
FIRST_SEND_S = 30.0
NEIGHBOUR_S = 60.0
AT_REST_S = 30.0
BATCH = 5000
FILLED_PER_S = 800
CHARGED = "kind = 'retry' and state = 'done'"  # its intent is committed; nothing else is done
INTENTS = """
select invoice_id, min(extract(epoch from intent_at))::float8 as at
from attempts join cases using (case_id) where attempts.state in ('approved', 'declined') group by 1
"""


@dataclass(frozen=True, slots=True)
class Side:
    """One merchant: its sandbox, its invoices in the order in which they fall due."""

    sandbox: Popen[str]
    account: ProviderAccount
    invoices: list[str]

    def tells(self) -> dict[str, Any]:
        """What happened at the sandbox's door."""
        say(self.sandbox, "report")
        told: dict[str, Any] = json.loads(hear(self.sandbox))
        return told


def run(*, due: int = DUE, rate: float = RATE) -> dict[str, object]:
    """One round: fill, let the minute come, work off, compare with what the sandbox saw."""
    with open_stage() as stage, contextlib.ExitStack() as held:
        many = held.enter_context(_side(due, rate))
        few = held.enter_context(_side(NEIGHBOURS, rate))
        pid = held.enter_context(_worker(stage, rate))
        begin = datetime.now(UTC) + timedelta(seconds=10 + due / FILLED_PER_S)
        sides = asyncio.run(_fill(begin, many, few))
        stage.sql("analyze")
        if datetime.now(UTC) > begin:
            raise RuntimeError("the minute began before all was there; the machine is too busy")
        time.sleep(max(0.0, (begin - datetime.now(UTC)).total_seconds()))
        start = memory_mb([pid])
        _wait(stage, due + NEIGHBOURS)
        rss = (start, memory_mb([pid]))
        figures = _figures(stage, begin, sides, rate)
        return summary([figures], rss=rss, database=stage.database)


@contextlib.contextmanager
def _side(count: int, rate: float) -> Iterator[tuple[Popen[str], int, list[list[str]]]]:
    """A sandbox with its customers: the process, its port, (customer, invoice) of each."""
    limits = ("--whole", str(4 * rate), "--endpoint", str(rate))
    with process("bench.provider", str(count), *limits) as sandbox:
        made: list[list[str]] = json.loads(hear(sandbox))
        yield sandbox, int(hear(sandbox)), made


async def _fill(begin: datetime, *given: tuple[Popen[str], int, list[list[str]]]) -> list[Side]:
    sides = []
    async with build_world(Settings()) as world:
        for sandbox, port, made in given:
            account = await _account(world, port)
            for first in range(0, len(made), BATCH):
                rows = [
                    _rows(account, begin + timedelta(seconds=SPAN_S * n / len(made)), *made[n])
                    for n in range(first, min(first + BATCH, len(made)))
                ]
                async with world.store.transaction(account.merchant_id) as tx:
                    for same in zip(*rows, strict=True):
                        await tx.insert(same)
            sides.append(Side(sandbox, account, [invoice for _, invoice in made]))
    return sides


async def _account(world: World, port: int) -> ProviderAccount:
    merchant = await merchants.create_merchant(world, name=f"Bench {port}", actor="bench")
    return await merchants.create_account(
        world,
        merchant_id=merchant.merchant_id,
        api_key=SANDBOX_KEY,
        actor="bench",
        live=False,
        mode=CollectionMode.DRIVE,
        api_base=f"http://127.0.0.1:{port}",
    )


def _rows(account: ProviderAccount, due: datetime, customer: str, invoice: str) -> tuple[Any, ...]:
    """A case taken over yesterday and its next attempt; silent, because letters are not the
    matter here."""
    opened = due - timedelta(days=1)
    ids: dict[str, Any] = {"merchant_id": account.merchant_id, "account_id": account.account_id}
    whose = ids | {"customer_id": customer}
    case = Case(
        **whose,
        case_id=derive_id("case", opened, account.account_id, invoice),
        invoice_id=invoice,
        amount_minor=PRICE,
        due_minor=PRICE,
        mode=CollectionMode.DRIVE,
        driven=True,
        silent=True,
        failures=1,
        opened_at=opened,
        window_ends_at=opened + timedelta(days=28),
        next_attempt_at=due,
    )
    owed = Invoice(
        **whose,
        invoice_id=invoice,
        status=InvoiceStatus.OPEN,
        due_minor=PRICE,
        remaining_minor=PRICE,
        seen_at=opened,
    )
    retry = case_action(case, ActionKind.RETRY, due, nth=due.isoformat())
    return Customer(**whose, seen_at=opened), owed, case, retry


@contextlib.contextmanager
def _worker(stage: Stage, rate: float) -> Iterator[int]:
    paces = {
        "HOLDFAST_STRIPE_REQUESTS_PER_S": str(4 * OURS * rate),
        "HOLDFAST_STRIPE_ENDPOINT_REQUESTS_PER_S": str(OURS * rate),
        "HOLDFAST_DRAINS": "1",
    }
    child = python_child(
        "worker", "-m", "workers", env=stage.environment | paces, log=stage.logs / "worker.log"
    )
    child.start()
    try:
        assert child.process is not None
        yield child.process.pid
    finally:
        child.stop()


def _wait(stage: Stage, due: int) -> None:
    """Until every charge is answered. Raises where nothing moves any more."""
    last, moved = -1, time.monotonic()
    while last < due:
        time.sleep(1)
        rows = stage.sql(f"select count(*) as n from actions where {CHARGED}")
        if rows[0]["n"] != last:
            last, moved = rows[0]["n"], time.monotonic()
        print(f"{last:,} of {due:,}", flush=True)
        if time.monotonic() - moved > AT_REST_S + SPAN_S:
            states = stage.sql("select kind, state, note, count(*) from actions group by 1, 2, 3")
            raise RuntimeError(f"{last} of {due}, and nothing moves: {[tuple(r) for r in states]}")
    time.sleep(2)  # the last answers


def _figures(stage: Stage, begin: datetime, sides: list[Side], rate: float) -> Round:
    (many, told), (few, of_few) = ((side, side.tells()) for side in sides)
    waits = _waits(begin, many, told)
    theirs = _waits(begin, few, of_few)
    intents = {
        row["invoice_id"]: row["at"]
        for side in sides
        for row in stage.sql(INTENTS, merchant=side.account.merchant_id)
    }
    asked = {invoice: times[0] for t in (told, of_few) for invoice, times in t["asked"].items()}
    slow = sum(at - intents[invoice] > FIRST_SEND_S for invoice, at in asked.items())
    again = stage.sql("select count(*) as n from actions where kind = 'retry' and claims > 1")
    starved = sum(wait > NEIGHBOUR_S for wait in theirs)
    seconds = max(times[0] for times in told["asked"].values()) - begin.timestamp()
    extra = {
        "due": len(many.invoices),
        "carried_out": told["charges"],
        "answered_429": told["statuses"].get("429", 0),
        "doubles": told["doubles"] + of_few["doubles"],
        "late": slow + again[0]["n"] + starved,
        "longest_from_intent_s": max(at - intents[i] for i, at in asked.items()),
        "oldest_wait_s": waits[-1],
        "unavoidable_wait_s": max(0.0, len(waits) / rate - SPAN_S),
        "neighbours_oldest_wait_s": theirs[-1],
        "seconds": seconds,
    }
    if extra["doubles"] or extra["late"] or told["charges"] != extra["due"]:
        print(f"NOT AS PROMISED: {extra}", flush=True)
    return Round(
        per_second=len(waits) / seconds,
        p50_ms=1000 * percentile(waits, 0.5),
        p99_ms=1000 * percentile(waits, 0.99),
        ceiling_per_second=min(rate, len(waits) / SPAN_S),
        extra=tuple(extra.items()),
    )


def _waits(begin: datetime, side: Side, told: dict[str, Any]) -> list[float]:
    """From the instant when each was due until the sandbox was asked for it, in s, sorted."""
    spacing = SPAN_S / len(side.invoices)
    first = {invoice: times[0] for invoice, times in told["asked"].items()}
    return sorted(
        first[invoice] - begin.timestamp() - n * spacing
        for n, invoice in enumerate(side.invoices)
        if invoice in first
    )
