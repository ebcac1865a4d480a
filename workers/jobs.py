"""The jobs that arq runs. Thin: unpack, call, nothing else. arq retries none of them.

Each may run twice, late, or never: the row in the database is the truth and the sweep finds it.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from arq import cron
from arq.cron import CronJob
from arq.worker import Function, func

from workers.carrying import Carrier
from workers.queue import Queue
from workers.shift import Pace, Shift


async def carry_out_actions(ctx: dict[str, Any], claims: Sequence[tuple[str, int]]) -> None:
    """Carry out a batch of claimed actions. Claims that no longer stand are no-ops."""
    carrier: Carrier = ctx["carrier"]
    carrying = carrier.start([(action_id, claim) for action_id, claim in claims])

    def is_through(_: object) -> None:
        queue: Queue = ctx["queue"]
        queue.through(ctx["job_id"])
        shift: Shift = ctx["shift"]
        shift.queue_bell.ring()  # a slot is free
        shift.due_bell.ring()  # the same customers may have more that is due

    carrying.add_done_callback(is_through)
    await asyncio.shield(carrying)  # arq may give up waiting; what was begun goes on


async def sweep(ctx: dict[str, Any]) -> None:
    """Look for what no wake-up announced. The worker's own loop does the same without Redis."""
    shift: Shift = ctx["shift"]
    shift.ring()


# What a job of these names would do, should an older or newer release have enqueued it.
FUNCTIONS = (carry_out_actions,)
CRONS = (sweep,)


def functions(pace: Pace) -> list[Function]:
    """`FUNCTIONS` as arq takes them: short, tried once, no result kept."""
    return [func(job, timeout=pace.job_timeout_s, keep_result=0, max_tries=1) for job in FUNCTIONS]


def crons() -> list[CronJob]:
    """`CRONS` every five seconds; one worker of all gets each."""
    every_five = set(range(0, 60, 5))
    return [cron(job, second=every_five, keep_result=0, max_tries=1, timeout=5) for job in CRONS]
